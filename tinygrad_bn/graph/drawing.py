"""From the options of ``Graph.to_dot`` to a picture: what is drawn, its title and description."""

from __future__ import annotations

from collections.abc import Sequence

import graphviz

from . import scopes, traced
from .compact import CompactDrawing
from .data import GraphData, Node
from .dot import Drawing
from .look import DrawingOptions, Look
from .names import clean, symbol

MOST_NAMED = 12  # operations, or inputs, in a description
TITLES = {
    "forward": "The computational graph of {}",
    "backward": "The backward pass of {} as a graph",
    "both": "The computational graph of {}, forward and backward",
}


def digraph(
    graph: GraphData,
    output: Node,
    *,
    direction: str,
    compact: bool,
    options: DrawingOptions,
) -> graphviz.Digraph:
    """Draw the graph of one direction, or of both (see ``Graph.to_dot``)."""
    look = Look.of(
        options.get("show", ("shape", "value", "gradient")),
        options.get("rankdir", "TB"),
        options.get("colors", {}),
    )
    labels = {graph[which].id: str(label) for which, label in options.get("labels", {}).items()}
    groups = traced.grouped(graph, options.get("paths", ()))
    nodes, focus = graph.nodes, options.get("focus")
    if focus is not None:
        nodes = tuple(scopes.neighbourhood(nodes, graph[focus], options.get("radius", 2)))
    hidden = scopes.boxes(nodes, scopes.to_collapse(nodes, options.get("collapse", ())))
    drawing: Drawing
    if compact:
        there_and_back = direction == "both"
        drawing = CompactDrawing(graph, nodes, hidden, look, labels, there_and_back=there_and_back)
    else:
        drawing = Drawing(graph, nodes, hidden, look, labels)
    title = TITLES[direction].format(_called(output))
    return drawing.picture(title, _described(nodes, title), groups)


def _described(nodes: Sequence[Node], title: str) -> str:
    """Describe a picture in words, on one line."""
    operations = [node.op for node in nodes if node.op]
    given = [_called(node) for node in nodes if node.kind in ("input", "parameter")]
    ends = [_called(node) for node in nodes if node.kind == "output"]
    words = f"{title}: {len(nodes)} values, {len(operations)} operations"
    words += f" ({_some(operations)})" if operations else ""
    words += f", from {_some(given)}" if given else ""
    words += f" to {_some(ends)}." if ends else "."
    if any(node.grad is not None for node in nodes):
        words += " Values are shown with their gradients."
    return words


def _some(names: Sequence[str]) -> str:
    few = names[:MOST_NAMED]
    return ", ".join(few) + (f" and {len(names) - len(few)} more" if len(names) > len(few) else "")


def _called(node: Node) -> str:
    name = symbol(node.name)
    return clean(name) if name else node.op or f"#{node.id}"
