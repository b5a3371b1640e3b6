"""From what was recorded to a Graph: the only place that reads Tensors.

The forward pass is read as it stands. The backward pass is recorded when it is asked for: the
rules run once more, on Tensors, and what they did joins the forward pass in one graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..autodiff import first_cotangent, fit, reverse_pass, topological_order
from ..recording import Mode, Scope, Setting
from ..tensor import Tensor
from .data import Node
from .graph import Graph
from .text import cotangent as label_of_cotangent

Array = npt.NDArray[Any]

LEARNED = ("gamma", "beta", "weight", "bias")  # what these names stand for in the sources


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
    given = {id(t): name for name, t in (names or {}).items() if isinstance(t, Tensor)}
    order = topological_order(output)
    if gradient is None:
        return Graph(tuple(_nodes(order, output, given, {})))
    if gradient is True:
        gradient = np.ones_like(output.data)
    seed = first_cotangent(output, gradient, "gradient").data
    cotangents = {id(t): np.array(g) for t, g, *_ in reverse_pass(output, seed)}
    nodes = tuple(_nodes(order, output, given, cotangents))
    return Graph(nodes, True, partial(_with_backward, nodes, order, seed, given))


def _nodes(
    order: Sequence[Tensor],
    output: Tensor,
    given: Mapping[int, str],
    cotangents: Mapping[int, Array],
) -> Iterator[Node]:
    ids = {id(tensor): i for i, tensor in enumerate(order)}
    used_in: dict[int, Scope | None] = {}
    value_used: dict[int, Array] = {}
    arrivals = Counter(
        id(source) for tensor in order if id(tensor) in cotangents for source in tensor.inputs
    )
    for tensor in order:
        for source, value in zip(tensor.inputs, tensor.values, strict=True):
            used_in.setdefault(id(source), tensor.made_in)
            if isinstance(value, np.ndarray):  # a leaf's value may have been replaced since
                value_used[id(source)] = value

    paths = _ScopePaths()
    for i, tensor in enumerate(order):
        kind = _kind(tensor, output)
        made_in = tensor.made_in
        name = given.get(id(tensor), tensor.name)
        if kind == "constant" and (name is None or tensor.size == 1) and id(tensor) not in given:
            made_in = used_in.get(id(tensor))
        op = tensor.op
        each = range(len(tensor.inputs))
        rules = [op.rules[min(k, len(op.rules) - 1)] for k in each] if op else []
        yield Node(
            id=i,
            kind=kind,
            op=op.name if op else None,
            name=name,
            scope=paths[made_in],
            value=value_used.get(id(tensor), tensor.data),
            grad=cotangents.get(id(tensor)),
            inputs=tuple(ids[id(source)] for source in tensor.inputs),
            params=dict(tensor.params),
            formula=op.math[0] if op else None,
            rule=tuple(words for words, _ in rules),
            latex=op.math[1] if op else None,
            rule_latex=tuple(latex for _, latex in rules),
            parts=tuple(_part(tensor, k, cotangents, arrivals) for k in each),
        )


def _kind(tensor: Tensor, output: Tensor) -> str:
    if tensor.op is not None:
        return "output" if tensor is output else "result"
    if not tensor.requires_grad:
        return "constant"
    learned = type(tensor) is not Tensor or tensor.name in LEARNED  # such as an nn.Parameter
    return "parameter" if learned else "input"


def _part(
    tensor: Tensor, k: int, cotangents: Mapping[int, Array], arrivals: Mapping[int, int]
) -> Array | None:
    """Give what the rule of this tensor adds to the gradient of its input `k`."""
    source, g = tensor.inputs[k], cotangents.get(id(tensor))
    assert tensor.op is not None
    rule = tensor.op.vjps[k]
    if g is None or rule is None or id(source) not in cotangents:
        return None
    if arrivals[id(source)] == 1:
        return cotangents[id(source)]
    part: Array = fit(rule(g, tensor.data, *tensor.values, **tensor.params), source.data)
    return part


def _with_backward(
    nodes: Sequence[Node], order: Sequence[Tensor], seed: Array, given: Mapping[int, str]
) -> Graph:
    """Record the backward pass, and give one graph of both passes, the forward nodes first."""
    output = order[-1]
    first = output.wrap(np.array(seed), requires_grad=True)  # so that every rule is recorded
    numbers = {id(tensor): i for i, tensor in enumerate(order)}
    walk = reverse_pass(output, first, create_graph=True)
    names = dict(given)
    cotangent_of: dict[int, int] = {}
    cotangents: list[Tensor] = []
    rule_of: Scope | None = None
    while True:
        with _Within(rule_of):
            found = next(walk, None)
        if found is None:
            break
        tensor, g, *_ = found
        i = numbers[id(tensor)]
        cotangents.append(g)
        names.setdefault(id(g), label_of_cotangent(nodes[i], nodes))
        cotangent_of.setdefault(id(g), i)
        if tensor.op is not None:
            rule_of = Scope(f"backward of {tensor.op.name}", tensor.made_in)

    bundle: Any = SimpleNamespace(inputs=(output, *cotangents))
    both = topological_order(bundle)[:-1]
    joined = list(nodes)
    for node, tensor in zip(_nodes(both, output, names, {}), both, strict=True):
        if node.id < len(nodes):
            continue
        of = cotangent_of.get(id(tensor))
        kind = node.kind
        if of is not None:
            kind = "input" if tensor is first else "result"
            if nodes[of].op is None:
                kind = "output"
        scope = nodes[of].scope if of is not None else node.scope
        joined.append(replace(node, kind=kind, scope=scope, backward=True, cotangent_of=of))
    return Graph(tuple(joined), True)


class _Within(Setting):
    """Record, and in this scope, whatever mode the caller is in."""

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope

    def changes(self, mode: Mode) -> dict[str, Any]:
        return {"recording": True, "scope": self.scope, "anomaly": False}


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
