"""Selection of the part of a graph to draw.

A scope can be drawn as one box, which replaces its nodes. A drawing can be limited to the nodes
near one node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from .data import Node


def enclosing(path: str) -> list[str]:
    """List a scope and all scopes that contain it, the outermost first.

    >>> enclosing("net/layer1/batch_norm")
    ['net', 'net/layer1', 'net/layer1/batch_norm']
    """
    parts = path.split("/") if path else []
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def all_scopes(nodes: Iterable[Node]) -> list[str]:
    """List every scope of the nodes, including scopes that contain only other scopes."""
    return list(dict.fromkeys(path for node in nodes for path in enclosing(node.scope)))


def to_collapse(nodes: Sequence[Node], collapse: int | Collection[str]) -> set[str]:
    """Return the set of scopes that are drawn as a box.

    `collapse` is one scope, a collection of scopes, or a depth: every scope inside exactly that
    many others is then drawn as a box. Raises ValueError for a scope that no node has.
    """
    there = all_scopes(nodes)
    if isinstance(collapse, int):
        return {path for path in there if path.count("/") == collapse}
    wanted = {collapse} if isinstance(collapse, str) else set(collapse)
    if missing := sorted(wanted - set(there)):
        scopes = ", ".join(map(repr, there)) or "none"
        raise ValueError(f"collapse: there is no scope {missing[0]!r}; the scopes are {scopes}")
    return wanted


def boxes(nodes: Sequence[Node], collapsed: Collection[str]) -> dict[int, str]:
    """Map the id of each node that is drawn as part of a box to the scope of that box.

    An operation belongs to the box of its outermost collapsed scope. A parameter or a number
    belongs to a box if all of its uses are in that box. Input data belong to no box. The output may
    belong to a box; it is then drawn beside the box, too.
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
    """Return whether a leaf is drawn inside the scope that uses it, unlike input data.

    This is so for a parameter, for a single number, and for a constant without a name.
    """
    return node.kind == "parameter" or (
        node.kind == "constant" and (node.value.size == 1 or node.name is None)
    )


def neighbourhood(nodes: Sequence[Node], center: Node, radius: int) -> list[Node]:
    """Return the nodes at most `radius` operations away from `center`, in both directions."""
    beside: dict[int, set[int]] = {node.id: set(node.inputs) for node in nodes}
    for node in nodes:
        for i in node.inputs:
            beside[i].add(node.id)
    near = reached = {center.id}
    for _ in range(radius):
        reached = {i for k in reached for i in beside[k]} - near
        near = near | reached
    return [node for node in nodes if node.id in near]
