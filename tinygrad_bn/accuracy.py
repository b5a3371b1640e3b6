"""Sums and differences that keep their digits, in as few passes as NumPy allows.

In float32 the mean of values far from zero loses the digits that batch norm needs. So means are
summed in float64, and ``x - mu`` with a mu that is kept in float64 is as good as rounded once.
Where batch norm loses little by it, there is a quicker way to sum a large float32 array.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import arithmetic
from .arithmetic import Array

EIGHTHS = np.full((1, 8), 1 / 8, np.float32)


def wide_sum(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Sum in float64 (a complex array in complex128)."""
    wide: Any = np.promote_types(x.dtype, np.float64)
    if x.dtype == wide or x.size < arithmetic.LARGE:
        return np.add.reduce(x, axis, wide, None, keepdims)  # type: ignore[call-overload]
    axes = range(x.ndim)  # einsum converts as it goes: faster, up to three times
    kept = [i for i in axes if i not in axis]
    total = np.einsum(x, axes, kept, dtype=wide, casting="unsafe")
    return total.reshape([1 if i in axis else x.shape[i] for i in axes]) if keepdims else total


def sum_by_eights(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Sum large float32 arrays: means of eight values in float32, and these in float64.

    The means are one product of matrices, three to six times faster than a wide sum. They cost at
    most 7 roundings of the values' own size (but for subnormal values), and where these are
    unrelated, the roundings average out. Means, not sums, of eight: they cannot overflow.
    """
    if (
        x.size < arithmetic.LARGE
        or x.dtype != np.float32
        or 0 not in axis
        or x.shape[0] < 8
        or x[0].size < 16  # the products would be tiny
        or not x.flags.c_contiguous
    ):
        return wide_sum(x, axis, keepdims)
    whole = x.shape[0] // 8 * 8
    means = np.matmul(EIGHTHS, x[:whole].reshape(whole // 8, 8, -1)).reshape(-1, *x.shape[1:])
    return 8 * wide_sum(means, axis, keepdims) + wide_sum(x[whole:], axis, keepdims)


def dtype_of_mean(x: Array, axis: tuple[int, ...]) -> Any:
    """Choose the dtype in which to compute a mean that will be subtracted from `x`.

    float64 keeps every digit, but to add up float32 in float64 takes four times as long. float32
    will do where no mean mu is far from 0 in terms of the deviation sigma: rounding mu puts x_hat
    off by half a unit for each ``|mu| / sigma``, and summing by eights, if roundings do not average
    out, by up to seven times that.

    A sixteenth of the values tells. If their mean a and deviation s have ``|a| < 8 s``, then
    ``|mu| < 36 sigma`` whatever the others are: ``sigma >= s / 4``, and ``|mu| <= |a| + 4 sigma``.
    """
    if x.dtype != np.float32 or x.size < arithmetic.LARGE or not axis:
        return np.float64
    first = axis[0]
    part = x[(slice(None),) * first + (slice(math.ceil(x.shape[first] / 16)),)].astype(np.float64)
    axes, kept = range(x.ndim), [i for i in range(x.ndim) if i not in axis]
    a, square = np.einsum(part, axes, kept), np.einsum(part, axes, part, axes, kept)
    a, square = a * (a.size / part.size), square * (a.size / part.size)
    near = (64 * square > 65 * a * a) | (a == 0)  # the square is a^2 + s^2
    return np.float32 if near.all() else np.float64


def difference(x: Array, y: Array, dtype: Any = None) -> Array:
    """Subtract; with a dtype, keep the digits that y has beyond it.

    The result is rounded once, or, of large arrays, off by at most one unit.
    """
    if dtype is None or y.dtype == dtype:
        return arithmetic.subtract(x, y)
    if x.size < arithmetic.LARGE:
        return np.subtract(x, y).astype(dtype)
    high = y.astype(dtype)
    low = np.zeros_like(y)
    np.subtract(y, high, out=low, where=np.isfinite(high))
    out = arithmetic.subtract(x.astype(dtype, copy=False), high)
    return arithmetic.subtract(out, low.astype(dtype), out=out)
