"""One mini-batch, and every quantity that the formulas of batch norm name.

Right and wrong formulas alike are written in these words, so that a row of the catalogue is a
line. Statistics keep the averaged axes, at length 1. NumPy alone: as in closed_form.py, nothing
of the engine is used, but ``x``, ``gamma`` and ``beta`` may be Tensors that record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Batch:
    """The inputs of a training step and of a test step, and what follows from them.

    `running_mean` and `running_var` are what was held before the step, `momentum` the weight that
    they keep in it, and `unbiased` whether they are fed with the unbiased variance.
    """

    x: Array
    gamma: Array
    beta: Array
    dy: Array
    axis: tuple[int, ...]
    eps: float = 1e-5
    running_mean: Any = 0.0
    running_var: Any = 1.0
    momentum: float = 0.9
    unbiased: bool = False

    def sum(self, values: Array) -> Array:
        """Sum over the batch."""
        total: Array = np.sum(values, axis=self.axis, keepdims=True)
        return total

    def mean(self, values: Array) -> Array:
        """Average over the batch."""
        mean: Array = np.mean(values, axis=self.axis, keepdims=True)
        return mean

    def spread(self, values: Any) -> Array:
        """Give one value per feature the axes of `x`."""
        shape = tuple(1 if i in self.axis else n for i, n in enumerate(self.x.shape))
        spread: Array = np.reshape(values, shape)
        return spread

    def per_feature(self, values: Array) -> Array:
        """Drop the averaged axes again: the shape of gamma."""
        return np.reshape(values, self.features)

    @cached_property
    def features(self) -> tuple[int, ...]:
        """The shape of gamma and beta."""
        return tuple(n for i, n in enumerate(self.x.shape) if i not in self.axis)

    @cached_property
    def m(self) -> int:
        """How many values each feature has."""
        return math.prod(self.x.shape[i] for i in self.axis)

    @cached_property
    def g(self) -> Array:
        """Gamma, with the axes of x."""
        return self.spread(self.gamma)

    @cached_property
    def b(self) -> Array:
        """Beta, with the axes of x."""
        return self.spread(self.beta)

    @cached_property
    def mu(self) -> Array:
        """The batch mean."""
        return self.mean(self.x)

    @cached_property
    def xc(self) -> Array:
        """The centred values, x - mu."""
        return self.x - self.mu

    @cached_property
    def var(self) -> Array:
        """The biased batch variance."""
        return self.mean(self.xc**2)

    @cached_property
    def s(self) -> Array:
        """The root of var + eps."""
        root: Array = np.sqrt(self.var + self.eps)
        return root

    @cached_property
    def x_hat(self) -> Array:
        """The normalized values."""
        return self.xc / self.s

    @cached_property
    def y(self) -> Array:
        """The transform."""
        return self.g * self.x_hat + self.b

    def dx(self, mean: Any = 1.0, var: Any = 1.0) -> Array:
        """Compute dx with the paths through mean and variance weighted: the right ones by 1.

            dx = gamma/s (dy - mean * average dy - var * x_hat * average(dy x_hat))

        Formulas (a), (b) and (c) of SOURCES.md all come to this, and most mistakes in them to
        other weights.
        """
        through_mean = mean * self.mean(self.dy)
        through_var = var * self.x_hat * self.mean(self.dy * self.x_hat)
        dx: Array = self.g / self.s * (self.dy - through_mean - through_var)
        return dx

    @property
    def new_running_mean(self) -> Array:
        """The running mean after the step."""
        return self.blend(self.running_mean, self.mu)

    @property
    def new_running_var(self) -> Array:
        """The running variance after the step."""
        correction = self.m / (self.m - 1) if self.unbiased else 1.0
        return self.blend(self.running_var, self.var * correction)

    def blend(self, old: Any, new: Array, keep: float | None = None) -> Array:
        """Mix a running statistic with the batch's; `keep` is the weight of the old one."""
        keep = self.momentum if keep is None else keep
        return self.per_feature(keep * self.spread(old) + (1 - keep) * new)

    def test(self, mean: Any = None, std: Any = None) -> Array:
        """Normalize with the running statistics, as at test time, or with others."""
        mean = self.spread(self.running_mean) if mean is None else mean
        std = np.sqrt(self.spread(self.running_var) + self.eps) if std is None else std
        y: Array = self.g * (self.x - mean) / std + self.b
        return y


def probe(ndim: int, scale: float) -> Batch:
    """Make a plain batch without structure, of this standard deviation (about)."""
    rng = np.random.default_rng(1)
    shape, axis = ((7, 3), (0,)) if ndim == 2 else ((3, 2, 3, 4), (0, 2, 3))
    x = rng.standard_normal(shape) * scale
    features = np.ones(shape[1])
    return Batch(
        x, features, 0 * features, rng.standard_normal(shape), axis,
        running_mean=features * 0.25, running_var=features * 0.5,
    )  # fmt: skip
