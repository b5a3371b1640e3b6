"""The layer BatchNorm: batch norm with running statistics, which are used in inference.

The layer adds the running statistics and the modes, training and inference, to ``tg.batch_norm``.
``population_statistics`` computes more accurate statistics after training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..arrays import normalized_axes
from ..batch_norm import Axis, batch_norm_over
from ..recording import MODE, no_grad
from ..tensor import Tensor, TensorLike, as_tensor
from .layers import at_least_one
from .module import Buffer, Module, Parameter

Array = npt.NDArray[Any]

UPDATING = Lock()  # of running statistics: threads may share a layer, and every batch counts


class BatchStatistics(NamedTuple):
    """Mean and variance (divided by m) of each feature over one mini-batch of m values."""

    mu: Array
    var: Array
    m: int


class BatchNorm(Module):
    """Normalize each feature over the mini-batch; in inference, with the running statistics.

    Training computes ``tg.batch_norm(x, gamma, beta)`` and updates the running statistics, in which
    the statistics of the batch have the weight `momentum`:

        running = (1 - momentum) running + momentum batch

    Inference (after ``eval()``) normalizes with the running statistics. This is an affine map of
    each feature, which ``affine()`` returns.

    Parameters
    ----------
    num_features : int, or the shape of the features where they have several axes
        `gamma` (1 at the start), `beta` (0), `running_mean` (0) and `running_var` (1) have this
        shape. (PyTorch calls gamma `weight` and beta `bias`.)
    eps : float
        Added to the variance, so that the division is finite.
    momentum : float or None
        The weight of the new batch, as in PyTorch. With None, the running statistics are the plain
        average over all batches.
    affine : bool
        Whether the layer has `gamma` and `beta`; otherwise they are None.
    axis : int or tuple of ints, optional
        The axes averaged over. None: all but axis 1, for input of shape (N, C), (N, C, L),
        (N, C, H, W) or (N, C, D, H, W). With ``axis=0`` every activation is a feature of its own,
        and `num_features` is a shape such as (C, H, W).
    unbiased : bool
        Whether `running_var` is updated with m/(m-1) var, as in PyTorch, or with var.
    dtype : optional
        The dtype of `gamma`, `beta`, `running_mean` and `running_var`; float64 by default.

    Raises
    ------
    ValueError
        For input of another shape. In training, also for a single value per feature: its output
        would be beta for every input.

    Notes
    -----
    ``momentum=0.1, unbiased=False`` is the rule of source 2, which writes the complement, 0.9, and
    initializes its variance to 0 instead of 1. Source: Ioffe and Szegedy, 2015, arXiv:1502.03167.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> layer = tg.nn.BatchNorm(1, momentum=None, eps=0.0)
    >>> layer([[1.0], [3.0]]).data.ravel()
    array([-1.,  1.])
    >>> layer.running_mean.item(), layer.running_var.item()
    (2.0, 2.0)
    >>> layer.eval()([[2.0]]).item()
    0.0
    """

    def __init__(
        self,
        num_features: int | tuple[int, ...],
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        axis: Axis = None,
        unbiased: bool = True,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"momentum is the weight of the new batch, 0 to 1, not {momentum}")
        shape = tuple(num_features) if isinstance(num_features, tuple | list) else (num_features,)
        for size in shape:
            at_least_one(num_features=size)
        self.num_features, self.shape = num_features, shape
        self.eps, self.momentum, self.axis, self.unbiased = eps, momentum, axis, unbiased
        self.gamma = Parameter(np.ones(shape), name="gamma", dtype=dtype) if affine else None
        self.beta = Parameter(np.zeros(shape), name="beta", dtype=dtype) if affine else None
        self.running_mean = Buffer(np.zeros(shape), name="running_mean", dtype=dtype)
        self.running_var = Buffer(np.ones(shape), name="running_var", dtype=dtype)
        self.num_batches_tracked = Buffer(0.0, name="num_batches_tracked")
        self.gathered: list[BatchStatistics] | None = None

    def forward(self, x: TensorLike) -> Tensor:
        """Normalize `x`; in training, also update the running statistics."""
        x = as_tensor(x)
        axes = self._axes(x)
        mean, var = (None, None) if self.training else (self.running_mean, self.running_var)
        if self.training and (m := math.prod([x.shape[i] for i in axes])) < 2:
            raise ValueError(
                f"BatchNorm needs more than one value per feature in training; x of shape "
                f"{x.shape} has {m}: give larger batches, or call eval() for inference"
            )
        result = batch_norm_over(x, axes, self.gamma, self.beta, mean, var, self.eps)
        if self.training:
            self._track(result.mu, result.var, m)
        return result.y

    def affine(self) -> tuple[Array, Array]:
        """Return (scale, shift) such that inference computes y = scale x + shift (source 1).

            scale = gamma / sqrt(running_var + eps),   shift = beta - scale running_mean

        >>> import tinygrad_bn as tg
        >>> scale, shift = tg.nn.BatchNorm(2, eps=0.0).affine()
        >>> scale, shift
        (array([1., 1.]), array([0., 0.]))
        """
        scale = 1 / np.sqrt(self.running_var.data + self.running_var.dtype.type(self.eps))
        if self.gamma is not None:
            scale = scale * self.gamma.data
        shift = -scale * self.running_mean.data
        return scale, shift if self.beta is None else shift + self.beta.data

    def set_statistics(self, mean: Array, var: Array) -> None:
        """Replace the running statistics."""
        self.running_mean.update(mean.astype(self.running_mean.dtype))
        self.running_var.update(var.astype(self.running_var.dtype))

    def extra_repr(self) -> str:  # noqa: D102
        shown = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
        shown += f", affine={self.gamma is not None}"
        shown += "" if self.axis is None else f", axis={self.axis}"
        return shown if self.unbiased else shown + ", unbiased=False"

    def _axes(self, x: Tensor) -> tuple[int, ...]:
        if self.axis is None:
            if not 2 <= x.ndim <= 5:
                raise ValueError(
                    f"BatchNorm takes input of 2 to 5 axes, features along axis 1; "
                    f"x has shape {x.shape} (give axis= for another layout)"
                )
            axes = tuple(i for i in range(x.ndim) if i != 1)
        else:
            axes = normalized_axes(self.axis, x.ndim, "BatchNorm")
        features = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        if features != self.shape:
            raise ValueError(
                f"BatchNorm over the axes {axes} has features of shape {self.shape}; "
                f"those of x, of shape {x.shape}, have shape {features}"
            )
        return axes

    def _track(self, mu: Tensor, var: Tensor, m: Any) -> None:
        """Update the running statistics; in a trace, with Tensors, so that this is recorded."""
        with no_grad(), UPDATING:
            shape = self.running_mean.shape
            values = [np.reshape(current_value(t), shape) for t in (mu, var)]
            batch = BatchStatistics(values[0], values[1], m)
            if self.gathered is not None:
                self.gathered.append(batch)
                return
            batches = current_value(self.num_batches_tracked) + 1
            self.num_batches_tracked.update(batches)
            new = 1 / batches if self.momentum is None else self.momentum
            mean, variance = map(current_value, (self.running_mean, self.running_var))
            latest = batch.var * (m / (m - 1)) if self.unbiased else batch.var
            self.set_statistics(
                (1 - new) * mean + new * batch.mu, (1 - new) * variance + new * latest
            )


def current_value(tensor: Tensor) -> Any:
    """Return the array of a Tensor; in a trace, the Tensor itself, so that its use is recorded."""
    return tensor.data if MODE.get().trace is None else tensor


def population_statistics(model: Module, batches: Iterable[TensorLike]) -> None:
    """Replace the running statistics of all BatchNorm layers by those of the population.

        E[x] = E_B[mu_B],    Var[x] = m/(m-1) E_B[var_B]

    The model runs over all mini-batches in training mode, so that the inputs of every layer are
    batch-normalized as in training. The parameters do not change. Batches of unequal sizes m_B are
    weighted by their size: E[x] = sum m_B mu_B / sum m_B and
    Var[x] = sum m_B var_B / sum (m_B - 1). If all m_B are equal, these are the formulas above.
    Afterwards each part of the model is in the same mode as before.

    Parameters
    ----------
    model : Module
    batches : iterable of input arrays
        Mini-batches of training inputs, of the size used in training.

    Raises
    ------
    ValueError
        If the model has no BatchNorm layer, or one that no batch has reached. The statistics then
        do not change.

    Notes
    -----
    Source: algorithm 2 of Ioffe and Szegedy, 2015, arXiv:1502.03167.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> model = tg.nn.Sequential(tg.nn.BatchNorm(1))
    >>> tg.nn.population_statistics(model, [[[1.0], [3.0]], [[5.0], [9.0]]])
    >>> model[0].running_mean.item(), model[0].running_var.item()
    (4.5, 5.0)
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, BatchNorm)}
    if not layers:
        raise ValueError("population_statistics: there is no BatchNorm layer in the model")
    modes = [(module, module.training) for module in model.modules()]
    gathered: dict[str, list[BatchStatistics]] = {name: [] for name in layers}
    try:
        model.train()
        for name, layer in layers.items():
            layer.gathered = gathered[name]
        with no_grad():
            for batch in batches:
                model(batch)
    finally:
        for module, mode in modes:
            module.training = mode
        for layer in layers.values():
            layer.gathered = None
    if unreached := [name for name, seen in gathered.items() if not seen]:
        raise ValueError(f"population_statistics: no batch reached the layers {unreached}")
    for name, layer in layers.items():
        seen = gathered[name]
        mean = sum(s.m * s.mu for s in seen) / sum(s.m for s in seen)
        var = sum(s.m * s.var for s in seen) / sum(s.m - 1 for s in seen)
        layer.set_statistics(np.asarray(mean), np.asarray(var))
