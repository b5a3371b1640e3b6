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
class BatchNorm:
    """A batch norm over a mini-batch in a graph: its arguments, its result, the axes averaged over.

    ``gamma`` and ``beta`` are None where it has none. Every other node here has a gradient.
    """

    scope: str
    x: Node
    gamma: Node | None
    beta: Node | None
    eps: Node
    y: Node
    axis: tuple[int, ...]

    @property
    def features(self) -> tuple[int, ...]:
        """Return the shape of gamma and beta."""
        return tuple(n for i, n in enumerate(self.x.shape) if i not in self.axis)

    @property
    def arguments(self) -> tuple[Array, Array, Array]:
        """Return x, gamma and beta as arrays; those that are left out are ones and zeros."""
        gamma = np.ones(self.features, self.x.dtype) if self.gamma is None else self.gamma.value
        beta = np.zeros(self.features, self.x.dtype) if self.beta is None else self.beta.value
        return self.x.value, gamma, beta

    @property
    def dy(self) -> Array:
        """Return the upstream gradient."""
        assert self.y.grad is not None
        return self.y.grad

    def terms(self, graph: GraphData, node: Node) -> list[tuple[Node, int]]:
        """List the parts of the gradient of `node` that come from this batch norm."""
        return [(user, k) for user, k in graph.terms(node) if user.scope == self.scope]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The part of one tensor's gradient from a batch norm, by the graph and in closed form.

    ``tolerance`` is twice the bound on the rounding error of each.
    """

    norm: BatchNorm
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

    @property
    def is_finite(self) -> bool:
        """Return whether there is something to compare: NaN and infinities have no distance."""
        return bool(np.isfinite([self.from_graph, *self.in_closed_form.values()]).all())


def comparisons(graph: GraphData) -> list[Comparison]:
    """Compare every batch norm over a mini-batch in the graph for which there is a gradient."""
    scopes = dict.fromkeys(node.scope for node in graph.nodes if node.name == "x_hat")
    norms = [_batch_norm(graph, scope) for scope in scopes]
    return [comparison for norm in norms if norm is not None for comparison in _of(graph, norm)]


def _batch_norm(graph: GraphData, scope: str) -> BatchNorm | None:
    """Find the batch norm of a scope; None if it is another normalization, or has no gradient."""
    named = {node.name: node for node in graph.nodes if node.scope == scope and node.name}
    if not {"mu", "x_centered", "std", "x_hat"} <= set(named) or named["mu"].op != "mean":
        return None
    x = graph.nodes[named["x_centered"].inputs[0]]
    eps = graph.nodes[graph.nodes[named["std"].inputs[0]].inputs[1]]
    gamma, y = _operand(graph, "mul", named["x_hat"], scope)
    beta, y = _operand(graph, "add", y, scope)
    found = BatchNorm(scope, x, gamma, beta, eps, y, named["mu"].params["axis"])
    learned = [node for node in (gamma, beta) if node is not None]
    if y.grad is None or x.grad is None or any(n.shape != found.features for n in learned):
        return None
    return found


def _of(graph: GraphData, norm: BatchNorm) -> list[Comparison]:
    eps = float(norm.eps.value.reshape(()))
    _, cache = closed_form.forward(*norm.arguments, axis=norm.axis, eps=eps)
    closed = {form: backward(norm.dy, cache) for form, backward in FORMS.items()}
    bound = closed_form.error_bound(norm.dy, cache)
    found = []
    for i, node in enumerate((norm.x, norm.gamma, norm.beta)):
        parts = [] if node is None else [user.parts[k] for user, k in norm.terms(graph, node)]
        if node is not None and parts:
            in_closed_form = {form: gradients[i] for form, gradients in closed.items()}
            found.append(Comparison(norm, node, _sum(parts), in_closed_form, 2 * bound[i]))
    return found


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


def _sum(parts: list[Array | None]) -> Array:
    """Add up in the order of the reverse pass."""
    total, *rest = [part for part in parts if part is not None]
    for part in rest:
        total = total + part
    return total
