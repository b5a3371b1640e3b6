"""Batch normalization, composed of primitives: mean, sub, pow, mean, add, sqrt, div, mul, add.

No derivative is written here. The backward pass comes from the graph that these operations
record; closed_form.py has the formulas that it must agree with. The names mu, x_centered, var,
std, x_hat, gamma, beta and eps are those of Ioffe and Szegedy (2015), algorithm 1.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from . import primitives as P
from .arrays import normalized_axes
from .recording import MODE, scope
from .sizes import now
from .tensor import Tensor, TensorLike, apply, as_tensor

Axis = int | tuple[int, ...] | None


class Normalized(NamedTuple):
    """The result of normalizing, and the statistics that it was done with."""

    y: Tensor
    mu: Tensor
    var: Tensor


def batch_norm(
    x: TensorLike,
    gamma: TensorLike | None = None,
    beta: TensorLike | None = None,
    *,
    mean: TensorLike | None = None,
    var: TensorLike | None = None,
    axis: Axis = None,
    eps: float = 1e-5,
) -> Tensor:
    r"""Normalize each feature over the mini-batch, then scale and shift it.

    For each feature, with the sums over the m values that `axis` gathers,

        mu    = (1/m) sum x_i
        var   = (1/m) sum (x_i - mu)^2
        x_hat = (x_i - mu) / sqrt(var + eps)
        y     = gamma x_hat + beta

    Parameters
    ----------
    x : array or Tensor, of one axis or more
    gamma, beta : array or Tensor, optional
        Scale and shift: one value for each feature (the shape of `x` without the averaged axes),
        or any shape that broadcasts to that of `x`. Left out, they are not recorded.
    mean, var : array or Tensor, optional
        Given both, normalize with these statistics instead of the batch's own (inference).
        Shaped like `gamma`.
    axis : int or tuple of ints, optional
        The axes averaged over. None: all but axis 1, so ``(N, D)`` per feature and
        ``(N, C, H, W)`` per channel; axis 0 of one-dimensional input. ``axis=0`` of
        ``(N, C, H, W)`` normalizes each activation by itself.
    eps : float
        Keeps the division finite. At least 0.

    Returns
    -------
    Tensor of the shape and dtype of `x` (a wider dtype of `gamma` or `beta` widens it). The mean
    is kept in float64, so that an `x` far from 0 loses no digits when it is subtracted; float16 is
    otherwise computed in float32, and rounded at the end.

    Raises
    ------
    ValueError
        For an empty batch unless `mean` is given, a shape or an axis that does not fit, `eps`
        negative or not finite, a negative `var`, and only one of `mean` and `var`.

    Notes
    -----
    Everything is made in the scope ``"batch_norm"``, under the names above. A single value for
    each feature (m = 1) gives y = beta and a gradient of 0. Source: algorithm 1 of Ioffe and
    Szegedy, 2015, arXiv:1502.03167.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> x = tg.Tensor([[1.0], [4.0], [6.0], [8.0], [10.0], [9.0]], requires_grad=True)
    >>> y = tg.batch_norm(x, gamma=[2.0], beta=[10.0], eps=0.0)
    >>> y.data.ravel().round(3)
    array([ 6.549,  8.49 ,  9.784, 11.078, 12.372, 11.725])
    >>> print(*(node.op for node in tg.graph(y).nodes if node.op))
    mean sub pow mean add sqrt div mul add
    """
    x = as_tensor(x)
    if x.ndim == 0:
        raise ValueError("batch_norm: x is a single number; give an array of at least one axis")
    axes = normalized_axes((0, *range(2, x.ndim)) if axis is None else axis, x.ndim, "batch_norm")
    return batch_norm_over(x, axes, gamma, beta, mean, var, eps).y


def batch_norm_over(
    x: Tensor,
    axes: tuple[int, ...],
    gamma: TensorLike | None,
    beta: TensorLike | None,
    mean: TensorLike | None,
    var: TensorLike | None,
    eps: float,
) -> Normalized:
    """Compute batch norm over axes that are known to be there; return the statistics too."""
    features = tuple([i for i in range(x.ndim) if i not in axes])
    if (mean is None) != (var is None):
        raise ValueError("batch_norm: give both mean and var, or neither")
    with scope("batch_norm"):
        given = [
            None if value is None else _aligned(value, name, x, features)
            for name, value in (("mean", mean), ("var", var), ("gamma", gamma), ("beta", beta))
        ]
        if given[1] is not None and MODE.get().trace is None and (given[1].data < 0).any():
            raise ValueError(f"batch_norm: var has a negative value, {given[1].data.min()}")
        return _normalize(x, axes, eps, *given)


def layer_norm(
    x: TensorLike,
    gamma: TensorLike | None = None,
    beta: TensorLike | None = None,
    *,
    axis: int | tuple[int, ...] = -1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each example over its own features, then scale and shift them.

    The formulas are those of ``batch_norm``, with the sums over the features of one example
    (`axis`), so that nothing depends on the rest of the batch. `gamma` and `beta` have the shape
    of the axes averaged over, or any shape that broadcasts to that of `x`. Scope:
    ``"layer_norm"``. Raises ValueError as ``batch_norm`` does. Source: Ba, Kiros and Hinton,
    2016, arXiv:1607.06450.

    >>> import tinygrad_bn as tg
    >>> tg.layer_norm([[1.0, 3.0], [10.0, 30.0]], eps=0.0)
    Tensor([[-1.,  1.],
            [-1.,  1.]], name='x_hat')
    """
    x = as_tensor(x)
    axes = normalized_axes(axis, x.ndim, "layer_norm")
    with scope("layer_norm"):
        gamma = None if gamma is None else _aligned(gamma, "gamma", x, axes)
        beta = None if beta is None else _aligned(beta, "beta", x, axes)
        return _normalize(x, axes, eps, None, None, gamma, beta).y


def _normalize(
    x: Tensor,
    axes: tuple[int, ...],
    eps: float,
    mu: Tensor | None,
    var: Tensor | None,
    gamma: Tensor | None,
    beta: Tensor | None,
) -> Normalized:
    shape = x.shape
    if mu is None and 0 in [shape[i] for i in axes]:
        raise ValueError(f"normalizing needs at least one value; x of shape {shape} has none")
    if not 0 <= eps < math.inf:
        raise ValueError(f"eps must be finite and at least 0, not {eps}")
    working = np.promote_types(x.dtype, np.float32)  # squares of float16 overflow beyond 256
    if mu is None:
        mu = _named("mu", x.mean(axes, keepdims=True, dtype=np.float64))
    # mu keeps the digits that the difference needs: a large mean costs none.
    x_centered = _named("x_centered", apply(P.sub, (x, mu), {"dtype": working}))
    if var is None:
        var = _named("var", (x_centered**2).mean(axes, keepdims=True, dtype=working))
    std = _named("std", (var + Tensor(eps, name="eps", dtype=working)).sqrt())
    y = _named("x_hat", x_centered / std)
    if gamma is not None:
        y = y * gamma
    if beta is not None:
        y = y + beta
    if x.dtype == np.float16:
        y = y.astype(np.float16)
    return Normalized(y if y.name else _named("y", y), mu, var)


def _named(name: str, tensor: Tensor) -> Tensor:
    tensor.name = name
    return tensor


def _aligned(given: Any, name: str, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Reshape a parameter with one value along each of `axes` so that it broadcasts against x."""
    if isinstance(given, Tensor):
        value = given
    else:
        keeps_its_dtype = isinstance(given, np.ndarray | np.generic)
        value = Tensor(given, name=name, dtype=None if keeps_its_dtype else x.dtype)
    shape, lengths = now(x.shape), now(value.shape)
    expected = tuple([shape[i] for i in axes])
    if lengths == expected:
        if axes == tuple(range(x.ndim - len(axes), x.ndim)):
            return value
        own = iter(value.shape)
        aligned: Tensor = value.reshape([next(own) if i in axes else 1 for i in range(x.ndim)])
        return aligned
    try:
        fits = np.broadcast_shapes(lengths, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} has shape {lengths}; for x of shape {shape} normalized per feature "
            f"it must have shape {expected}, or one that broadcasts to that of x"
        )
    return value
