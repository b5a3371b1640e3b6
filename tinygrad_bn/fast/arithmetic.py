"""Addition, subtraction, multiplication and division of a large array by a small one.

NumPy begins an inner loop anew for each repetition of the small operand, and on short rows that
costs as much as the arithmetic. Here the small one is copied until it fills a row of 8,192 values,
and the large one is seen as rows of that length. The numbers are those of NumPy, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..table import Array
from .allocator import keep_freed_memory

LARGE = 2**17  # values; with fewer, NumPy's own way is as quick
ROW = 8192  # values that NumPy takes in one go: np.getbufsize()
PLAIN = (np.ndarray, int, float)
FLOATS = (np.float16, np.float32, np.float64)


class Rows(NamedTuple):
    """How a large array is seen as rows, and how a small one fills one of them."""

    repeats: int  # of the small one, along the first axes of the large one
    once: tuple[int, ...]  # the other axes
    times: int  # that a row takes


def _quick(ufunc: np.ufunc) -> Callable[..., Array]:
    """Make a ufunc of two operands quick for large arrays."""

    def operation(x: Array, y: Array, out: Array | None = None) -> Array:
        large = (type(x) is np.ndarray and x.size >= LARGE) or (
            type(y) is np.ndarray and y.size >= LARGE
        )
        if large and isinstance(x, PLAIN) and isinstance(y, PLAIN):
            keep_freed_memory()
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
    if rows is None or large.shape != shape or not large.dtype == small.dtype in FLOATS:
        return ufunc(x, y, out)
    if not (large.flags.c_contiguous and (out is None or out.flags.c_contiguous)):
        return ufunc(x, y, out)
    if out is None:
        out = np.empty(shape, large.dtype)

    def compute(many: Array, few: Array, into: Array) -> None:
        many, few, into = many.reshape(-1, few.size), few.reshape(-1), into.reshape(-1, few.size)
        ufunc(many, few, into) if large is x else ufunc(few, many, into)

    row = np.empty((rows.times, *rows.once), large.dtype)
    row[:] = small
    many, into = large.reshape(rows.repeats, -1), out.reshape(rows.repeats, -1)
    rest = rows.repeats % rows.times  # repetitions that do not fill a row
    whole = rows.repeats - rest
    compute(many[:whole], row, into[:whole])
    if rest:
        compute(many[whole:], row[0], into[whole:])
    return out


@lru_cache
def _rows(shape: tuple[int, ...], small: tuple[int, ...]) -> Rows | None:
    """Find the rows; None if there are too few repetitions, or values, to gain anything."""
    added = len(shape) - len(small)
    axes = next((i + added for i, n in enumerate(small) if n > 1), len(shape))
    repeats, once = math.prod(shape[:axes]), shape[axes:]
    length = math.prod(once)
    return Rows(repeats, once, math.ceil(ROW / length)) if repeats >= 4 and length > 1 else None


def repeated(x: Array, shape: tuple[int, ...]) -> Array:
    """Repeat along axes of length 1, as np.broadcast_to does, but in a fifth of the time."""
    if not (type(x) is np.ndarray and x.flags.c_contiguous and x.ndim == len(shape)):
        return np.broadcast_to(x, shape)
    if not all([n in (1, m) for n, m in zip(x.shape, shape, strict=True)]):
        return np.broadcast_to(x, shape)  # which says what is wrong
    strides = [0 if n == 1 else stride for n, stride in zip(x.shape, x.strides, strict=True)]
    view: Array = np.ndarray(shape, x.dtype, x, 0, strides)
    view.setflags(write=False)
    return view


def _once(x: Array) -> Array:
    """Return an array with what it repeats (with a stride of 0) only once."""
    if not _is_repeated(x):
        return x
    return x[tuple([slice(1) if stride == 0 else slice(None) for stride in x.strides])]


def _is_repeated(x: Array) -> bool:
    return type(x) is np.ndarray and 0 in x.strides
