"""NumPy's four operations, quick also where a small operand meets a large one.

Batch norm is made of little else: one mean, one scale, one shift for thousands of values. NumPy
begins an inner loop anew for every repetition of the small operand, and on short rows that costs
as much as the arithmetic. Here the small one is copied until it fills a row that NumPy takes in
one go, and the large one is seen as rows of that length. Each number is what NumPy would give:
this file is a matter of speed alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # an ndarray, a plain number, or a Tensor that stands in for one

LARGE = 2**17  # values; with fewer, NumPy's own way is as quick
ROW = 8192  # values that NumPy takes in one go: np.getbufsize()
PLAIN = (np.ndarray, int, float)


def quick(ufunc: np.ufunc) -> Callable[..., Array]:
    """Make a ufunc of two operands quick for large arrays. A Tensor is left to NumPy's protocol."""

    def operation(x: Array, y: Array, out: Array | None = None) -> Array:
        large = (type(x) is np.ndarray and x.size >= LARGE) or (
            type(y) is np.ndarray and y.size >= LARGE
        )
        if large and isinstance(x, PLAIN) and isinstance(y, PLAIN):
            return _on_large(ufunc, x, y, out)
        return ufunc(x, y) if out is None else ufunc(x, y, out)

    return operation


add, subtract, multiply, divide = map(quick, (np.add, np.subtract, np.multiply, np.true_divide))


def _on_large(ufunc: np.ufunc, x: Array, y: Array, out: Array | None) -> Array:
    shape = np.broadcast(x, y).shape
    x, y = _once(x), _once(y)
    if out is None and np.broadcast(x, y).shape != shape:
        return np.broadcast_to(ufunc(x, y), shape)  # what both repeat is computed once

    large, small = (x, y) if np.size(x) > np.size(y) else (y, x)
    if np.size(small) == 1 or large.shape != shape or large.dtype != small.dtype:
        return ufunc(x, y, out)
    out = np.empty(shape, large.dtype) if out is None else out
    small = small[(None,) * (large.ndim - small.ndim)]
    axes = next(i for i, n in enumerate(small.shape) if n > 1)  # those before are repeated
    repeats = math.prod(shape[:axes])
    if repeats < 4 or not (large.flags.c_contiguous and out.flags.c_contiguous):
        return ufunc(x, y, out)

    length = large.size // repeats
    times = min(repeats, math.ceil(ROW / length))
    row = np.empty((times, *shape[axes:]), large.dtype)
    row[:] = small.reshape(small.shape[axes:])
    rest = repeats % times
    x_is_large = large is x
    large, result = large.reshape(repeats, length), out.reshape(repeats, length)
    for part, n in (slice(0, repeats - rest), times), (slice(repeats - rest, repeats), 1):
        few = row[:n].reshape(-1)
        many, into = (a[part].reshape(-1, few.size) for a in (large, result))
        ufunc(*((many, few) if x_is_large else (few, many)), into)
    return out


def _once(x: Array) -> Array:
    """See what an array repeats (with a stride of 0) only once."""
    if type(x) is not np.ndarray or 0 not in x.strides:
        return x
    return x[tuple([slice(1) if stride == 0 else slice(None) for stride in x.strides])]
