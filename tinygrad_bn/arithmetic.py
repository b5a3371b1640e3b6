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
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

Array = Any  # an ndarray, a plain number, or a Tensor that stands in for one

LARGE = 2**17  # values; with fewer, NumPy's own way is as quick
ROW = 8192  # values that NumPy takes in one go: np.getbufsize()
PLAIN = (np.ndarray, int, float)


class Rows(NamedTuple):
    """How a large array is seen as rows, and how a small one fills one of them."""

    repeats: int  # of the small one, along the first axes of the large one
    once: tuple[int, ...]  # the other axes
    times: int  # that a row takes


def _quick(ufunc: np.ufunc) -> Callable[..., Array]:
    """Make a ufunc of two operands quick for large arrays. A Tensor is left to NumPy's protocol."""

    def operation(x: Array, y: Array, out: Array | None = None) -> Array:
        large = (type(x) is np.ndarray and x.size >= LARGE) or (
            type(y) is np.ndarray and y.size >= LARGE
        )
        if large and isinstance(x, PLAIN) and isinstance(y, PLAIN):
            return _on_large(ufunc, x, y, out)
        return ufunc(x, y) if out is None else ufunc(x, y, out)

    return operation


add, subtract, multiply, divide = map(_quick, (np.add, np.subtract, np.multiply, np.true_divide))


def _on_large(ufunc: np.ufunc, x: Array, y: Array, out: Array | None) -> Array:
    shape = np.broadcast(x, y).shape
    x, y = _once(x), _once(y)
    x_shape, y_shape = np.shape(x), np.shape(y)
    if out is None and x_shape != shape != y_shape and np.broadcast(x, y).shape != shape:
        return repeated(ufunc(x, y), shape)  # what both repeat is computed once

    large, small = (x, y) if x_shape == shape else (y, x)
    rows = _rows(shape, y_shape if large is x else x_shape)
    if rows is None or large.shape != shape or large.dtype != small.dtype:
        return ufunc(x, y, out)
    if out is None:
        out = np.empty(shape, large.dtype)
    if not (large.flags.c_contiguous and out.flags.c_contiguous):
        return ufunc(x, y, out)

    row = np.empty((rows.times, *rows.once), large.dtype)
    row[:] = small
    many, into = large.reshape(rows.repeats, -1), out.reshape(rows.repeats, -1)
    rest = rows.repeats % rows.times  # repetitions that do not fill a row
    full = rows.repeats - rest
    for part, few in ((slice(full), row), (slice(full, None), row[:1]))[: 2 if rest else 1]:
        pair = many[part].reshape(-1, few.size), few.reshape(-1)
        ufunc(*(pair if large is x else pair[::-1]), into[part].reshape(-1, few.size))
    return out


@lru_cache
def _rows(shape: tuple[int, ...], small: tuple[int, ...]) -> Rows | None:
    """Find the rows; None if there are too few repetitions to gain anything."""
    added = len(shape) - len(small)
    axes = next((i + added for i, n in enumerate(small) if n > 1), len(shape))
    repeats, once = math.prod(shape[:axes]), shape[axes:]
    if repeats < 4 or not once:
        return None
    return Rows(repeats, once, min(repeats, math.ceil(ROW / math.prod(once))))


def repeated(x: Array, shape: tuple[int, ...]) -> Array:
    """Repeat along axes of length 1, as np.broadcast_to does, but in a fifth of the time."""
    if not (type(x) is np.ndarray and x.flags.c_contiguous and x.ndim == len(shape)):
        return np.broadcast_to(x, shape)
    strides = [0 if n == 1 else stride for n, stride in zip(x.shape, x.strides, strict=True)]
    return np.ndarray(shape, x.dtype, x, 0, strides)


def _once(x: Array) -> Array:
    """See what an array repeats (with a stride of 0) only once."""
    if type(x) is not np.ndarray or 0 not in x.strides:
        return x
    return x[tuple([slice(1) if stride == 0 else slice(None) for stride in x.strides])]
