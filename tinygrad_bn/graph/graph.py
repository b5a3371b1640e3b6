"""Graph: what was recorded, as plain data.

``graph()`` is the only place that reads Tensors. Every view (text, Graphviz, and those to come)
reads the nodes made here and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import graphviz
import numpy as np
import numpy.typing as npt

from ..autodiff import first_cotangent, reverse_pass, topological_order
from ..recording import Scope
from ..tensor import Tensor
from . import dot, render, text

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Node:
    """A tensor of the graph: a value, and the operation that made it.

    ``kind`` is "input" (a leaf that needs a gradient), "constant" (one that does not),
    "result" or "output". ``inputs`` are the ids of the nodes that `op` took, in order; ``rule``
    has the backward rule for each of them, as text, with g the cotangent of this node. ``grad``
    is None where no gradient was asked for, or none flows.
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

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the value."""
        return self.value.dtype

    @property
    def path(self) -> str:
        """The name behind its scope, as in ``"batch_norm/x_hat"``; the id if it has no name."""
        name = self.name if self.name is not None else f"#{self.id}"
        return f"{self.scope}/{name}" if self.scope else name


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order: inputs before results, the output last.

    >>> import tinygrad_bn as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> g = tg.graph((x * x).sum(), gradient=True)
    >>> [(node.op, node.inputs) for node in g.nodes]
    [(None, ()), ('mul', (0, 0)), ('sum', (1,))]
    >>> g["x"].grad
    array([2., 4.])
    >>> print(g)
    id  name  operation        shape  value  gradient
    0   x     input            (2,)   1, 2   2, 4
    1         mul(x, x)        (2,)   1, 4   1, 1
    2         sum(#1, axis=0)  ()     5      1
    """

    nodes: tuple[Node, ...]
    has_gradients: bool

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

    def __str__(self) -> str:
        return text.table(self.nodes, self.has_gradients)

    def table(self, width: int = 100) -> str:
        """Write the graph as a table, a line a node, at most `width` characters wide."""
        return text.table(self.nodes, self.has_gradients, width)

    def to_dot(self) -> graphviz.Digraph:
        """Draw the graph for Graphviz: boxes are values, circles the operations between them."""
        return dot.digraph(self.nodes, self.has_gradients)

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file, in the format of its ending: .svg, .png, .pdf or .dot.

        The file appears whole or not at all. ValueError for another ending; RuntimeError, naming
        both ways to get it, if there is no Graphviz engine; OSError if it cannot be written.
        """
        path = Path(path)
        return render.save(self.to_dot().source, path)

    def _repr_svg_(self) -> str:
        return render.rendered(self.to_dot().source, "svg").decode()


def graph(
    output: Tensor,
    gradient: Any = None,
    *,
    names: Mapping[str, Any] | None = None,
) -> Graph:
    """Turn what was recorded for `output` into a Graph.

    Parameters
    ----------
    output : Tensor
    gradient : array or Tensor of the shape of `output`, or True, optional
        The upstream cotangent (True: ones); every node through which it flows then carries its
        gradient. Nothing is added to any ``.grad``.
    names : mapping, optional
        Names for tensors, such as ``locals()``; what is no Tensor in it is passed over.

    Raises
    ------
    TypeError
        If `output` is not a Tensor.
    ValueError
        If `gradient` has another shape, or is given where no gradient can flow.
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"graph: a Tensor is expected, not {type(output).__name__}")
    cotangents: dict[int, Array] = {}
    if gradient is not None:
        if gradient is True:
            gradient = np.ones_like(output.data)
        seed = first_cotangent(output, gradient, "gradient").data
        cotangents = {id(t): np.array(g) for t, g, _ in reverse_pass(output, seed)}
    given = {id(t): name for name, t in (names or {}).items() if isinstance(t, Tensor)}

    order = topological_order(output)
    ids = {id(tensor): i for i, tensor in enumerate(order)}
    used_in: dict[int, Scope | None] = {}
    value_used: dict[int, Array] = {}
    for tensor in order:
        for source, value in zip(tensor.inputs, tensor.values, strict=True):
            used_in.setdefault(id(source), tensor.made_in)
            if isinstance(value, np.ndarray):  # a leaf's value may have been replaced since
                value_used[id(source)] = value

    paths = _ScopePaths()
    nodes = []
    for i, tensor in enumerate(order):
        constant = tensor.op is None and not tensor.requires_grad
        name = given.get(id(tensor), tensor.name)
        made_in = (
            used_in.get(id(tensor)) if constant and id(tensor) not in given else tensor.made_in
        )
        if constant:
            kind = "constant"
        elif tensor.op is None:
            kind = "input"
        else:
            kind = "output" if tensor is output else "result"
        nodes.append(
            Node(
                id=i,
                kind=kind,
                op=tensor.op.name if tensor.op else None,
                name=name,
                scope=paths[made_in],
                value=value_used.get(id(tensor), tensor.data),
                grad=cotangents.get(id(tensor)),
                inputs=tuple(ids[id(source)] for source in tensor.inputs),
                params=dict(tensor.params),
                formula=tensor.op.math[0] if tensor.op else None,
                rule=tuple(
                    tensor.op.rules[min(k, len(tensor.op.rules) - 1)][0]
                    for k in range(len(tensor.inputs))
                )
                if tensor.op
                else (),
            )
        )
    return Graph(tuple(nodes), has_gradients=gradient is not None)


class _ScopePaths:
    """The path of each scope; a second entering of the same path gets a number of its own."""

    def __init__(self) -> None:
        self.paths: dict[Scope | None, str] = {None: ""}
        self.taken: set[str] = set()

    def __getitem__(self, scope: Scope | None) -> str:
        if scope not in self.paths:
            assert scope is not None
            parent = self[scope.parent]
            first = path = f"{parent}/{scope.name}" if parent else scope.name
            number = 1
            while path in self.taken:
                number += 1
                path = f"{first}_{number}"
            self.taken.add(path)
            self.paths[scope] = path
        return self.paths[scope]
