"""Node and GraphData: a graph as plain data. It is all that a view knows of what it shows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Node:
    """A tensor of the graph: a value, and the operation that made it.

    ``kind`` is "input" (a leaf that needs a gradient), "parameter" (such a leaf that is learned),
    "constant" (one that needs none), "result" or "output". ``inputs`` are the ids of the nodes
    that `op` took, in order; ``rule`` has the backward rule for each of them, as text, with g the
    cotangent of this node, and ``parts`` what that rule gave: a node's gradient is the sum of the
    parts that reach it. ``grad`` and a part are None where no gradient was asked for, or none
    flows.

    In the graph of the backward pass, ``backward`` marks what a rule computed, and
    ``cotangent_of`` is the id of the node whose complete gradient it is.
    """

    id: int
    kind: str
    op: str | None
    name: str | None
    scope: str
    value: Array = field(repr=False)
    grad: Array | None = field(repr=False)
    inputs: tuple[int, ...]
    params: dict[str, Any] = field(repr=False)
    formula: str | None
    rule: tuple[str, ...]
    latex: str | None = field(default=None, repr=False)
    rule_latex: tuple[str, ...] = field(default=(), repr=False)
    parts: tuple[Array | None, ...] = field(default=(), repr=False)
    backward: bool = False
    cotangent_of: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the value."""
        return self.value.dtype

    def moved(self, place: dict[int, int]) -> Node:
        """Give the node as the backward pass alone has it: a forward value is a constant there."""
        if not self.backward:
            return replace(
                self, id=place[self.id], kind="constant", op=None, inputs=(), params={}, grad=None,
                formula=None, rule=(), latex=None, rule_latex=(), parts=(),
            )  # fmt: skip
        inputs = tuple(place[i] for i in self.inputs)
        return replace(self, id=place[self.id], inputs=inputs, cotangent_of=None)

    @property
    def path(self) -> str:
        """The name behind its scope, as in ``"batch_norm/x_hat"``; the id if it has no name."""
        name = self.name if self.name is not None else f"#{self.id}"
        return f"{self.scope}/{name}" if self.scope else name


@dataclass(frozen=True, eq=False)
class GraphData:
    """Nodes in topological order, found by name, and what adds up to the gradient of each."""

    nodes: tuple[Node, ...]
    has_gradients: bool = False

    def __getitem__(self, name: str | int) -> Node:
        """Find a node by its name, by ``"scope/name"`` where several have the name, or by id."""
        if isinstance(name, int):
            return self.nodes[name]
        found = [node for node in self.nodes if name in (node.name, node.path)]
        if len(found) == 1:
            return found[0]
        if found:
            paths = ", ".join(repr(node.path) for node in found)
            raise KeyError(f"{len(found)} nodes are named {name!r}: use one of {paths}, or an id")
        names = ", ".join(sorted({repr(node.name) for node in self.nodes if node.name is not None}))
        raise KeyError(f"no node is named {name!r}; the names are {names or 'none'}")

    def __len__(self) -> int:
        return len(self.nodes)

    def terms(self, node: Node) -> list[tuple[Node, int]]:
        """List what adds up to the gradient of a node: each user of it, and the input it is there.

        In the order of the reverse pass, so that ``user.parts[position]`` arrive in that order.
        """
        return self._terms.get(node.id, [])

    @cached_property
    def _terms(self) -> dict[int, list[tuple[Node, int]]]:
        found: dict[int, list[tuple[Node, int]]] = {}
        for user in reversed(self.nodes):
            for position, i in enumerate(user.inputs):
                if user.parts and user.parts[position] is not None:
                    found.setdefault(i, []).append((user, position))
        return found
