"""The layout of the explorer. Graphviz lays out each scope separately, in one call per depth.

The items of a scope are its nodes and the scopes directly in it, drawn as folded. An arrow that
crosses the frame of a scope ends at a port on the frame. Of a layout the page gets the order only:
the rank and the x of each item, and the x at which an arrow passes each rank on its way. From these
the page places cards of any height and routes the arrows, for every combination of folded and
unfolded scopes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import ranks, render, scopes
from .data import Node

MOST_ITEMS = 250  # in one scope; consecutive items of a larger scope are grouped into parts
PART = 100

Path = tuple[str, ...]


def paths(nodes: Sequence[Node]) -> list[Path]:
    """List for each node the scopes in which it is drawn, the outermost first.

    A scope with too many items for one layout is split into parts.
    """
    found = [tuple(node.scope.split("/")) if node.scope else () for node in nodes]
    if sum(node.kind == "parameter" for node in nodes) > 6:  # few are drawn outside, as arguments
        _move_inwards(nodes, found)
    return _in_parts(found, 0)


def _move_inwards(nodes: Sequence[Node], found: list[Path]) -> None:
    """Move parameters and numbers to the innermost scope that contains all of their uses."""
    users: dict[int, list[Path]] = {}
    for node in reversed(nodes):
        if node.op is None and scopes.belongs_inside(node) and node.id in users:
            common = list(users[node.id][0])
            for path in users[node.id]:
                same = [a == b for a, b in zip(common, path, strict=False)]
                common = common[: [*same, False].index(False)]
            found[node.id] = tuple(common)
        for i in node.inputs:
            users.setdefault(i, []).append(found[node.id])


def _in_parts(found: list[Path], depth: int) -> list[Path]:
    """Split each scope at `depth` or deeper that has too many items for one layout into parts."""
    members: dict[Path, list[int]] = {}
    for i, path in enumerate(found):
        if len(path) >= depth:
            members.setdefault(path[:depth], []).append(i)
    for prefix, ids in members.items():
        items = list(dict.fromkeys(found[i][depth : depth + 1] or i for i in ids))
        if len(items) > MOST_ITEMS:
            part = {item: k // PART + 1 for k, item in enumerate(items)}
            for i in ids:
                name = f"part {part[found[i][depth : depth + 1] or i]}"
                found[i] = (*prefix, name, *found[i][depth:])
    return _in_parts(found, depth + 1) if any(len(path) > depth for path in found) else found


def laid_out(
    nodes: Sequence[Node], where: Sequence[Path], numbers: Mapping[Path, int]
) -> list[dict[str, Any]]:
    """Lay out every scope. `numbers` has the position of each in the result; the graph is first."""
    edges: list[dict[ranks.Edge, None]] = [{} for _ in numbers]
    for node in nodes:
        for i in node.inputs:
            for scope, tail, head in segments(i, node.id, where, numbers):
                edges[scope][tail, head, i] = None
    items: list[list[str]] = [[] for _ in numbers]
    for node in nodes:
        items[numbers[where[node.id]]].append(f"n{node.id}")
    for path, k in numbers.items():
        if path:
            items[numbers[path[:-1]]].append(f"s{k}")
    first = _first_in(where, numbers)
    for k in range(len(numbers)):
        items[k].sort(key=lambda name: first[name])
    small = {f"n{node.id}" for node in nodes if is_number(node)}
    found: dict[int, dict[str, Any]] = {}
    for depth in range(max(map(len, numbers)), -1, -1):  # the inner scopes first
        level = [k for path, k in numbers.items() if len(path) == depth]
        _in_the_order_of_ports(edges, level, found)
        sources = [ranks.source(k, items[k], list(edges[k]), small) for k in level]
        drawn = render.rendered("\n".join([ranks.HEAD, *sources, "}"]), "plain").decode()
        found |= ranks.read(drawn, {k: list(edges[k]) for k in level})
    return [found[k] for k in range(len(numbers))]


def _in_the_order_of_ports(
    edges: list[dict[ranks.Edge, None]],
    level: Sequence[int],
    inner: Mapping[int, Mapping[str, Any]],
) -> None:
    """Sort the arrows into each scope by the positions of its ports, so that they do not cross."""

    def port(edge: ranks.Edge) -> float:
        _, head, source = edge
        x: float = inner[int(head[1:])]["at"][f"i{source}"][0] if head[0] == "s" else 0.0
        return x

    for k in level:
        edges[k] = dict.fromkeys(sorted(edges[k], key=port))


def _first_in(where: Sequence[Path], numbers: Mapping[Path, int]) -> dict[str, int]:
    """Return for each item the id of its first node."""
    first = {f"n{i}": i for i in range(len(where))}
    for i, path in enumerate(where):
        for depth in range(1, len(path) + 1):
            first.setdefault(f"s{numbers[path[:depth]]}", i)
    return first


def is_number(node: Node) -> bool:
    """Return whether a node is a constant with one value, which has a small card."""
    return node.kind == "constant" and node.value.size == 1


def segments(
    tail: int, head: int, where: Sequence[Path], numbers: Mapping[Path, int]
) -> list[tuple[int, str, str]]:
    """Split the arrow between two nodes at the frames that it crosses: (scope, from, to)."""
    a, b = where[tail], where[head]
    common = 0
    while common < min(len(a), len(b)) and a[common] == b[common]:
        common += 1

    def item(path: Path, node: int, depth: int) -> str:
        return f"n{node}" if len(path) == depth else f"s{numbers[path[: depth + 1]]}"

    cut = [(numbers[a[:common]], item(a, tail, common), item(b, head, common))]
    out, into = range(common + 1, len(a) + 1), range(common + 1, len(b) + 1)
    cut += [(numbers[a[:depth]], item(a, tail, depth), f"o{tail}") for depth in out]
    cut += [(numbers[b[:depth]], f"i{tail}", item(b, head, depth)) for depth in into]
    return cut
