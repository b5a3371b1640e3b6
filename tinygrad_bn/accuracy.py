"""Sums and differences that keep their digits, in as few passes as NumPy allows.

In float32 the mean of values far from zero loses the digits that batch norm needs. So means are
summed in float64, and ``x - mu`` with a mu that is kept in float64 is rounded only once. Where
large float32 arrays lose nothing by it, there are quicker ways.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arithmetic import LARGE, Array, subtract

EIGHTHS = np.full((1, 8), 1 / 8, np.float32)


def wide_sum(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Sum in float64 (a complex array in complex128)."""
    wide: Any = np.promote_types(x.dtype, np.float64)
    if x.dtype == wide or x.ndim < 3:  # pairwise, where the memory order allows it
        return np.add.reduce(x, axis, wide, None, keepdims)  # type: ignore[call-overload]
    axes = range(x.ndim)  # einsum converts as it goes, up to three times faster than add.reduce
    kept = [i for i in axes if i not in axis]
    total = np.einsum(x, axes, kept, dtype=wide, casting="unsafe")
    return total.reshape([1 if i in axis else x.shape[i] for i in axes]) if keepdims else total


def sum_by_eights(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Sum in float64 what large float32 arrays hold, after the means of every eight values.

    Those are one product of matrices, three to six times faster than a wide sum. It costs at most
    7 roundings of the values' own size, and as they average out, far less than the last digit of
    a float32 sum. (Means, not sums, of eight: they cannot overflow.)
    """
    blocks = x.shape[0] // 8 if x.ndim else 0
    if x.size < LARGE or x.dtype != np.float32 or 0 not in axis or blocks == 0:
        return wide_sum(x, axis, keepdims)
    means = np.matmul(EIGHTHS, x[: 8 * blocks].reshape(blocks, 8, -1)).reshape(-1, *x.shape[1:])
    return 8 * wide_sum(means, axis, keepdims) + wide_sum(x[8 * blocks :], axis, keepdims)


def dtype_of_mean(x: Array, axis: tuple[int, ...]) -> Any:
    """Choose the dtype for a mean that is to be subtracted from `x`.

    float64 keeps every digit, but to add up float32 in float64 takes four times as long. float32
    is as good where no mean mu is far from 0 in terms of the deviation sigma: rounding it costs
    ``|mu| / sigma`` half units in the last place of x_hat. An eighth of the values tells. If their
    mean a and deviation s have ``|a| < 8 s``, then ``|mu| < 26 sigma``, since
    ``sigma >= s / sqrt(8)`` and ``|mu| <= |a| + sqrt(8) sigma`` whatever the others are.
    """
    if x.dtype != np.float32 or x.size < LARGE or not axis:
        return np.float64
    first = axis[0]
    part = x[(slice(None),) * first + (slice(math.ceil(x.shape[first] / 8)),)]
    with np.errstate(over="ignore", invalid="ignore"):  # then the answer does not matter
        axes, kept = range(x.ndim), [i for i in range(x.ndim) if i not in axis]
        a = np.einsum(part, axes, kept)
        square = np.einsum(part, axes, part, axes, kept)
        a, square = a * (a.size / part.size), square * (a.size / part.size)
        near = (64 * (square - a * a) > a * a) | (a == 0)
    return np.float32 if near.all() else np.float64


def difference(x: Array, y: Array, dtype: Any = None) -> Array:
    """Subtract; with a dtype, round to it only once, however many digits y has."""
    if dtype is None or y.dtype == dtype:
        return subtract(x, y)
    if x.size < LARGE:
        return np.subtract(x, y).astype(dtype)
    high = y.astype(dtype)
    out = subtract(x.astype(dtype, copy=False), high)
    return subtract(out, (y - high).astype(dtype), out=out)
