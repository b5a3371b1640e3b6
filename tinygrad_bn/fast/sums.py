"""Sums over large arrays of float32: in parts, so that a product can be summed in the cache.

The rows `sum` and `mean` add up in float64, and converting to it costs three times the adding. Here
eight rows of the leading axis are first averaged in float32, as one product of matrices, and these
averages are added up in float64. That costs at most 7 roundings of the values' own size: the result
is off by 7 2^-24 of the mean absolute value, whatever the number of values. (Averages, not sums, of
eight: they cannot overflow. Subnormal values lose more.) A mean in float64 is summed as in the row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import primitives as P
from ..broadcasting import repeated_axes
from ..table import Array
from .arithmetic import LARGE, repeated, subtract

BLOCK = 2**16  # values, at least, of which a product is made at a time
EIGHTHS = np.full((1, 8), 1 / 8, np.float32)


def sum(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Sum as the row does."""
    if x.size >= LARGE and 0 in x.strides and 0 in axis:
        x = np.ascontiguousarray(x)  # the same numbers whether repeats are stored or not
    if x.dtype.kind != "f":
        return P.sum.forward(x, axis, keepdims)
    if x.size < LARGE or not _by_eights(x, axis):
        total = np.add.reduce(x, axis, np.float64, None, keepdims)  # type: ignore[call-overload]
        return total.astype(x.dtype)
    return _total(x, lambda part: x[part], axis, keepdims).astype(x.dtype)


def mean(x: Array, axis: tuple[int, ...], keepdims: bool, dtype: Any = None) -> Array:
    """Average as the row does."""
    if x.size < LARGE or x.dtype != np.float32:
        return P.mean.forward(x, axis, keepdims, dtype)
    if dtype is not None and np.dtype(dtype) != np.float32:
        total = _wide(x, axis, keepdims)
    elif _by_eights(x, axis):
        total = _total(x, lambda part: x[part], axis, keepdims)
    else:
        return P.mean.forward(x, axis, keepdims, dtype)
    return (total / (x.size // total.size)).astype(dtype or x.dtype)


def summed(g: Array, product: Callable[[Any], Array], like: Array, *others: Array) -> Array:
    """Compute what a rule makes of the cotangent g, summed to the shape of `like`.

    ``product(part)`` computes a part of it, along the leading axis; `others` are the other arrays
    that it reads. The whole is never in memory.
    """
    if g.size >= LARGE and g.shape != like.shape:
        axis = repeated_axes(g.shape, like.shape)
        alike = all([x.shape == g.shape and x.flags.c_contiguous for x in others])
        if alike and _by_eights(g, axis):
            return _total(g, product, axis, True).astype(g.dtype).reshape(like.shape)
    return product(...)


def _by_eights(x: Array, axis: tuple[int, ...]) -> bool:
    return (
        x.dtype == np.float32
        and 0 in axis
        and x.shape[0] >= 8
        and x[0].size >= 16  # the products would be tiny
        and x.flags.c_contiguous
    )


def _total(x: Array, part: Callable[[slice], Array], axis: Any, keepdims: bool) -> Array:
    """Add up, in float64, parts of an array that has the shape of x."""
    whole = x.shape[0] // 8 * 8
    rows = 8 * max(1, BLOCK // (8 * x[0].size))
    total: Any = 0.0
    for start in range(0, whole, rows):
        block = part(slice(start, min(start + rows, whole)))
        means = np.matmul(EIGHTHS, block.reshape(len(block) // 8, 8, -1))
        total = total + 8 * _wide(means.reshape(-1, *x.shape[1:]), axis, keepdims)
    if whole < x.shape[0]:
        total = total + _wide(part(slice(whole, None)), axis, keepdims)
    return total


def _wide(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Sum in float64; einsum converts as it goes."""
    axes = range(x.ndim)
    total = np.einsum(
        x, axes, [i for i in axes if i not in axis], dtype=np.float64, casting="unsafe"
    )
    return (
        total.reshape([1 if i in axis else n for i, n in enumerate(x.shape)]) if keepdims else total
    )


def expanded(g: Array, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Spread the cotangent of a reduction, as primitives.py does."""
    if not keepdims:
        g = g.reshape([1 if i in axis else n for i, n in enumerate(x.shape)])
    return repeated(g if g.dtype == x.dtype else g.astype(x.dtype), x.shape)


def difference(x: Array, y: Array, dtype: Any = None) -> Array:
    """Subtract as the row `sub` does; from a large x, in its dtype instead of that of y.

    Then y is split into its value in that dtype and what this leaves, and both are subtracted: two
    roundings of the result, where the row has one.
    """
    if dtype is None:
        return subtract(x, y)
    if x.size < LARGE or y.size == x.size or y.dtype == dtype:
        return P.sub.forward(x, y, dtype)
    high = y.astype(dtype)
    low = np.subtract(y, high, out=np.zeros_like(y), where=np.isfinite(high)).astype(dtype)
    out = np.empty(np.broadcast_shapes(x.shape, y.shape), dtype)
    if out.shape != x.shape or out.ndim != y.ndim or y.shape[0] != 1:
        return np.subtract(np.subtract(x.astype(dtype, copy=False), high), low)
    rows = max(1, BLOCK // x[0].size)
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        np.subtract(x[part], high, out[part])
        np.subtract(out[part], low, out[part])
    return out
