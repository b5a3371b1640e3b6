"""From the options of ``Graph.to_dot`` to a picture: what is drawn, its title and description."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import graphviz

from . import scopes, traced
from .compact import CompactDrawing
from .data import GraphData, Node
from .dot import Drawing
from .look import Look
from .names import clean, symbol
from .paths import Route

MOST_NAMED = 12  # operations, or inputs, in a description
TITLES = {
    "forward": "The computational graph of {}",
    "backward": "The backward pass of {} as a graph",
    "both": "The computational graph of {}, forward and backward",
}


def title(direction: str, output: Node) -> str:
    """Return the title of a picture."""
    return TITLES[direction].format(_called(output))


def kind(compact: bool, there_and_back: bool) -> Callable[..., Drawing]:
    """Return the class of the drawing: with circles, compact, or compact with arrows back."""
    return partial(CompactDrawing, there_and_back=there_and_back) if compact else Drawing


def digraph(
    graph: GraphData,
    *,
    title: str,
    kind: Callable[..., Drawing],
    look: Look,
    collapse: int | Collection[str],
    focus: str | int | None,
    radius: int,
    labels: Mapping[str | int, str],
    paths: Sequence[Route] | Mapping[str, Sequence[Route]],
) -> graphviz.Digraph:
    """Draw a graph (see ``Graph.to_dot``)."""
    called = {graph[which].id: str(label) for which, label in labels.items()}
    groups = traced.grouped(graph, paths)
    nodes = graph.nodes
    if focus is not None:
        nodes = tuple(scopes.neighbourhood(nodes, graph[focus], radius))
    hidden = scopes.boxes(nodes, scopes.to_collapse(nodes, collapse))
    drawing = kind(graph, nodes, hidden, look, called)
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
