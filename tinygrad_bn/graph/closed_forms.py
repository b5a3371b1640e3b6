"""Comparison of the gradient of each batch norm in a graph with the three closed forms.

This file uses only the data of a graph and closed_form.py. It computes nothing with the rules of
the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import closed_form
from .data import GraphData, Node

Array = npt.NDArray[Any]

FORMS = {
    "paper": closed_form.backward_paper,
    "steps": closed_form.backward_steps,
    "compact": closed_form.backward_compact,
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """The part of one tensor's gradient from a batch norm, by the graph and in closed form.

    ``tolerance`` is twice the bound on the rounding error of each.
    """

    scope: str
    node: Node
    from_graph: Array
    in_closed_form: dict[str, Array]
    tolerance: Array

    @property
    def differences(self) -> dict[str, float]:
        """Return the largest difference from each closed form."""
        return {
            form: float(np.abs(self.from_graph - gradient).max(initial=0.0))
            for form, gradient in self.in_closed_form.items()
        }

    @property
    def closest_tolerance(self) -> float:
        """Return the tolerance where a difference comes closest to it."""
        if not self.tolerance.size:
            return 0.0
        ratios = [
            np.abs(self.from_graph - gradient) / self.tolerance
            for gradient in self.in_closed_form.values()
        ]
        return float(self.tolerance.flat[np.argmax(np.max(ratios, axis=0))])

    @property
    def agrees(self) -> bool:
        """Return whether every difference is within the tolerance."""
        return all(
            bool((np.abs(self.from_graph - gradient) <= self.tolerance).all())
            for gradient in self.in_closed_form.values()
        )


def comparisons(graph: GraphData) -> list[Comparison]:
    """Compare every batch norm over a mini-batch in the graph for which there is a gradient."""
    scopes = dict.fromkeys(node.scope for node in graph.nodes if node.name == "x_hat")
    return [comparison for scope in scopes for comparison in _of_scope(graph, scope)]


def _of_scope(graph: GraphData, scope: str) -> list[Comparison]:
    named = {node.name: node for node in graph.nodes if node.scope == scope and node.name}
    if not {"mu", "x_centered", "std", "x_hat"} <= set(named) or named["mu"].op != "mean":
        return []
    x = graph.nodes[named["x_centered"].inputs[0]]
    axis = named["mu"].params["axis"]
    features = tuple(n for i, n in enumerate(x.shape) if i not in axis)
    eps = graph.nodes[graph.nodes[named["std"].inputs[0]].inputs[1]]
    gamma, y = _operand(graph, "mul", named["x_hat"], scope)
    beta, y = _operand(graph, "add", y, scope)
    learned = [node for node in (gamma, beta) if node is not None]
    if y.grad is None or x.grad is None or any(node.shape != features for node in learned):
        return []
    dtype = x.dtype
    _, cache = closed_form.forward(
        x.value,
        np.ones(features, dtype) if gamma is None else gamma.value,
        np.zeros(features, dtype) if beta is None else beta.value,
        axis=axis,
        eps=float(eps.value.reshape(())),
    )
    closed = {form: backward(y.grad, cache) for form, backward in FORMS.items()}
    bound = closed_form.error_bound(y.grad, cache)
    return [
        Comparison(
            scope,
            node,
            through,
            {form: gradients[i] for form, gradients in closed.items()},
            2 * bound[i],
        )
        for i, node in enumerate((x, gamma, beta))
        if node is not None and (through := _through(graph, node, scope)) is not None
    ]


def _operand(graph: GraphData, op: str, of: Node, scope: str) -> tuple[Node | None, Node]:
    """Return the other operand of the operation `op` on `of`, and the result of the operation.

    A reshape of the operand is skipped. Without such an operation, the result is (None, `of`).
    """
    for node in graph.nodes:
        if node.op == op and node.scope == scope and node.inputs[0] == of.id:
            other = graph.nodes[node.inputs[1]]
            if other.op == "reshape" and other.scope == scope:
                other = graph.nodes[other.inputs[0]]
            return other, node
    return None, of


def _through(graph: GraphData, node: Node, scope: str) -> Array | None:
    """Add up the parts of a gradient that come from one scope; None if there are none."""
    total: Array | None = None
    for user, position in graph.terms(node):
        part = user.parts[position]
        if user.scope == scope and part is not None:
            total = part if total is None else total + part
    return total
