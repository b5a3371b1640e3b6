"""Optimizers, which update the values of parameters from their gradients. Nothing is recorded.

The names, defaults and formulas are those of PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from .tensor import Tensor

Array = npt.NDArray[Any]


class Optimizer:
    """Base class of SGD and Adam: the list of parameters, and the step over all with a gradient."""

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params is a list of Tensors, such as model.parameters(), not a Tensor")
        self.params = list(params)
        if not self.params:
            raise ValueError("there are no parameters to optimize (a generator can run only once)")
        for p in self.params:
            if not isinstance(p, Tensor):
                raise TypeError(f"params holds a {type(p).__name__}, not a Tensor")
            if not p.is_leaf or not p.requires_grad:
                raise ValueError("only leaf Tensors with requires_grad=True can be optimized")
        if len({id(p) for p in self.params}) < len(self.params):
            raise ValueError("params holds a Tensor twice")
        _at_least_zero(lr=lr, weight_decay=weight_decay)
        self.lr, self.weight_decay = lr, weight_decay

    def step(self) -> None:
        """Update the value of every parameter that has a gradient."""
        for i, p in enumerate(self.params):
            if p.grad is not None:
                g = p.grad + self.weight_decay * p.data if self.weight_decay else p.grad
                p.data = (p.data - self.update(i, g)).astype(p.dtype, copy=False)

    def zero_grad(self) -> None:
        """Reset the gradients to None, so that the next ``backward()`` does not add to them."""
        for p in self.params:
            p.zero_grad()

    def update(self, i: int, g: Array) -> Array:
        """Return the array to subtract from parameter `i`, whose gradient is `g`."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay.

        g = grad + weight_decay p
        v = momentum v + g          (v = g at the first step)
        p = p - lr v

    Raises ValueError for negative settings and for parameters that are not leaves with
    ``requires_grad``.

    >>> import tinygrad_bn as tg
    >>> p = tg.nn.Parameter([1.0, 2.0])
    >>> optimizer = tg.optim.SGD([p], lr=0.5)
    >>> (p**2).sum().backward()
    >>> optimizer.step()
    >>> p.data
    array([0., 0.])
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        _at_least_zero(momentum=momentum)
        self.momentum = momentum
        self.velocity: dict[int, Array] = {}

    def update(self, i: int, g: Array) -> Array:  # noqa: D102
        if self.momentum:
            last = self.velocity.get(i)
            g = self.velocity[i] = np.array(g) if last is None else self.momentum * last + g
        return self.lr * g


class Adam(Optimizer):
    """The Adam optimizer, whose steps are of size about `lr`, for gradients of any size.

        m = beta1 m + (1 - beta1) g,    v = beta2 v + (1 - beta2) g^2
        p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    where g = grad + weight_decay p and t is the number of the step, from 1. Raises ValueError in
    the same cases as SGD, and for betas outside of [0, 1). Source: Kingma and Ba, 2015,
    arXiv:1412.6980.

    >>> import tinygrad_bn as tg
    >>> p = tg.nn.Parameter([1.0, 2.0])
    >>> optimizer = tg.optim.Adam([p], lr=0.5)
    >>> (p**2).sum().backward()
    >>> optimizer.step()
    >>> p.data.round(6)
    array([0.5, 1.5])
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        _at_least_zero(eps=eps)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be at least 0 and below 1, not {betas}")
        self.betas, self.eps = betas, eps
        self.moments: dict[int, tuple[int, Array, Array]] = {}

    def update(self, i: int, g: Array) -> Array:  # noqa: D102
        (beta1, beta2), zero = self.betas, np.zeros_like(g)
        t, m, v = self.moments.get(i, (0, zero, zero))
        t, m, v = t + 1, beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        self.moments[i] = t, m, v
        step: Array = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + self.eps)
        return self.lr * step


def _at_least_zero(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} must be finite and at least 0, not {value}")
