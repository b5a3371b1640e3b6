"""The graph for Graphviz: boxes for values, circles for operations, a frame around each scope.

The kinds of values differ in outline and shade, so that they can be distinguished without colour.
The backward pass runs upwards beside the forward pass, with dashed arrows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from html import escape

import graphviz

from .. import writing
from . import scopes
from .data import GraphData, Node

GREEK = {
    "mu": "μ", "var": "σ²", "std": "σ", "x_hat": "x̂", "x_centered": "x − μ",
    "gamma": "γ", "beta": "β", "eps": "ε",
}  # fmt: skip
SYMBOLS = {
    "add": "+", "sub": "−", "mul": "×", "div": "÷", "pow": "xʸ", "sqrt": "√", "neg": "−x",
    "matmul": "@", "sum": "Σ", "prod": "Π", "mean": "mean", "abs": "|x|", "broadcast_to": "repeat",
}  # fmt: skip
LONGEST = 60  # characters of a name
SHOWN = ("shape", "dtype", "value", "gradient")

FONT = "Helvetica"
INK, QUIET, LINE, BACK = "#1d252c", "#66727d", "#55636f", "#a8480a"
STYLE = {
    "input": {"fillcolor": "#d3e3f3", "penwidth": "2"},
    "parameter": {"fillcolor": "#e4e3dd", "style": "filled,diagonals", "margin": "0.2,0.07"},
    "constant": {"fillcolor": "#ffffff", "style": "dashed", "color": QUIET},
    "result": {"fillcolor": "#ffffff", "style": "rounded,filled"},
    "output": {"fillcolor": "#f7e0b8", "style": "rounded,filled", "peripheries": "2"},
}  # fmt: skip
FRAME = {
    "style": "rounded,filled", "fillcolor": "#f6f7f8", "color": "#c3ccd4", "fontcolor": QUIET,
    "labeljust": "l", "fontsize": "11", "margin": "14",
}  # fmt: skip


def symbol(name: str | None) -> str | None:
    """Write a name with the symbols of the sources: mu is μ, its cotangent dmu is dμ."""
    if name is None or name in GREEK:
        return GREEK.get(name or "")
    if name.startswith("d") and name[1:] in GREEK:
        inner = GREEK[name[1:]]
        return f"d({inner})" if " " in inner else f"d{inner}"
    return name


def digraph(
    graph: GraphData,
    *,
    collapse: int | Collection[str],
    focus: str | int | None,
    radius: int,
    show: Collection[str],
) -> graphviz.Digraph:
    """Draw the graph (see ``Graph.to_dot``)."""
    if unknown := sorted(set(show) - set(SHOWN)):
        raise ValueError(f"show: {unknown[0]!r} is none of {', '.join(map(repr, SHOWN))}")
    nodes = graph.nodes
    if focus is not None:
        nodes = tuple(scopes.neighbourhood(nodes, graph[focus], radius))
    hidden = scopes.boxes(nodes, scopes.to_collapse(nodes, collapse))
    return _Drawing(graph, nodes, hidden, show).picture()


class _Drawing:
    """The data of one drawing, and the methods that draw it."""

    def __init__(
        self,
        graph: GraphData,
        nodes: Sequence[Node],
        hidden: Mapping[int, str],
        show: Collection[str],
    ) -> None:
        self.graph, self.nodes, self.hidden, self.show = graph, nodes, hidden, show
        self.there = {node.id for node in nodes}
        self.visible = {n.id for n in nodes if n.id not in hidden or n.kind == "output"}
        self.of_both_passes = len({node.backward for node in nodes if node.op}) == 2
        self.paths = {path: f"scope{k}" for k, path in enumerate(scopes.all_scopes(nodes))}
        self.members: dict[str, list[Node]] = defaultdict(list)  # of each scope: its own nodes,
        self.below: dict[str, list[str]] = defaultdict(list)  # the scopes directly in it,
        self.boxed: dict[str, list[Node]] = defaultdict(list)  # and the nodes that its box replaces
        for node in nodes:
            self.members[node.scope].append(node)
            if node.id in hidden:
                self.boxed[hidden[node.id]].append(node)
        for path in self.paths:
            self.below[path.rpartition("/")[0]].append(path)

    def picture(self) -> graphviz.Digraph:
        picture = graphviz.Digraph("tinygrad_bn")
        picture.attr("graph", rankdir="TB", nodesep="0.28", ranksep="0.3", fontname=FONT)
        picture.attr("node", shape="box", style="filled", fontname=FONT, fontsize="11")
        picture.attr("node", color=LINE, fontcolor=INK, margin="0.12,0.06")
        picture.attr("edge", color=LINE, arrowsize="0.6")
        self._scope(picture, "")
        self._edges(picture)
        return picture

    def _scope(self, picture: graphviz.Digraph, scope: str) -> None:
        """Draw the contents of a scope: its nodes, and each scope in it as a frame or as a box."""
        for node in self.members[scope]:
            self._node(picture, node)
        for path in self.below[scope]:
            if path in self.boxed:
                self._box(picture, path)
                for node in self.boxed[path]:  # the output, if it is in this scope
                    if node.id in self.visible:
                        self._node(picture, node)
            else:
                with picture.subgraph(name=f"cluster_{self.paths[path]}") as frame:
                    frame.attr(label=_html(clean(path.rsplit("/", 1)[-1])), **FRAME)
                    self._scope(frame, path)

    def _node(self, picture: graphviz.Digraph, node: Node) -> None:
        if node.id in self.visible:
            style = STYLE[node.kind]
            if node.backward:
                style = {**style, "color": BACK}
            picture.node(f"n{node.id}", self._label(node), **style)
            if node.cotangent_of in self.visible:
                with picture.subgraph() as level:  # the cotangent beside its value
                    level.attr(rank="same")
                    level.node(f"n{node.cotangent_of}")
                    level.node(f"n{node.id}")
        if node.op and node.id not in self.hidden:
            sign = SYMBOLS.get(node.op, node.op)
            picture.node(
                f"op{node.id}", _html(clean(sign)), shape="circle" if len(sign) < 3 else "ellipse",
                width="0.38", height="0.34", margin="0.03", fontcolor="#ffffff", penwidth="0",
                fillcolor=BACK if node.backward else "#37444f",
                tooltip=graphviz.escape(clean(node.op)),
            )  # fmt: skip

    def _box(self, picture: graphviz.Digraph, path: str) -> None:
        inside = self.boxed[path]
        operations = sum(node.op is not None for node in inside)
        learned = [name for n in inside if n.kind == "parameter" and (name := symbol(n.name))]
        lines = [
            f"<B>{escape(clean(path.rsplit('/', 1)[-1]))}</B>",
            _quiet(f"{operations} operation{'s'[: operations != 1]}"),
        ]
        if learned:
            lines.append(_quiet(f"with {', '.join(learned)}"))
        picture.node(
            self.paths[path], f"<{'<BR/>'.join(lines)}>", shape="folder", fillcolor="#e9edf1"
        )

    def _label(self, node: Node) -> str:
        name = symbol(node.name)
        head = "" if name is None else f"<B>{escape(clean(name))}</B>"
        if node.kind == "constant" and node.value.size == 1:
            number = writing.number(float(node.value.reshape(())))
            return f"<{head} = {number}>" if head else _html(number)
        facts = [str(node.dtype)] if "dtype" in self.show else []
        if "shape" in self.show:
            facts.insert(0, writing.shape(node.shape))
        rows = [
            " &nbsp;".join([*([head] if head else []), *([_quiet(" ".join(facts))] * bool(facts))])
        ]
        if "value" in self.show:
            rows.append(escape(writing.numbers(node.value, 36)))
        if "gradient" in self.show and not node.backward and node.kind != "constant":
            rows += self._gradient(node)
        return f"<{'<BR/>'.join(row for row in rows if row)}>"

    def _gradient(self, node: Node) -> list[str]:
        if not self.graph.has_gradients:
            return [_quiet("no gradient yet")]
        if node.grad is None:
            return [_quiet("no gradient flows here")]
        rows = [f'<FONT COLOR="{BACK}">∇ {escape(writing.numbers(node.grad, 36))}</FONT>']
        terms = self.graph.terms(node)
        if len(terms) > 1:
            users = [symbol(user.name) or f"{user.op} #{user.id}" for user, _ in terms]
            rows.append(_quiet(clean(f"sum of parts from {' and '.join(users)}")))
        return rows

    def _edges(self, picture: graphviz.Digraph) -> None:
        """Draw each arrow once."""
        drawn: set[tuple[str, str]] = set()
        for node in self.nodes:
            if node.op is None:
                continue
            op = self._at(node) if node.id in self.hidden else f"op{node.id}"
            arrows = [(op, f"n{node.id}", False)] if node.id in self.visible else []
            arrows += [
                (self._at(self.graph.nodes[i]), op, not self.graph.nodes[i].backward)
                for i in node.inputs
                if i in self.there
            ]
            if not self.there.issuperset(node.inputs):  # an input is outside of the focus
                picture.node(f"cut{node.id}", "⋯", shape="plaintext", style="", margin="0")
                arrows.append((f"cut{node.id}", op, False))
            for tail, head, is_forward_value in arrows:
                if tail != head and (tail, head) not in drawn:
                    drawn.add((tail, head))
                    self._edge(picture, tail, head, node.backward, is_forward_value)

    def _at(self, node: Node) -> str:
        """Return the name of the shape that shows a node: its own, or the box of a scope."""
        return self.paths[self.hidden[node.id]] if node.id in self.hidden else f"n{node.id}"

    def _edge(
        self, picture: graphviz.Digraph, tail: str, head: str, backward: bool, forward_value: bool
    ) -> None:
        if not backward:
            picture.edge(tail, head)
        elif not self.of_both_passes:
            picture.edge(tail, head, **({} if forward_value else {"color": BACK}))
        elif forward_value:
            picture.edge(tail, head, style="dotted", constraint="false")
        else:  # with ends exchanged, so that Graphviz ranks it like an arrow of the forward pass
            picture.edge(head, tail, dir="back", style="dashed", color=BACK)


def _html(line: str) -> str:
    return f"<{escape(line)}>" if line else "< >"


def _quiet(line: str) -> str:
    return f'<FONT POINT-SIZE="9" COLOR="{QUIET}">{escape(line)}</FONT>'


def clean(line: str) -> str:
    """Shorten a name to one line, and replace the characters that XML does not allow."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
