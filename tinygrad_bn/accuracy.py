"""Sums and differences that keep their digits, in as few passes as NumPy allows.

In float32 the mean of values far from zero loses the digits that batch norm needs. So means are
summed in float64, and ``x - mu`` with a mu that is kept in float64 is rounded only once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def wide_sum(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Sum in float64 (a complex array in complex128)."""
    wide: Any = np.result_type(x.dtype, np.float64)
    if x.dtype == wide:  # pairwise, where the memory order allows it
        return np.add.reduce(x, axis, None, None, keepdims)  # type: ignore[call-overload]
    axes = range(x.ndim)  # einsum converts as it goes, up to three times faster than add.reduce
    kept = [i for i in axes if i not in axis]
    total = np.einsum(x, axes, kept, dtype=wide, casting="unsafe")
    return total.reshape([1 if i in axis else x.shape[i] for i in axes]) if keepdims else total


def difference(x: Array, y: Array, dtype: Any = None) -> Array:
    """Subtract; with a dtype, round to it only once, however many digits y has."""
    if dtype is None or y.dtype == dtype:
        return np.subtract(x, y)
    high = y.astype(dtype)
    out = np.subtract(x, high, dtype=dtype)
    out -= (y - high).astype(dtype)
    return out
