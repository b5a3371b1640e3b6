"""The forward pass of batch normalization, and three closed forms of its backward pass.

This file imports NumPy and nothing of this package, and the engine uses none of its formulas. The
two are independent, so each can be checked by comparison with the other. Notation, for one feature
of m values: mu and var are its mean and variance, s = sqrt(var + eps), x_hat = (x - mu) / s,
y = gamma x_hat + beta, and dy is the upstream gradient (cotangent) of y.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Gradients(NamedTuple):
    """The gradients with respect to x, gamma and beta, each of the shape of its value."""

    dx: Array
    dgamma: Array
    dbeta: Array


class Cache(NamedTuple):
    """The values of the forward pass that the backward pass needs.

    Arrays with one value for each feature keep the averaged axes, with length 1.
    """

    x_centered: Array
    std: Array
    x_hat: Array
    gamma: Array
    largest: Array  # max|x| of each feature, for the bound on the rounding error
    axis: tuple[int, ...]
    m: int  # the number of values of each feature
    gamma_shape: tuple[int, ...]
    dtype: np.dtype[Any]


def forward(
    x: npt.ArrayLike,
    gamma: npt.ArrayLike,
    beta: npt.ArrayLike,
    *,
    axis: int | tuple[int, ...] | None = None,
    eps: float = 1e-5,
) -> tuple[Array, Cache]:
    """Compute y = gamma (x - mu) / sqrt(var + eps) + beta, and the cache for the backward pass.

    `axis` is the axes averaged over; None means all but axis 1 (axis 0 of one-dimensional input).
    `gamma` and `beta` have one value for each feature: the shape of `x` without those axes. The
    dtype of y is that of `x` if it is float16, float32 or float64; otherwise it is float64. Raises
    ValueError for an empty batch, and for another shape of `gamma` or `beta`. Source: algorithm 1
    of Ioffe and Szegedy, 2015, arXiv:1502.03167.

    >>> y, cache = forward([[1.0], [3.0]], gamma=[2.0], beta=[5.0], eps=0.0)
    >>> y
    array([[3.],
           [7.]])
    """
    x = _array(x)
    if x.dtype not in (np.float16, np.float32):
        x = x.astype(np.float64)
    working = np.promote_types(x.dtype, np.float32)
    if axis is None:
        axis = tuple(i for i in range(x.ndim) if i != 1 or x.ndim == 1)
    axes = tuple(np.lib.array_utils.normalize_axis_tuple(axis, x.ndim))
    m = math.prod([x.shape[i] for i in axes])
    if m == 0:
        raise ValueError(f"x of shape {x.shape} has no value to normalize over the axes {axes}")
    features = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    spread = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    for name, value in (("gamma", gamma), ("beta", beta)):
        if np.shape(value) != features:
            raise ValueError(f"{name} has shape {np.shape(value)}, expected {features}")
    gamma = _array(gamma, working).reshape(spread)
    beta = _array(beta, working).reshape(spread)

    # In float64: with a large mean, x - mu would have few correct digits in float32.
    x_centered = (x - x.mean(axes, keepdims=True, dtype=np.float64)).astype(working)
    var = (x_centered**2).mean(axes, keepdims=True, dtype=np.float64)
    std = np.sqrt(var + eps).astype(working)
    x_hat = x_centered / std
    y = gamma * x_hat + beta
    largest = np.abs(x).max(axes, keepdims=True).astype(np.float64)
    cache = Cache(x_centered, std, x_hat, gamma, largest, axes, m, features, x.dtype)
    return y.astype(x.dtype), cache


def backward_paper(dy: npt.ArrayLike, cache: Cache) -> Gradients:
    """Differentiate by the equations of the paper (section 3 of arXiv:1502.03167).

        dx_hat = dy gamma
        dvar   = sum dx_hat (x - mu) (-1/2) (var + eps)^(-3/2)
        dmu    = sum dx_hat (-1/s) + dvar sum(-2 (x - mu)) / m
        dx     = dx_hat / s + dvar 2 (x - mu) / m + dmu / m

    >>> _, cache = forward([[1.0], [2.0], [4.0]], [1.0], [0.0])
    >>> backward_paper([[1.0], [0.0], [0.0]], cache).dx.round(3).ravel()
    array([ 0.229, -0.344,  0.115])
    """
    xc, s, m = cache.x_centered, cache.std, cache.m
    dy = _cotangent(dy, cache)
    dx_hat = dy * cache.gamma
    dvar = _sum(dx_hat * (xc / s), cache) * -0.5 / s**2  # s^-3 at once would underflow
    dmu = _sum(dx_hat, cache) * (-1 / s) + dvar * _sum(-2 * xc, cache) / m
    dx = dx_hat / s + dvar * 2 * xc / m + dmu / m
    return _gradients(dx, _sum(dy * cache.x_hat, cache), _sum(dy, cache), cache)


def backward_steps(dy: npt.ArrayLike, cache: Cache) -> Gradients:
    """Differentiate step by step, through the steps of the forward pass in reverse order.

        dbeta = sum dy;  dgamma = sum x_hat dy;  dx_hat = gamma dy
        dxc = dx_hat / s;  ds = -sum(dx_hat xc) / s^2;  dvar = ds / (2 s)
        dxc = dxc + (2/m) xc dvar;  dmu = sum dxc;  dx = dxc - dmu / m

    Source: the batch normalization layer of the book "Deep Learning From Scratch" (source 2).

    >>> _, cache = forward([[1.0], [2.0], [4.0]], [1.0], [0.0])
    >>> backward_steps([[1.0], [0.0], [0.0]], cache).dx.round(3).ravel()
    array([ 0.229, -0.344,  0.115])
    """
    xc, s, m = cache.x_centered, cache.std, cache.m
    dy = _cotangent(dy, cache)
    dbeta = _sum(dy, cache)
    dgamma = _sum(cache.x_hat * dy, cache)
    dx_hat = cache.gamma * dy
    dxc = dx_hat / s
    ds = -_sum(dx_hat * xc, cache) / s**2
    dvar = ds / (2 * s)
    dxc = dxc + (2 / m) * xc * dvar
    dmu = _sum(dxc, cache)
    dx = dxc - dmu / m
    return _gradients(dx, dgamma, dbeta, cache)


def backward_compact(dy: npt.ArrayLike, cache: Cache) -> Gradients:
    """Differentiate by one formula, to which the other two simplify.

        dx = gamma / (m s) (m dy - sum dy - x_hat sum(dy x_hat))

    >>> _, cache = forward([[1.0], [2.0], [4.0]], [1.0], [0.0])
    >>> backward_compact([[1.0], [0.0], [0.0]], cache).dx.round(3).ravel()
    array([ 0.229, -0.344,  0.115])
    """
    dy = _cotangent(dy, cache)
    dbeta = _sum(dy, cache)
    dgamma = _sum(dy * cache.x_hat, cache)
    m = cache.m
    dx = cache.gamma / (m * cache.std) * (m * dy - dbeta - cache.x_hat * dgamma)
    return _gradients(dx, dgamma, dbeta, cache)


class SecondGradients(NamedTuple):
    """The gradients of sum dx ddx with respect to x, gamma and dy."""

    dx: Array
    dgamma: Array
    ddy: Array


def double_backward(ddx: npt.ArrayLike, dy: npt.ArrayLike, cache: Cache) -> SecondGradients:
    """Differentiate the backward pass: the gradients of S = sum dx ddx.

    With the sums D = sum dy, V = sum ddx, C = sum dy ddx, b = sum dy x_hat and a = sum ddx x_hat,

        S = gamma / (m s) (m C - D V - a b)

    S is linear in dy and in gamma, so its gradients with respect to these are

        ddy    = gamma / (m s) (m ddx - V - a x_hat)
        dgamma = S / gamma

    On x it depends through x_hat, in a and b, and through s. Let h = -gamma / (m s) (a dy + b ddx)
    be its gradient with respect to x_hat. Like every gradient with respect to x_hat, h is carried
    to x by the compact form; and s contributes -S / s times ds/dx = x_hat / m:

        dx = (h - sum h / m - x_hat sum(h x_hat) / m) / s - S x_hat / (m s)

    >>> _, cache = forward([[1.0], [2.0], [4.0]], [1.0], [0.0])
    >>> double_backward([[1.0], [0.0], [0.0]], [[0.0], [1.0], [0.0]], cache).ddy.round(3).ravel()
    array([ 0.229, -0.344,  0.115])
    """
    ddx, dy = _cotangent(ddx, cache), _cotangent(dy, cache)
    gamma, s, m, x_hat = cache.gamma, cache.std, cache.m, cache.x_hat
    a, b = _sum(ddx * x_hat, cache), _sum(dy * x_hat, cache)
    total_dy, total_ddx = _sum(dy, cache), _sum(ddx, cache)
    dgamma = (m * _sum(dy * ddx, cache) - total_dy * total_ddx - a * b) / (m * s)
    ddy = gamma / (m * s) * (m * ddx - total_ddx - a * x_hat)
    h = -gamma / (m * s) * (a * dy + b * ddx)
    dx = (h - _sum(h, cache) / m - x_hat * _sum(h * x_hat, cache) / m) / s
    dx = dx - gamma * dgamma * x_hat / (m * s)
    return SecondGradients(
        dx.astype(cache.dtype),
        dgamma.reshape(cache.gamma_shape).astype(cache.dtype),
        ddy.astype(cache.dtype),
    )


def error_bound(dy: npt.ArrayLike, cache: Cache) -> Gradients:
    """Bound the rounding error of each element of the gradients, for every way to compute them.

    There are two errors. A sum of m terms has an error of up to m u times the sum of their absolute
    values, where u is the machine epsilon. The mean mu is summed in float64, with machine epsilon
    v. Its error is up to (m + 4) v max|x|, which shifts every x_hat by up to
    kappa = (m + 4) v max|x| / s. To second order,

        |error of dx|     <= (gamma/s) (r (|dy| + A + |x_hat| B) + kappa (B + |x_hat| A + kappa A))
        |error of dgamma| <= r sum|dy x_hat| + kappa sum|dy|
        |error of dbeta|  <= r sum|dy|

    where A = mean|dy|, B = mean|dy x_hat| and r = (m + 30) u + 4 kappa^2. Two computations of the
    same gradient may therefore differ by up to twice the bound.

    >>> _, cache = forward([[1.0], [2.0], [4.0]], [1.0], [0.0])
    >>> bool(error_bound([[1.0], [0.0], [0.0]], cache).dx.max() < 1e-13)
    True
    """
    dy = np.abs(_cotangent(dy, cache))
    s, m, x_hat = cache.std, cache.m, np.abs(cache.x_hat)
    u = float(np.finfo(s.dtype).eps)
    kappa = condition(cache)
    with np.errstate(invalid="ignore", over="ignore"):
        r = (m + 30) * u + 4 * kappa**2
        a, b = _sum(dy, cache) / m, _sum(dy * x_hat, cache) / m
        dx = r * (dy + a + x_hat * b) + kappa * (b + x_hat * a + kappa * a)
        dx = np.abs(cache.gamma) / s * dx
        dgamma, dbeta = r * m * b + kappa * m * a, r * m * a
    smallest = float(np.finfo(cache.dtype).smallest_subnormal)
    if cache.dtype == np.float16:  # one more rounding, of the result
        last = float(np.finfo(np.float16).eps)
        dx = dx + last * np.abs(cache.gamma) / s * (dy + a + x_hat * b)
        dgamma, dbeta = dgamma + last * m * b, dbeta + last * m * a
    return Gradients(
        dx + m * smallest,
        (dgamma + m * smallest).reshape(cache.gamma_shape),
        (dbeta + m * smallest).reshape(cache.gamma_shape),
    )


def condition(cache: Cache) -> Array:
    """Compute kappa = (m + 4) v max|x| / s for each feature: the shift of x_hat by rounding mu."""
    with np.errstate(divide="ignore", over="ignore"):
        v = float(np.finfo(np.float64).eps)
        kappa: Array = (cache.m + 4) * v * cache.largest / cache.std
    return kappa


def _array(values: Any, dtype: Any = None) -> Array:
    """Return values as an array. What answers NumPy's functions itself stays what it is."""
    if isinstance(values, np.ndarray) or not hasattr(values, "__array_function__"):
        return np.asarray(values, dtype)
    array: Array = values if dtype is None or values.dtype == dtype else values.astype(dtype)
    return array


def _sum(values: Array, cache: Cache) -> Array:
    total = np.sum(values, cache.axis, np.float64, keepdims=True)  # float32 saturates
    return total.astype(values.dtype)


def _cotangent(dy: npt.ArrayLike, cache: Cache) -> Array:
    if np.shape(dy) != cache.x_hat.shape:
        raise ValueError(f"dy has shape {np.shape(dy)}, but y has shape {cache.x_hat.shape}")
    return _array(dy, cache.x_hat.dtype)


def _gradients(dx: Array, dgamma: Array, dbeta: Array, cache: Cache) -> Gradients:
    shape, dtype = cache.gamma_shape, cache.dtype
    return Gradients(
        dx.astype(dtype), dgamma.reshape(shape).astype(dtype), dbeta.reshape(shape).astype(dtype)
    )
