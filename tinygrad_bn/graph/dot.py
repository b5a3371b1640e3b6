"""The graph for Graphviz: boxes for values, circles for operations, a frame around each scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import graphviz

from . import text

if TYPE_CHECKING:
    from .graph import Node

GREEK = {
    "mu": "μ", "var": "σ²", "std": "σ", "x_hat": "x̂", "x_centered": "x − μ",
    "gamma": "γ", "beta": "β", "eps": "ε",
}  # fmt: skip
SYMBOLS = {
    "add": "+", "sub": "−", "mul": "×", "div": "÷", "pow": "xʸ", "sqrt": "√", "neg": "−x",
    "matmul": "@", "sum": "Σ", "mean": "mean", "abs": "|x|",
}  # fmt: skip

FONT = "Helvetica"
STYLE = {  # told apart by shape and shade, not by colour alone
    "input": {"shape": "box", "style": "filled", "fillcolor": "#d6e6f5", "penwidth": "1.6"},
    "constant": {"shape": "plaintext"},
    "result": {"shape": "box", "style": "rounded,filled", "fillcolor": "#ffffff"},
    "output": {
        "shape": "box", "style": "rounded,filled,bold", "fillcolor": "#fbe3c0", "peripheries": "2",
    },
}  # fmt: skip


def digraph(nodes: Sequence[Node], has_gradients: bool) -> graphviz.Digraph:
    """Draw the nodes."""
    picture = graphviz.Digraph("tinygrad_bn")
    picture.attr("graph", rankdir="TB", nodesep="0.3", ranksep="0.32", fontname=FONT)
    picture.attr("node", fontname=FONT, fontsize="11", color="#3b4752", fontcolor="#1c242b")
    picture.attr("edge", color="#6b7885", arrowsize="0.6")
    _draw_scope(picture, nodes, "", has_gradients)
    for node in nodes:
        if node.op:
            picture.edge(f"op{node.id}", f"n{node.id}")
            for i in node.inputs:
                picture.edge(f"n{i}", f"op{node.id}")
    return picture


def _draw_scope(
    picture: graphviz.Digraph, nodes: Sequence[Node], scope: str, has_gradients: bool
) -> None:
    """Draw the nodes of a scope, and the scopes in it as frames."""
    inside = f"{scope}/" if scope else ""
    for node in nodes:
        if node.scope == scope:
            _draw_node(picture, node, has_gradients)
    below = {
        inside + n.scope.removeprefix(inside).split("/")[0]: None
        for n in nodes
        if n.scope != scope and n.scope.startswith(inside)
    }
    for path in below:
        with picture.subgraph(name=f"cluster_{path}") as frame:
            frame.attr(label=graphviz.escape(path.rsplit("/", 1)[-1]), labeljust="l", fontsize="12")
            frame.attr(style="rounded,dashed", color="#9aa7b3", fontcolor="#52606d", margin="14")
            _draw_scope(frame, nodes, path, has_gradients)


def _draw_node(picture: graphviz.Digraph, node: Node, has_gradients: bool) -> None:
    lines = []
    if node.name is not None:
        lines.append(GREEK.get(node.name, node.name))
    if node.kind == "constant" and node.value.size == 1:
        lines = [" = ".join([*lines, text.number(float(node.value.reshape(())))])]
    else:
        lines.append(f"{text.shape(node.shape)}  {text.numbers(node.value, 36)}")
        if has_gradients and node.kind != "constant":
            grad = "none flows here" if node.grad is None else text.numbers(node.grad, 36)
            lines.append(f"gradient  {grad}")
    label = "\n".join(graphviz.escape(line) for line in lines)
    picture.node(f"n{node.id}", label, **STYLE[node.kind])
    if node.op:
        symbol = SYMBOLS.get(node.op, node.op)
        picture.node(
            f"op{node.id}", graphviz.escape(symbol), shape="circle", width="0.42", margin="0.02",
            style="filled", fillcolor="#3b4752", fontcolor="#ffffff", tooltip=node.op,
        )  # fmt: skip
