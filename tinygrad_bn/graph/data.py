"""Node and GraphData: a graph as plain data. It is all that a view knows of what it shows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..program import Equation
from ..table import Primitive

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Node:
    """A variable of a program with its value, and the equation that made it.

    ``kind`` is "input", "parameter" (an input that is learned), "constant" (without a gradient),
    "result" or "output". ``inputs`` are the ids of the nodes that `op` took, in order; ``parts``
    is what the backward rule gave for each of them: a node's gradient is the sum of the parts that
    reach it, and of ``seed``, the upstream gradient of an output. These are None where no gradient
    was asked for, or none flows.

    In the graph of the backward pass, ``backward`` marks what a rule computed, and
    ``cotangent_of`` is the id of the node whose complete gradient it is. A ``weak`` node is a plain
    Python number, which takes the dtype of what it meets.
    """

    id: int
    kind: str
    name: str | None
    scope: str
    value: Array = field(repr=False)
    equation: Equation | None = field(default=None, repr=False)
    inputs: tuple[int, ...] = ()
    grad: Array | None = field(default=None, repr=False)
    parts: tuple[Array | None, ...] = field(default=(), repr=False)
    seed: Array | None = field(default=None, repr=False)
    backward: bool = False
    cotangent_of: int | None = None
    weak: bool = False

    @property
    def primitive(self) -> Primitive | None:
        """The row of the table, which knows what there is to know about the operation."""
        return None if self.equation is None else self.equation.primitive

    @property
    def op(self) -> str | None:
        """The name of the primitive that made it; None for a leaf."""
        return None if self.primitive is None else self.primitive.name

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the operation."""
        return {} if self.equation is None else dict(self.equation.params)

    @property
    def formula(self) -> str | None:
        """The operation as text, with a and b for the inputs."""
        return None if self.primitive is None else self.primitive.math[0]

    @property
    def latex(self) -> str | None:
        """The operation as LaTeX."""
        return None if self.primitive is None else self.primitive.math[1]

    @property
    def rule(self) -> tuple[str, ...]:
        """The backward rule for each input as text, with g for the cotangent of this node."""
        return tuple(text for text, _ in self._rules)

    @property
    def rule_latex(self) -> tuple[str, ...]:
        """The backward rules as LaTeX."""
        return tuple(latex for _, latex in self._rules)

    @property
    def _rules(self) -> list[tuple[str, str]]:
        if self.primitive is None:
            return []
        rules = self.primitive.rules
        return [rules[min(k, len(rules) - 1)] for k in range(len(self.inputs))]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the value."""
        return self.value.dtype

    def moved(self, place: dict[int, int]) -> Node:
        """Return the node for a graph of the backward pass, with forward values as constants."""
        here = place[self.id]
        if not self.backward:
            return Node(here, "constant", self.name, self.scope, self.value)
        inputs = tuple(place[i] for i in self.inputs)
        return replace(self, id=here, inputs=inputs, cotangent_of=None)

    @property
    def path(self) -> str:
        """The name behind its scope, as in ``"batch_norm/x_hat"``; the id if it has no name."""
        name = self.name if self.name is not None else f"#{self.id}"
        return f"{self.scope}/{name}" if self.scope else name


class Passes(NamedTuple):
    """Both passes as one list of nodes, the forward nodes first and with the same ids.

    ``grads`` has the id of the node that is the gradient of a forward node, ``parts`` of the node
    that an operation gives to its input at a position.
    """

    nodes: tuple[Node, ...]
    grads: dict[int, int]
    parts: dict[tuple[int, int], int]


@dataclass(frozen=True, eq=False)
class GraphData:
    """Nodes in topological order, found by name, and what adds up to the gradient of each."""

    nodes: tuple[Node, ...]
    has_gradients: bool = False
    passes: Passes | None = field(default=None, repr=False)

    def __getitem__(self, name: str | int) -> Node:
        """Find a node by its name, by ``"scope/name"`` where several have the name, or by id."""
        if isinstance(name, int):
            if not -len(self.nodes) <= name < len(self.nodes):
                raise KeyError(f"no node has the id {name}; the ids are 0 to {len(self.nodes) - 1}")
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
