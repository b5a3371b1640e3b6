"""The graph for Graphviz: boxes for values, circles for operations, a frame around each scope.

The backward pass runs upwards beside the forward pass, with dashed arrows. A compact picture has no
circles: compact.py. Routes of the gradient are drawn over either: traced.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from textwrap import wrap
from typing import Any

import graphviz
import numpy.typing as npt

from .. import writing
from . import scopes, traced
from .data import GraphData, Node
from .look import FONT, SIZE, Look, html
from .names import SYMBOLS as SYMBOLS
from .names import Names
from .names import clean as clean
from .names import symbol as symbol
from .paths import Route

WIDTH, NARROW = 46, 23  # characters of a line of numbers
Arrow = tuple[str, str, dict[str, str]]  # from, to, and how it looks


class Drawing:
    """The data of one drawing, and the methods that draw it."""

    def __init__(
        self,
        graph: GraphData,
        nodes: Sequence[Node],
        hidden: Mapping[int, str],
        look: Look,
        labels: Mapping[int, str],
    ) -> None:
        self.graph, self.nodes, self.hidden, self.look = graph, nodes, hidden, look
        self.names = Names(nodes, labels)
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

    def picture(
        self, title: str, description: str, groups: Mapping[str, Sequence[Route]]
    ) -> graphviz.Digraph:
        """Draw the values, the operations, the scopes and the arrows; over them, the routes."""
        colors = self.look.colors
        picture = graphviz.Digraph(title, comment=description)
        picture.attr("graph", **self.look.graph())
        picture.attr("node", shape="box", style="filled", fontname=FONT, fontsize=SIZE)
        picture.attr("node", color=colors["line"], fontcolor=colors["text"], margin="0.12,0.06")
        picture.attr("edge", color=colors["line"], arrowsize="0.6", fontname=FONT)
        self._scope(picture, "")
        hops = {name: self._hops(routes) for name, routes in groups.items()}
        taken = {(head, tail) for of_a_group in hops.values() for tail, head in of_a_group}
        drawn: set[tuple[str, str, str]] = set()
        for tail, head, style in self._arrows(picture):
            arrow = (tail, head, style.get("dir", "forward"))
            if tail != head and arrow not in drawn and (tail, head) not in taken:
                drawn.add(arrow)
                picture.edge(tail, head, **style)
        if groups:
            traced.draw(picture, self.look, groups, hops)
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
                    frame.attr(label=html(clean(path.rsplit("/", 1)[-1])), **self.look.frame())
                    self._scope(frame, path)

    def _node(self, picture: graphviz.Digraph, node: Node) -> None:
        if node.id in self.visible:
            style = self.look.value(node.kind, node.backward)
            picture.node(f"n{node.id}", self._label(node), **style)
            if node.cotangent_of in self.visible:
                with picture.subgraph() as level:  # the cotangent beside its value
                    level.attr(rank="same")
                    level.node(f"n{node.cotangent_of}")
                    level.node(f"n{node.id}")
        if node.op and node.id not in self.hidden:
            self._operation(picture, node, node.op)

    def _operation(self, picture: graphviz.Digraph, node: Node, op: str) -> None:
        sign = SYMBOLS.get(op, op)
        picture.node(
            f"op{node.id}", html(clean(sign)), shape="circle" if len(sign) < 3 else "ellipse",
            width="0.38", height="0.34", margin="0.03", fontcolor="#ffffff", penwidth="0",
            fillcolor=self.look.colors["backward" if node.backward else "operation"],
            tooltip=graphviz.escape(clean(op)),
        )  # fmt: skip

    def _box(self, picture: graphviz.Digraph, path: str) -> None:
        inside = self.boxed[path]
        operations = sum(node.op is not None for node in inside)
        learned = [name for n in inside if n.kind == "parameter" and (name := symbol(n.name))]
        lines = [
            f"<B>{escape(clean(path.rsplit('/', 1)[-1]))}</B>",
            self.look.quiet(f"{operations} operation{'s'[: operations != 1]}"),
        ]
        if learned:
            lines.append(self.look.quiet(clean(f"with {', '.join(learned)}")))
        picture.node(
            self.paths[path], f"<{'<BR/>'.join(lines)}>", shape="folder",
            fillcolor=self.look.colors["box"],
        )  # fmt: skip

    def _label(self, node: Node) -> str:
        head, show = self._head(node), self.look.show
        if node.kind == "constant" and node.value.size == 1:
            number = escape(writing.number(float(node.value.reshape(()))))
            return f"<{head} = {number}>" if node.id in self.names.has_a_name else f"<{number}>"
        facts = [str(node.dtype)] if "dtype" in show else []
        if "shape" in show:
            facts.insert(0, writing.shape(node.shape))
        quiet = [self.look.quiet(" ".join(facts))] if facts else []
        rows = [" &nbsp;".join([head, *quiet])]
        if "value" in show:
            rows += self._numbers(node.value)
        if "gradient" in show and not node.backward and node.kind != "constant":
            rows += self._gradient(node)
        return f"<{'<BR/>'.join(row for row in rows if row)}>"

    def _head(self, node: Node) -> str:
        """Write what a value is called: its name, or how it was computed."""
        called = self.names.called[node.id].text
        if node.id in self.names.has_a_name:
            return f"<B>{escape(called)}</B>" if called else ""
        number = self.look.quiet(f"#{node.id}")
        if not self.names.formula[node.id]:
            return number
        return f"{number} = {escape(called)}" if node.id in self.names.numbered else escape(called)

    def _gradient(self, node: Node) -> list[str]:
        if not self.graph.has_gradients:
            return [self.look.quiet("no gradient yet")]
        if node.grad is None:
            return [self.look.quiet("no gradient flows here")]
        color = self.look.colors["backward"]
        lines = self._numbers(node.grad, "∇ ")
        rows = [f'<FONT COLOR="{color}">{line}</FONT>' for line in lines]
        terms = self.graph.terms(node)
        if len(terms) > 1:
            users = [self._user(user) for user, _ in terms]
            rows.append(self.look.quiet(clean(f"sum of parts from {' and '.join(users)}")))
        return rows

    def _user(self, user: Node) -> str:
        if user.id in self.there:
            return self.names.called[user.id].text
        return symbol(user.name) or f"{user.op} #{user.id}"  # outside of the focus

    def _numbers(self, array: npt.NDArray[Any], sign: str = "") -> list[str]:
        """Write an array on one line, or on narrow ones if the graph runs sideways."""
        line = sign + writing.numbers(array, WIDTH)
        narrow = NARROW if self.look.sideways else len(line)
        return [escape(part) for part in wrap(line, narrow, break_on_hyphens=False)]

    def _arrows(self, picture: graphviz.Digraph) -> Iterator[Arrow]:
        """Yield the arrows: from inputs to operations, and from these to results."""
        for node in self.nodes:
            if node.op is None:
                continue
            op = self._operation_at(node)
            if node.id in self.visible:
                yield self._arrow(op, f"n{node.id}", node.backward)
            for i in node.inputs:
                if i in self.there:
                    source = self.graph.nodes[i]
                    yield self._arrow(self._at(source), op, node.backward, not source.backward)
            if not self.there.issuperset(node.inputs):
                yield self._cut(picture, node, op)

    def _cut(self, picture: graphviz.Digraph, node: Node, op: str) -> Arrow:
        """Draw dots for an input that is outside of the focus; return the arrow from them."""
        fill = self.look.colors["scope"]
        picture.node(f"cut{node.id}", "⋯", fillcolor=fill, penwidth="0", margin="0.03")
        return self._arrow(f"cut{node.id}", op, node.backward)

    def _arrow(self, tail: str, head: str, backward: bool, forward_value: bool = False) -> Arrow:
        color = self.look.colors["backward"]
        if not backward:
            return tail, head, {}
        if not self.of_both_passes:
            return tail, head, {} if forward_value else {"color": color}
        if forward_value:
            return tail, head, {"style": "dotted", "constraint": "false"}
        # with ends exchanged, so that Graphviz ranks it like an arrow of the forward pass
        return head, tail, {"dir": "back", "style": "dashed", "color": color}

    def _hops(self, routes: Sequence[Route]) -> traced.Hops:
        """List the arrows of a group of routes, each once: from shape to shape, backwards."""
        found: dict[tuple[str, str], None] = {}
        for route in routes:
            stops: list[str] = []
            for node in route.nodes:
                if node.id in self.there:
                    op = [self._operation_at(node)] if node.op and node is not route.to else []
                    stops += [stop for stop in (self._at(node), *op) if stop not in stops[-1:]]
            found.update(dict.fromkeys(pairwise(stops)))
        return [hop for hop in found if hop[0] != hop[1]]

    def _at(self, node: Node) -> str:
        """Return the name of the shape that shows a node: its own, or the box of a scope."""
        return self.paths[self.hidden[node.id]] if node.id in self.hidden else f"n{node.id}"

    def _operation_at(self, node: Node) -> str:
        """Return the name of the shape that shows the operation of a node."""
        return self._at(node) if node.id in self.hidden else f"op{node.id}"
