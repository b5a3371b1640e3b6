"""The ranks of a scope by Graphviz: its source, and what its answer says about the order.

Of a layout only the order is kept: the rank and the x of each item, and the x at which an arrow
passes each rank between its ends. That x is free of cards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

POINTS = 72  # in an inch: Graphviz writes inches, and a pixel of the page is a point
CARD, NUMBER, FOLDED, PORT = (164, 56), (84, 26), (164, 46), (6, 6)
STEPS = 16  # in which each piece of a curve is followed

HEAD = """digraph {
graph [pack=true ranksep=0.36 nodesep=0.3]
node [shape=box fixedsize=true label=""]
edge [arrowhead=none]
"""

Edge = tuple[str, str, int]  # from, to, and the node whose value it carries
Point = tuple[float, float]


def upward(items: Sequence[str], edges: Collection[Edge]) -> set[Edge]:
    """Return the arrows to draw upwards, so that all others run downwards.

    There are none unless arrows run in a circle, as between folded scopes in which a gradient comes
    back after the forward pass. `items` are in the order in which they come first.
    """
    into: dict[str, set[str]] = {item: set() for item in items}
    for tail, head, _ in edges:
        if tail in into and head in into:
            into[head].add(tail)
    waiting = dict.fromkeys(items)
    found: set[tuple[str, str]] = set()
    while waiting:
        free = [item for item in waiting if into[item].isdisjoint(waiting)]
        if not free:
            free = [next(iter(waiting))]
            found |= {(tail, free[0]) for tail in into[free[0]] if tail in waiting}
        for item in free:
            del waiting[item]
    return {edge for edge in edges if edge[:2] in found}


def source(k: int, items: Sequence[str], edges: Collection[Edge], small: set[str]) -> str:
    """Write one scope as a connected part of the DOT source.

    The ports are on a rank of their own, above or below all items. An additional node on each of
    these ranks is connected by invisible edges to the items that have no neighbour closer to it.
    """
    ports = list(dict.fromkeys(name for t, h, _ in edges for name in (t, h) if name[0] in "io"))
    lines = []
    for name in (*ports, *items):
        size = NUMBER if name in small else {"s": FOLDED, "n": CARD}.get(name[0], PORT)
        width, height = (points / POINTS for points in size)
        order = " ordering=in" if name[0] == "s" else ""
        lines.append(f"k{k}_{name}[width={width:.4f} height={height:.4f}{order}]")
    for kind, beside in ("i", "top"), ("o", "end"):
        level = "".join(f" k{k}_{name}" for name in ports if name[0] == kind)
        lines.append(f"{{rank=same k{k}_{beside}[width=0.1 height=0.1]{level}}}")
    turned = upward(items, edges)
    down = [(head, tail) if (tail, head, i) in turned else (tail, head) for tail, head, i in edges]
    for (tail, head), edge in zip(down, edges, strict=True):
        lines.append(f"k{k}_{tail}:s->k{k}_{head}:n" + "[style=invis]" * (edge in turned))
    heads = {head for tail, head in down if tail[0] != "i"}
    tails = {tail for tail, head in down if head[0] != "o"}
    lines += [f"k{k}_top->k{k}_{name}[style=invis weight=0]" for name in items if name not in heads]
    lines += [f"k{k}_{name}->k{k}_end[style=invis weight=0]" for name in items if name not in tails]
    return "\n".join(lines)


def read(drawn: str, edges: Mapping[int, Sequence[Edge]]) -> dict[int, dict[str, Any]]:
    """Read the plain format of Graphviz: a line for each node, and one for each curved arrow."""
    centres: dict[int, dict[str, Point]] = {k: {} for k in edges}
    curves: dict[int, dict[tuple[str, str], list[Point]]] = {k: {} for k in edges}
    for line in drawn.replace("\\\n", "").splitlines():
        kind, *words = line.split(" ")
        if kind == "node":
            scope, name = words[0][1:].split("_")
            x, y = (float(word) * POINTS for word in words[1:3])
            centres[int(scope)][name] = x, -y
        elif kind == "edge":
            scope, tail = words[0][1:].split(":")[0].split("_")
            _, head = words[1].split(":")[0].split("_")
            at = [float(word) * POINTS for word in words[3 : 3 + 2 * int(words[2])]]
            points = [(x, -y) for x, y in zip(at[::2], at[1::2], strict=True)]
            if tail != "top" and head != "end":
                curves[int(scope)].setdefault((tail, head), points)
    return {k: _ranked(centres[k], curves[k], edges[k]) for k in edges}


def _ranked(
    centres: dict[str, Point],
    curves: Mapping[tuple[str, str], Sequence[Point]],
    edges: Sequence[Edge],
) -> dict[str, Any]:
    """Return the rank and the x of each item, and where each arrow passes the ranks on its way."""
    ends = centres.pop("top")[1], centres.pop("end")[1]
    levels: list[float] = []
    for y in sorted({*ends, *(y for _, y in centres.values())}):
        if not levels or y > levels[-1] + 1:  # one rank, up to rounding
            levels.append(y)
    rank = {name: min(range(len(levels)), key=lambda r: abs(levels[r] - y))
            for name, (_, y) in centres.items()}  # fmt: skip
    passed = {
        (tail, head): _passed(curve, list(enumerate(levels))[rank[tail] + 1 : rank[head]])
        for (tail, head), curve in curves.items()
    }
    sizes = {"n": CARD[0], "s": FOLDED[0]}
    left = min(
        [x - sizes.get(name[0], 0) / 2 for name, (x, _) in centres.items()]
        + [x for points in passed.values() for _, x in points]
    )
    return {
        "ranks": len(levels),
        "at": {name: [round(x - left, 1), rank[name]] for name, (x, _) in centres.items()},
        "edges": [
            [tail, head, source]
            + [[level, round(x - left, 1)] for level, x in passed.get((tail, head), [])]
            for tail, head, source in edges
        ],
    }


def _passed(curve: Sequence[Point], levels: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """List the ranks at the given heights, and the x at which a curve passes each."""
    line = _followed(curve)
    return [(rank, _crossing(line, level)) for rank, level in levels]


def _crossing(line: Sequence[Point], level: float) -> float:
    """Return the x at which a line that runs down crosses a height."""
    for (x0, y0), (x1, y1) in pairwise(line):
        if y0 <= level <= y1:
            return x0 + (x1 - x0) * ((level - y0) / (y1 - y0) if y1 > y0 else 0.0)
    return min(line, key=lambda point: abs(point[1] - level))[0]


def _followed(curve: Sequence[Point]) -> list[Point]:
    """Return points on a curve that is given by the control points of its cubic pieces."""
    points = [curve[0]]
    for start in range(0, len(curve) - 1, 3):
        a, b, c, d = curve[start : start + 4]
        for step in range(1, STEPS + 1):
            t = step / STEPS
            weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            x, y = (
                sum(w * p[axis] for w, p in zip(weights, (a, b, c, d), strict=True))
                for axis in (0, 1)
            )
            points.append((x, y))
    return points
