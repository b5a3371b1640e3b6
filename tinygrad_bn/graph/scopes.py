"""Which part of a graph to draw: scopes drawn as one box, the neighbourhood of a node."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from .data import Node


def enclosing(path: str) -> list[str]:
    """List a scope and those around it, the outermost first.

    >>> enclosing("net/layer1/batch_norm")
    ['net', 'net/layer1', 'net/layer1/batch_norm']
    """
    parts = path.split("/") if path else []
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def all_scopes(nodes: Iterable[Node]) -> list[str]:
    """List every scope of the nodes, also those that hold only scopes."""
    return list(dict.fromkeys(path for node in nodes for path in enclosing(node.scope)))


def to_collapse(nodes: Sequence[Node], collapse: int | Collection[str]) -> set[str]:
    """Turn a depth or a collection of scopes into the set of scopes that are drawn as a box."""
    there = all_scopes(nodes)
    if isinstance(collapse, int):
        return {path for path in there if path.count("/") == collapse}
    wanted = {collapse} if isinstance(collapse, str) else set(collapse)
    if missing := sorted(wanted - set(there)):
        scopes = ", ".join(map(repr, there)) or "none"
        raise ValueError(f"collapse: there is no scope {missing[0]!r}; the scopes are {scopes}")
    return wanted


def boxes(nodes: Sequence[Node], collapsed: Collection[str]) -> dict[int, str]:
    """Give the scope as whose box a node is drawn, for those nodes that are not drawn themselves.

    The output stays visible, and so do data that come in; a parameter or a number goes where it is
    used, if that is one box only.
    """
    hidden: dict[int, str] = {}
    users: dict[int, set[str | None]] = {}
    for node in reversed(nodes):
        if node.op is None and belongs_inside(node) and node.id in users:
            (box, *others) = users[node.id]
            if box is not None and not others:
                hidden[node.id] = box
        elif node.op is not None:
            for path in enclosing(node.scope):
                if path in collapsed:
                    hidden[node.id] = path
                    break
        for i in node.inputs:
            users.setdefault(i, set()).add(hidden.get(node.id))
    return hidden


def belongs_inside(node: Node) -> bool:
    """Tell a leaf that is part of an operation's doing from data that come in."""
    return node.kind == "parameter" or (
        node.kind == "constant" and (node.value.size == 1 or node.name is None)
    )


def neighbourhood(nodes: Sequence[Node], center: Node, radius: int) -> list[Node]:
    """Keep the nodes that are up to `radius` operations away from the center, either way."""
    beside: dict[int, set[int]] = {node.id: set(node.inputs) for node in nodes}
    for node in nodes:
        for i in node.inputs:
            beside[i].add(node.id)
    near = reached = {center.id}
    for _ in range(radius):
        reached = {i for k in reached for i in beside[k]} - near
        near = near | reached
    return [node for node in nodes if node.id in near]
