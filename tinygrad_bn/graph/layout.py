"""The layout of the explorer. Graphviz lays out each scope separately, in one call per depth.

The items of a scope are its nodes and the scopes directly in it, which are drawn folded. An arrow
that crosses the frame of a scope ends at a port on the frame. The page combines the layouts of the
unfolded scopes. One layout for each scope is therefore enough for every combination of folded and
unfolded scopes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import render, scopes
from .data import Node

MOST_ITEMS = 250  # in one scope; consecutive items of a larger scope are grouped into parts
PART = 100
POINTS = 72  # in an inch: Graphviz writes inches, and a pixel of the page is a point
CARD, NUMBER, FOLDED, PORT = (150, 72), (78, 28), (150, 74), (6, 6)  # FOLDED has a margin in it

HEAD = """digraph {
graph [pack=true ranksep=0.36 nodesep=0.3]
node [shape=box fixedsize=true label=""]
edge [arrowhead=none]
"""

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
    edges: list[dict[tuple[str, str, int], None]] = [{} for _ in numbers]
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
    small = {f"n{node.id}" for node in nodes if is_number(node)}
    found: dict[int, dict[str, Any]] = {}
    for depth in range(max(map(len, numbers)), -1, -1):  # the inner scopes first
        level = [k for path, k in numbers.items() if len(path) == depth]
        _in_the_order_of_ports(edges, level, found)
        sources = [_source(k, items[k], list(edges[k]), small) for k in level]
        drawn = render.rendered("\n".join([HEAD, *sources, "}"]), "plain").decode()
        found |= _read(drawn, {k: list(edges[k]) for k in level})
    return [found[k] for k in range(len(numbers))]


def _in_the_order_of_ports(
    edges: list[dict[tuple[str, str, int], None]],
    level: Sequence[int],
    inner: Mapping[int, Mapping[str, Any]],
) -> None:
    """Sort the arrows into each scope by the positions of its ports, so that they do not cross."""

    def port(edge: tuple[str, str, int]) -> float:
        _, head, source = edge
        x: float = inner[int(head[1:])]["at"][f"i{source}"][0] if head[0] == "s" else 0.0
        return x

    for k in level:
        edges[k] = dict.fromkeys(sorted(edges[k], key=port))


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


def _source(
    k: int, items: Sequence[str], edges: Sequence[tuple[str, str, int]], small: set[str]
) -> str:
    """Write one scope as a connected part of the DOT source.

    An additional node above all items and one below, with invisible edges, connect the items.
    """
    ports = list(dict.fromkeys(name for t, h, _ in edges for name in (t, h) if name[0] in "io"))
    lines = []
    for name in (*items, *ports):
        size = NUMBER if name in small else {"s": FOLDED, "n": CARD}.get(name[0], PORT)
        width, height = (points / POINTS for points in size)
        order = " ordering=in" if name[0] == "s" else ""
        lines.append(f"k{k}_{name}[width={width:.4f} height={height:.4f}{order}]")
    lines += [f"k{k}_{tail}:s->k{k}_{head}:n" for tail, head, _ in edges]
    heads, tails = {head for _, head, _ in edges}, {tail for tail, _, _ in edges}
    for name in (*items, *ports):
        held = f"[style=invis weight={9 if name in ports else 0}]"
        if name not in heads:
            lines.append(f"k{k}_top->k{k}_{name}{held}")
        if name not in tails:
            lines.append(f"k{k}_{name}->k{k}_end{held}")
    return "\n".join(lines)


def _read(
    drawn: str, edges: Mapping[int, Sequence[tuple[str, str, int]]]
) -> dict[int, dict[str, Any]]:
    """Read the plain format of Graphviz: a line for each node, and one for each curved arrow."""
    items: dict[int, dict[str, list[float]]] = {k: {} for k in edges}
    curves: dict[int, dict[tuple[str, str], list[list[float]]]] = {k: {} for k in edges}
    for line in drawn.replace("\\\n", "").splitlines():
        kind, *words = line.split(" ")
        if kind == "node":
            scope, name = words[0][1:].split("_")
            x, y, w, h = (float(word) * POINTS for word in words[1:5])
            if name not in ("top", "end"):
                items[int(scope)][name] = [x, -y, w, h]
        elif kind == "edge":
            scope, tail = words[0][1:].split(":")[0].split("_")
            _, head = words[1].split(":")[0].split("_")
            at = [float(word) * POINTS for word in words[3 : 3 + 2 * int(words[2])]]
            points = [[x, -y] for x, y in zip(at[::2], at[1::2], strict=True)]
            curves[int(scope)].setdefault((tail, head), points)
    return {k: _framed(items[k], curves[k], edges[k]) for k in edges}


def _framed(
    items: Mapping[str, list[float]],
    curves: Mapping[tuple[str, str], list[list[float]]],
    edges: Sequence[tuple[str, str, int]],
) -> dict[str, Any]:
    """Return the layout of a scope, with its upper left corner at (0, 0)."""
    inner = [box for name, box in items.items() if name[0] in "ns"]
    bent = [point for edge in curves.values() for point in edge]
    left = min([x - w / 2 for x, _, w, _ in inner] + [x for x, _ in bent])
    right = max([x + w / 2 for x, _, w, _ in inner] + [x for x, _ in bent])
    top = min([y - h / 2 for _, y, _, h in items.values()])
    bottom = max([y + h / 2 for _, y, _, h in items.values()])
    return {
        "w": round(right - left, 1),
        "h": round(bottom - top, 1),
        "at": {
            name: [round(x - left, 1), round(y - top, 1)] for name, (x, y, _, _) in items.items()
        },
        "edges": [
            [tail, head, source]
            + [[round(x - left, 1), round(y - top, 1)] for x, y in curves[tail, head]]
            for tail, head, source in edges
        ],
    }
