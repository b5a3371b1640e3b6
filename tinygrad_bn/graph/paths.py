"""The routes by which a gradient flows from the outputs of a graph back to one node.

Each route applies the backward rules along it to the upstream gradient. What arrives is its
contribution, and the gradient of the node is the sum over all routes. The rules come from the table
of primitives, the values from the graph: neither Tensor nor the reverse pass is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..broadcasting import fit
from ..program import Variable
from .data import GraphData, Node
from .text import label

Array = npt.NDArray[Any]


class Step(NamedTuple):
    """One step of a route: from a result to one of its inputs."""

    node: Node
    position: int


@dataclass(frozen=True, eq=False)
class Route:
    """One way from an output back to the node `to`: the results passed, and the input taken.

    ``contribution`` is the upstream gradient of the output, to which the backward rule of each step
    was applied in turn. It has the shape and the dtype of the node. A route without steps starts
    and ends at an output.
    """

    steps: tuple[Step, ...]
    to: Node
    contribution: Array = field(repr=False)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that the route passes, from the output to its end."""
        return (*[step.node for step in self.steps], self.to)

    def __str__(self) -> str:
        return " → ".join(label(node) for node in self.nodes)


class Routes(tuple[Route, ...]):
    r"""All routes from the outputs of a graph to one node: a tuple of ``Route``.

    >>> import tinygrad_bn as tg
    >>> x = tg.Tensor([1.0, 4.0, 7.0], requires_grad=True, name="x")
    >>> routes = tg.graph(tg.batch_norm(x), gradient=[1.0, 0.0, 0.0]).paths("x")
    >>> print(*routes, sep="\n")
    x_hat → x_centered → x
    x_hat → x_centered → mu → x
    x_hat → std → #7 → var → #4 → x_centered → x
    x_hat → std → #7 → var → #4 → x_centered → mu → x
    >>> bool(np.allclose(routes.total, routes[0].to.grad))
    True
    """

    @property
    def total(self) -> Array:
        """The sum of the contributions, which is the gradient of the node up to rounding."""
        total = self[0].contribution
        for route in self[1:]:
            total = np.asarray(total + route.contribution)
        return total

    def split(self, *through: str | int) -> dict[str, Routes]:
        """Group the routes by the node, of those named, that they pass last.

        `through` are names, paths or ids of nodes. A route that passes several of them belongs to
        the one nearest to its end; one that passes none is in the group "directly". Groups without
        a route are left out. Raises KeyError if no route passes a node of that name.

        >>> import tinygrad_bn as tg
        >>> x = tg.Tensor([1.0, 4.0, 7.0], requires_grad=True, name="x")
        >>> routes = tg.graph(tg.batch_norm(x), gradient=[1.0, 0.0, 0.0]).paths("x")
        >>> for words, group in routes.split("var", "mu").items():
        ...     print(f"{words:12}", group.total.round(3))
        directly     [0.408 0.   0.   ]
        through var  [-0.204  0.     0.204]
        through mu   [-0.136 -0.136 -0.136]
        """
        passed = {node.id: node for route in self for node in route.nodes}
        asked: dict[int, str] = {}
        for which in through:
            found = [n for n in passed.values() if which in (n.id, n.name, n.path)]
            if not found:
                names = ", ".join(sorted({repr(n.name) for n in passed.values() if n.name}))
                raise KeyError(f"no route passes a node {which!r}; the names are {names or 'none'}")
            asked.update((node.id, f"through {which}") for node in found)
        groups: dict[str, list[Route]] = {"directly": []}
        groups.update((f"through {which}", []) for which in through)
        for route in self:
            ids = [step.node.id for step in reversed(route.steps)]
            groups[next((asked[i] for i in ids if i in asked), "directly")].append(route)
        return {words: Routes(group) for words, group in groups.items() if group}


Grouped: TypeAlias = Mapping[str, Sequence[Route]]


def count(graph: GraphData, to: Node) -> dict[int, int]:
    """Count the routes from each node to the node `to`, without listing them.

    A graph of n operations may have 2^n routes, so they are counted first: the routes from a result
    are those of its inputs together.
    """
    routes = {to.id: 1}
    for user in graph.nodes[to.id + 1 :]:
        found = sum(routes.get(i, 0) for position, i in _ways(user))
        if found:
            routes[user.id] = found
    return routes


def routes(graph: GraphData, to: Node, most: int) -> Routes:
    """List the routes (see ``Graph.paths``)."""
    counted = count(graph, to)
    starts = [node for node in reversed(graph.nodes) if node.seed is not None]
    total = sum(counted.get(node.id, 0) for node in starts)
    if not total:
        raise ValueError(f"paths: no gradient flows to {label(to)!r}")
    if total > most:
        raise ValueError(
            f"paths: {_short(total)} routes lead to {label(to)!r}, more than most={most}: choose a "
            "node nearer to the output, or raise `most`"
        )
    found: list[Route] = []
    steps: list[Step] = []  # of the route in the making
    ahead: list[tuple[int, Step | None, Node, Array | None]] = [
        (0, None, node, node.seed) for node in reversed(starts) if node.id in counted
    ]
    while ahead:  # not recursive: a route may be a million steps long
        depth, step, node, g = ahead.pop()
        del steps[depth:]
        if step is not None:
            g = _pulled_back(graph, step, g)
            steps.append(step)
        if node is to:
            found.append(Route(tuple(steps), to, np.asarray(g)))
            continue
        for position, i in reversed(_ways(node)):
            if i in counted:
                ahead.append((len(steps), Step(node, position), graph.nodes[i], g))
    return Routes(found)


def _ways(node: Node) -> list[tuple[int, int]]:
    """List the inputs to which a gradient flows: the position and the id of each."""
    parts = node.parts or (None,) * len(node.inputs)
    pairs = enumerate(zip(node.inputs, parts, strict=True))
    return [(position, i) for position, (i, part) in pairs if part is not None]


def _pulled_back(graph: GraphData, step: Step, g: Any) -> Any:
    """Apply the backward rule of one step to a cotangent."""
    node, position = step
    equation = node.equation
    assert equation is not None  # a step starts at a result
    operands = [
        graph.nodes[i].value
        if isinstance(x, Variable) and not x.weak
        else graph.nodes[i].value.item()  # as a plain number: it does not widen the dtype
        for i, x in zip(node.inputs, equation.inputs, strict=True)
    ]
    primitive = equation.primitive
    with np.errstate(all="ignore"):  # the recording itself has warned
        if primitive.pullback is not None:
            part = primitive.pullback(g, node.value, *operands, **equation.params)[position]
        else:
            rule = primitive.vjps[position]
            assert rule is not None  # a gradient flows here
            part = rule(g, node.value, *operands, **equation.params)
        return np.asarray(fit(part, operands[position]))


def _short(count: int) -> str:
    return f"{count:,}" if count < 10**12 else f"about 10^{len(str(count)) - 1}"
