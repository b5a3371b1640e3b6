"""Hypothesis strategies for arrays and batch norm cases, with the edge cases of batch norm.

All values shrink to small integers in a C-contiguous layout, so that a failing case can be read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
from hypothesis.extra import numpy as hnp

from .functions import ComposedFunction, functions

__all__ = [
    "BatchNormCase", "ComposedFunction", "arrays", "axis_layouts", "batch_norm_cases", "batches",
    "broadcastable", "cotangents", "functions", "is_blind", "laid_out", "numbers", "seeing",
]  # fmt: skip

Array = npt.NDArray[Any]
Draw = st.DrawFn

KINDS = ("plain", "constant", "repeated", "nearly constant", "offset", "tiny", "huge")
LAYOUTS = ("C", "F", "strided", "reversed")


def numbers(dtype: npt.DTypeLike = np.float64) -> st.SearchStrategy[float]:
    """Draw a finite number of absolute value up to 10, which shrinks to an integer.

    >>> from hypothesis import find
    >>> find(numbers(), lambda number: number > 2.5)
    3.0
    """
    bits = np.dtype(dtype).itemsize * 8
    any_number = st.floats(-10, 10, width=bits, allow_subnormal=False)  # type: ignore[arg-type]
    return st.one_of(st.integers(-9, 9).map(float), any_number)


@st.composite
def arrays(
    draw: Draw,
    shape: tuple[int, ...],
    dtype: npt.DTypeLike = np.float64,
    layouts: Sequence[str] = LAYOUTS,
    elements: st.SearchStrategy[float] | None = None,
) -> Array:
    """Draw an array of `shape` in one of the memory `layouts`.

    `elements` draws its values (by default ``numbers``). The layouts are "C", "F" (columns first),
    "strided" (every second value of a longer array) and "reversed" (a view with negative strides).

    >>> from hypothesis import find
    >>> find(arrays((2, 2)), lambda x: x.sum() >= 3)
    array([[0., 0.],
           [0., 3.]])
    """
    # st.nothing() as `fill`: every element is drawn, otherwise most arrays would be constant.
    elements = numbers(dtype) if elements is None else elements
    values = draw(hnp.arrays(dtype, shape, elements=elements, fill=st.nothing()))
    return laid_out(values, draw(st.sampled_from(layouts)))


def laid_out(values: Array, layout: str) -> Array:
    """Return the same values in another memory layout (see ``arrays``)."""
    if layout == "F":
        return np.asfortranarray(values)
    if layout == "strided":
        return np.repeat(values, 2, axis=-1)[..., ::2]
    if layout == "reversed":
        return np.flip(np.flip(values).copy())
    return values


@st.composite
def batches(
    draw: Draw,
    shape: tuple[int, ...],
    axis: tuple[int, ...],
    dtype: npt.DTypeLike = np.float64,
    kinds: Sequence[str] = KINDS,
    layouts: Sequence[str] = LAYOUTS,
    elements: st.SearchStrategy[float] | None = None,
) -> Array:
    """Draw a mini-batch, of a kind that may be difficult to normalize.

    The kinds are "plain"; "constant", where all values of one feature are equal; "repeated", where
    all examples but the last are equal; "nearly constant", a variance of about eps; "offset", a
    mean of some hundred standard deviations or more; "tiny" and "huge", a scale of about 1/1000
    and 1000.
    """
    x: Array = draw(arrays(shape, dtype, ("C",), elements))
    sides = enumerate(shape)
    kind = draw(st.sampled_from(kinds))
    if kind == "constant" and x.size:
        places = (slice(None) if i in axis else draw(st.integers(0, n - 1)) for i, n in sides)
        x[tuple(places)] = draw(numbers(dtype) if elements is None else elements)
    elif kind == "repeated":
        x[:-1] = x[:1]
    elif kind == "nearly constant":
        x = 1 + x / 1024
    elif kind == "offset":
        x = x + 4096
    elif kind in ("tiny", "huge"):
        x = x * (1 / 1024 if kind == "tiny" else 1024)
    return laid_out(x.astype(dtype), draw(st.sampled_from(layouts)))


def is_blind(dy: Array, x: Array, axis: tuple[int, ...]) -> bool:
    """Return whether dx is nearly 0 for a cotangent, by correct and by many wrong formulas.

    For each feature, the backward pass of batch norm maps the span of 1 and x to 0 (but for eps).
    For a cotangent in this span, dx is 0 by the correct formula and by many wrong ones, so it
    cannot distinguish them. The result is True if, for some feature, the cotangent is nearly 0 or
    lies almost entirely in this span. If the features have only two values, the span is that of 1
    alone. If they have a single value, dx is 0 for every cotangent, and the result is False.
    """
    m = math.prod(x.shape[i] for i in axis)
    if m < 2:
        return False
    dy, x = np.asarray(dy, np.float64), np.asarray(x, np.float64)
    rest = dy - dy.mean(axis, keepdims=True)
    if m > 2:
        xc = x - x.mean(axis, keepdims=True)
        size = (xc**2).sum(axis, keepdims=True)
        rest = rest - xc * (rest * xc).sum(axis, keepdims=True) / np.where(size == 0, 1, size)
    seen, all_of_it = (rest**2).sum(axis), (dy**2).sum(axis)
    return bool(np.any(seen < 1e-2 * all_of_it) or np.any(all_of_it < 1e-2))


def cotangents(
    x: Array,
    axis: tuple[int, ...],
    layouts: Sequence[str] = LAYOUTS,
    elements: st.SearchStrategy[float] | None = None,
) -> st.SearchStrategy[Array]:
    """Draw an upstream gradient for the batch `x`, for which ``is_blind`` is false."""
    drawn = arrays(x.shape, x.dtype, ("C",), elements).map(lambda dy: seeing(dy, x, axis))
    return st.tuples(drawn, st.sampled_from(layouts)).map(lambda pair: laid_out(*pair))


def seeing(dy: Array, x: Array, axis: tuple[int, ...]) -> Array:
    """Replace the cotangent of each feature for which ``is_blind`` is true by a unit vector.

    The result of ``is_blind`` is false for this unit vector. Of the m > 2 unit vectors, at least
    one is far from the two-dimensional span of 1 and x. (Drawing the cotangent again until
    ``is_blind`` is false would hinder shrinking.)
    """
    kept = [i for i in range(x.ndim) if i not in axis]
    order = (*kept, *axis)
    m = math.prod(x.shape[i] for i in axis)
    columns, batch = (a.transpose(order).reshape(-1, m) for a in (dy.copy(), x))
    for i, (column, values) in enumerate(zip(columns, batch, strict=True)):
        if is_blind(column, values, (0,)):
            ones = reversed(np.eye(m, dtype=dy.dtype))
            columns[i] = next(one for one in ones if not is_blind(one, values, (0,)))
    shape = [x.shape[i] for i in order]
    return np.ascontiguousarray(columns.reshape(shape).transpose(np.argsort(order)))


@dataclass(frozen=True, eq=False)
class BatchNormCase:
    """The arguments of one batch norm, forward and backward. All arrays have one dtype."""

    x: Array
    gamma: Array
    beta: Array
    dy: Array
    axis: tuple[int, ...]
    eps: float

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the dtype of all its arrays."""
        dtype: np.dtype[Any] = self.x.dtype
        return dtype


@st.composite
def axis_layouts(
    draw: Draw, ndims: Sequence[int] = (2, 4, 1, 3), max_side: int = 4
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Draw a shape and the axes averaged over, including one row, one column and any axes."""
    ndim = draw(st.sampled_from(ndims))
    shape = draw(st.tuples(*[st.integers(1, max_side)] * ndim))
    usual = tuple(i for i in range(ndim) if i != 1 or ndim == 1)
    any_axes = st.sets(st.integers(0, ndim - 1), min_size=1).map(lambda s: tuple(sorted(s)))
    return shape, draw(st.one_of(st.just(usual), any_axes))


@st.composite
def batch_norm_cases(
    draw: Draw,
    layouts_of_axes: st.SearchStrategy[tuple[tuple[int, ...], tuple[int, ...]]] | None = None,
    dtypes: Sequence[npt.DTypeLike] = (np.float64, np.float32),
    eps: Sequence[float] = (1e-5, 1e-3, 1e-8),
    kinds: Sequence[str] = KINDS,
    layouts: Sequence[str] = LAYOUTS,
    elements: st.SearchStrategy[float] | None = None,
) -> BatchNormCase:
    """Draw x, gamma, beta, dy, axis and eps with shapes that fit each other.

    `layouts_of_axes` draws the shape of x and the axes averaged over (by default
    ``axis_layouts``). gamma and beta have one value per feature; no value of gamma is near 0.
    ``is_blind`` is false for dy. `elements` draws the values of x, beta and dy (by default
    ``numbers``).

    >>> from hypothesis import find
    >>> case = find(batch_norm_cases(), lambda case: case.x.size > 2 and case.x.std() > 0)
    >>> case.axis, bool(is_blind(case.dy, case.x, case.axis))
    ((0,), False)
    """
    dtype = draw(st.sampled_from(dtypes))
    shape, axis = draw(axis_layouts() if layouts_of_axes is None else layouts_of_axes)
    features = tuple(n for i, n in enumerate(shape) if i not in axis)
    x = draw(batches(shape, axis, dtype, kinds, layouts, elements))
    scales = st.sampled_from([1.0, 2.0, -1.0, 3.0, 0.5, -2.5])
    gamma = draw(hnp.arrays(dtype, features, elements=scales, fill=st.nothing()))
    beta = draw(arrays(features, dtype, ("C",), elements))
    dy = draw(cotangents(x, axis, layouts, elements))
    return BatchNormCase(x, gamma, beta, dy, axis, draw(st.sampled_from(eps)))


def broadcastable(
    count: int = 2, dtype: npt.DTypeLike = np.float64, max_ndim: int = 3
) -> st.SearchStrategy[tuple[Array, ...]]:
    """Draw `count` arrays whose shapes broadcast with each other.

    >>> from hypothesis import find
    >>> a, b = find(broadcastable(2), lambda pair: pair[0].shape != pair[1].shape)
    >>> sorted([a.shape, b.shape])
    [(), (1,)]
    """
    shapes = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=max_ndim, max_side=3)
    return shapes.flatmap(
        lambda drawn: st.tuples(*(arrays(shape, dtype) for shape in drawn.input_shapes))
    )
