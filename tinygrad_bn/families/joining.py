"""Functions that join arrays and cut them apart, composed of concatenate, stack and slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import shapes
from ..arrays import normalized_axes
from ..table import Array
from .arguments import of_dtype, part, plain, refuse, without


def _concatenate(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Array:
    without("np.concatenate", out=out)
    if axis is None:
        arrays, axis = [np.ravel(x) for x in arrays], 0
    joined = shapes.concatenate(*arrays, axis=_one_axis("concatenate", axis, np.ndim(arrays[0])))
    return of_dtype(joined, dtype)


def _stack(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Array:
    without("np.stack", out=out)
    axis = _one_axis("stack", axis, np.ndim(arrays[0]) + 1)
    return of_dtype(shapes.stack(*arrays, axis=axis), dtype)


def _one_axis(name: str, axis: Any, ndim: int) -> int:
    if not hasattr(axis, "__index__"):
        refuse(f"np.{name} with axis={axis}", "give one axis, an integer")
    return normalized_axes(axis, ndim, name)[0]


def _stacked(prepare: Callable[[Array], Array], axis: Callable[[Array], int]) -> Callable[..., Any]:
    """Answer np.vstack and the like: prepare each array, and join them along an axis."""

    def stacked(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Array:
        arrays = [prepare(x) for x in tup]
        return _concatenate(arrays, axis(arrays[0]), dtype=dtype)

    return stacked


def _as_columns(x: Array) -> Array:
    return x if np.ndim(x) > 1 else np.reshape(x, (-1, 1))


# --- cutting apart --------------------------------------------------------------------------


def _array_split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    (axis,) = normalized_axes(axis, ary.ndim, "split")
    if np.ndim(indices_or_sections):
        cuts = [*plain(indices_or_sections)]
    else:
        count = int(indices_or_sections)
        if count <= 0:
            raise ValueError(f"split: the number of parts is {count}; it is at least 1")
        length, longer = ary.shape[axis] // count, ary.shape[axis] % count
        cuts = [i * length + min(i, longer) for i in range(1, count)]
    ends = zip([0, *cuts], [*cuts, None], strict=True)
    return [part(ary, axis, start, stop) for start, stop in ends]


def _split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    (axis,) = normalized_axes(axis, ary.ndim, "split")
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % indices_or_sections != 0:
        raise ValueError(
            f"split: axis {axis} of the shape {ary.shape} has no {indices_or_sections} equal "
            "parts: use np.array_split"
        )
    return _array_split(ary, indices_or_sections, axis)


def _split_along(axis: int, least: int) -> Callable[..., list[Array]]:
    def split(ary: Array, indices_or_sections: Any) -> list[Array]:
        if ary.ndim < least:
            raise ValueError(f"split: {least} axes are needed, but the shape is {ary.shape}")
        return _split(ary, indices_or_sections, axis)

    return split


def _hsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    return _split(ary, indices_or_sections, min(ary.ndim - 1, 1))


def _unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    return tuple(np.moveaxis(x, axis, 0))


ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.vstack: _stacked(np.atleast_2d, lambda first: 0),
    np.hstack: _stacked(np.atleast_1d, lambda first: min(np.ndim(first) - 1, 1)),
    np.dstack: _stacked(np.atleast_3d, lambda first: 2),
    np.column_stack: _stacked(_as_columns, lambda first: 1),
    np.append: lambda arr, values, axis=None: _concatenate([arr, values], axis),
    np.split: _split,
    np.array_split: _array_split,
    np.vsplit: _split_along(0, 2),
    np.hsplit: _hsplit,
    np.dsplit: _split_along(2, 3),
    np.unstack: _unstack,
}
