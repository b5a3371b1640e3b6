"""One mini-batch, with every quantity in the formulas of batch norm and of the norms beside it.

The correct formulas and the wrong ones of the catalogue are both written with these quantities.
Statistics keep the averaged axes, with length 1. As in closed_form.py, only NumPy is used, and
nothing of the engine. ``x``, ``gamma`` and ``beta`` may still be Tensors, whose use is recorded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Norm:
    """A normalization: which values share one mean and variance, and what is learned.

    `over` is "batch" (per feature, over the batch), "example" (per example, over the features),
    "channel" (per example and channel) or "group" (per example and group of channels). In all of
    them, gamma and beta have one value per feature (axis 1).
    """

    name: str
    over: str
    centred: bool = True
    shifted: bool = True  # whether there is a beta

    def axes(self, ndim: int) -> tuple[int, ...]:
        """Return the axes over which the statistics are computed (before groups are made)."""
        features, inner = (1,), tuple(range(2, ndim))
        return {"batch": (0, *inner), "channel": inner}.get(self.over, features + inner)


BATCH_NORM = Norm("batch norm", "batch")
LAYER_NORM = Norm("layer norm", "example")
GROUP_NORM = Norm("group norm", "group")
INSTANCE_NORM = Norm("instance norm", "channel")
RMS_NORM = Norm("RMS norm", "example", centred=False, shifted=False)
RMS_NORM_WITH_BETA = Norm("RMS norm", "example", centred=False)


@dataclass(frozen=True)
class Batch:
    """The inputs of a training step and of a test step, and the quantities computed from them.

    `running_mean` and `running_var` are the running statistics before the step. `momentum` is the
    weight of these old values in the update. `unbiased` is whether the running variance is updated
    with the unbiased variance of the batch. `stored` is the quantity that is kept as the running
    variance (see ``STORED``). `axis` are the axes that gamma does not have.
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
    stored: str = "var"
    norm: Norm = BATCH_NORM

    def sum(self, values: Array) -> Array:
        """Compute the sum over the batch, for each feature."""
        total: Array = np.sum(values, axis=self.axis, keepdims=True)
        return total

    def mean(self, values: Array) -> Array:
        """Compute the mean over the values that share their statistics."""
        if self.norm.over == "group":
            return self._mean_of_groups(values)
        axes = self.axis if self.norm.over == "batch" else self.norm.axes(self.x.ndim)
        mean: Array = np.mean(values, axis=axes, keepdims=True)
        return mean

    def _mean_of_groups(self, values: Array) -> Array:
        n, c, *inner = values.shape
        groups = np.reshape(values, (n, groups_of(c), -1)).mean(axis=2)
        repeated = np.repeat(groups, c // groups_of(c), axis=1)
        return np.reshape(repeated, (n, c, *[1 for _ in inner]))

    def spread(self, values: Any) -> Array:
        """Reshape one value per feature, so that it broadcasts against `x`."""
        shape = tuple(1 if i in self.axis else n for i, n in enumerate(self.x.shape))
        spread: Array = np.reshape(values, shape)
        return spread

    def per_feature(self, values: Array) -> Array:
        """Reshape statistics to the shape of gamma, without the averaged axes."""
        return np.reshape(values, self.features)

    @cached_property
    def features(self) -> tuple[int, ...]:
        """Return the shape of gamma and beta."""
        return tuple(n for i, n in enumerate(self.x.shape) if i not in self.axis)

    @cached_property
    def m(self) -> int:
        """Return the number of values that share their statistics."""
        axes = self.axis if self.norm.over == "batch" else self.norm.axes(self.x.ndim)
        count: int = math.prod(self.x.shape[i] for i in axes)
        return count // groups_of(self.x.shape[1]) if self.norm.over == "group" else count

    @cached_property
    def g(self) -> Array:
        """Return gamma, reshaped to broadcast against x."""
        return self.spread(self.gamma)

    @cached_property
    def b(self) -> Array:
        """Return beta, reshaped to broadcast against x."""
        return self.spread(self.beta)

    @cached_property
    def mu(self) -> Array:
        """Compute the mean; 0 for a norm that does not centre."""
        return self.mean(self.x) if self.norm.centred else self.mean(self.x) * 0

    @cached_property
    def xc(self) -> Array:
        """Compute the centred values, x - mu."""
        return self.x - self.mu

    @cached_property
    def var(self) -> Array:
        """Compute the biased batch variance."""
        return self.mean(self.xc**2)

    @cached_property
    def s(self) -> Array:
        """Compute the root of var + eps."""
        root: Array = np.sqrt(self.var + self.eps)
        return root

    @cached_property
    def x_hat(self) -> Array:
        """Compute the normalized values, (x - mu) / s."""
        return self.xc / self.s

    @cached_property
    def y(self) -> Array:
        """Compute the output, gamma x_hat + beta."""
        y: Array = self.g * self.x_hat
        return y + self.b if self.norm.shifted else y

    def dx(self, mean: Any = 1.0, var: Any = 1.0) -> Array:
        """Compute dx, with weights `mean` and `var` for the paths through mean and variance.

            dx = gamma/s (dy - mean * average dy - var * x_hat * average(dy x_hat))

        With both weights 1 this is the correct gradient, to which formulas (a), (b) and (c) of
        SOURCES.md are equal. Most mistakes in these formulas are equal to other weights.
        """
        through_mean = mean * self.mean(self.dy)
        through_var = var * self.x_hat * self.mean(self.dy * self.x_hat)
        dx: Array = self.g / self.s * (self.dy - through_mean - through_var)
        return dx

    @property
    def new_running_mean(self) -> Array:
        """Compute the running mean after the step."""
        return self.blend(self.running_mean, self.mu)

    @property
    def new_running_var(self) -> Array:
        """Compute the running variance after the step."""
        correction = self.m / (self.m - 1) if self.unbiased else 1.0
        var = self.var * correction
        fed = {"var": var, "var + eps": var + self.eps, "std": np.sqrt(var + self.eps),
               "std without eps": np.sqrt(var)}[self.stored]  # fmt: skip
        return self.blend(self.running_var, fed)

    @property
    def stored_std(self) -> Array:
        """Compute the root of the running variance plus eps, from what is stored of it."""
        kept = self.spread(self.running_var)
        root: Array = {"var": np.sqrt(kept + self.eps), "var + eps": np.sqrt(kept), "std": kept,
                       "std without eps": kept + self.eps}[self.stored]  # fmt: skip
        return root

    def blend(self, old: Any, new: Array, keep: float | None = None) -> Array:
        """Update a running statistic; `keep` (default: `momentum`) is the weight of the old one."""
        keep = self.momentum if keep is None else keep
        return self.per_feature(keep * self.spread(old) + (1 - keep) * new)

    def test(self, mean: Any = None, std: Any = None) -> Array:
        """Compute the output in test mode, with the running statistics or with `mean` and `std`."""
        mean = self.spread(self.running_mean) if mean is None else mean
        std = self.stored_std if std is None else std
        y: Array = self.g * (self.x - mean) / std + self.b
        return y


STORED: Mapping[str, str] = {
    "var": "variance",
    "var + eps": "variance, to which eps is already added",
    "std": "standard deviation",
    "std without eps": "standard deviation, without eps",
}


def groups_of(channels: int) -> int:
    """Return the number of groups that a group norm is tried with."""
    return 2 - channels % 2


def probe(ndim: int, scale: float, norm: Norm = BATCH_NORM) -> Batch:
    """Make a random batch of standard deviation about `scale`, with gamma = 1 and beta = 0."""
    rng = np.random.default_rng(1)
    channels = 4 if norm.over == "group" else 2
    shape, axis = ((7, 3), (0,)) if ndim == 2 else ((3, channels, 3, 5), (0, 2, 3))
    x = rng.standard_normal(shape) * scale
    features = np.ones(shape[1])
    return Batch(
        x, features, 0 * features, rng.standard_normal(shape), axis,
        running_mean=features * 0.25, running_var=features * 0.5, norm=norm,
    )  # fmt: skip
