"""Routes of a gradient in a picture: each group in a colour and a line style, with a legend.

The arrows run as the gradient flows, from the output back. Groups differ in line style and carry a
number as well, so a print without colour can be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

import graphviz

from .. import writing
from .data import GraphData, Node
from .look import SMALL, Look
from .names import clean, symbol
from .paths import Route, Routes

# Okabe and Ito's colours, which colour-blind people can tell apart, where they are dark enough
COLORS = ("#0072b2", "#c44e00", "#007a58", "#a34a80", "#6a5acd", "#7a6a00")
STYLES = (("solid", "2", "━━━━━"), ("dashed", "2", "━ ━ ━"), ("dotted", "2.6", "● ● ● ●"))
MOST = 12  # groups: more cannot be told apart
WIDTH = 52  # characters of the numbers in the legend
Hops = list[tuple[str, str]]


def grouped(
    graph: GraphData, paths: Sequence[Route] | Mapping[str, Sequence[Route]]
) -> dict[str, Sequence[Route]]:
    """Return groups of routes by name; a plain sequence of routes has a group for each.

    Raises ValueError if there are too many groups, if one has no route, or if a route belongs to
    another graph or leads to another node than the others.
    """
    groups: dict[str, Sequence[Route]] = dict(paths) if isinstance(paths, Mapping) else {}
    if not isinstance(paths, Mapping):
        for number, route in enumerate(paths, start=1):
            name = " → ".join(_called(node) for node in route.nodes)
            # x * x has two routes by the same nodes
            groups[f"{name} ({number})" if name in groups else name] = [route]
    if len(groups) > MOST:
        raise ValueError(
            f"paths: {len(groups)} routes are too many to tell apart, at most {MOST} can be drawn: "
            "put them into groups, as graph.paths(...).split(...) does"
        )
    everything = [route for group in groups.values() for route in group]
    for name, group in groups.items():
        if not group:
            raise ValueError(f"paths: the group {name!r} has no route")
    for route in everything:
        if any(n.id >= len(graph) or graph.nodes[n.id] is not n for n in route.nodes):
            raise ValueError("paths: a route belongs to another graph than the one to draw")
        if route.to is not everything[0].to:
            raise ValueError("paths: the routes of one picture must lead to one node")
    return groups


def draw(
    picture: graphviz.Digraph,
    look: Look,
    groups: Mapping[str, Sequence[Route]],
    hops: Mapping[str, Hops],
) -> None:
    """Draw the arrows of each group, and the legend below the picture."""
    rows = []
    for k, (name, group) in enumerate(groups.items()):
        color, (style, width, sample) = COLORS[k % len(COLORS)], STYLES[k % len(STYLES)]
        number = f'<FONT COLOR="{color}" POINT-SIZE="{SMALL}"><B>{k + 1}</B></FONT>'
        badge = (
            '<<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="1" CELLSPACING="0" '
            f'BGCOLOR="#ffffff"><TR><TD>{number}</TD></TR></TABLE>>'
        )
        for tail, head in hops[name]:  # ends exchanged: ranked like an arrow of the forward pass
            picture.edge(
                head, tail, dir="back", color=color, style=style, penwidth=width, label=badge
            )
        line = f'<FONT COLOR="{color}"><B>{k + 1}</B>  {sample}</FONT>'
        rows.append((line, _in_symbols(name), writing.numbers(Routes(group).total, WIDTH)))
    routes = Routes(route for group in groups.values() for route in group)
    rows.append(("", f"sum, at {_called(routes[0].to)}", writing.numbers(routes.total, WIDTH)))
    cells = "".join(
        f'<TR><TD ALIGN="LEFT">{line}</TD><TD ALIGN="LEFT">{escape(clean(name))}</TD>'
        f'<TD ALIGN="LEFT"><FONT COLOR="{look.colors["backward"]}">∇ {escape(numbers)}</FONT>'
        "</TD></TR>"
        for line, name, numbers in rows
    )
    picture.attr(
        "graph", labelloc="b", fontcolor=look.colors["text"],
        label='<<TABLE BORDER="0" CELLPADDING="6"><TR><TD>'  # some room above
        '<TABLE STYLE="ROUNDED" BORDER="1" CELLBORDER="0" CELLPADDING="3" CELLSPACING="1" '
        f'COLOR="{look.colors["line"]}" BGCOLOR="#ffffff">{cells}</TABLE></TD></TR></TABLE>>',
    )  # fmt: skip


def _called(node: Node) -> str:
    return symbol(node.name) or f"#{node.id}"


def _in_symbols(name: str) -> str:
    return re.sub(r"\S+", lambda word: symbol(word[0]) or word[0], name)
