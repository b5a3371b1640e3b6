"""Functions that change a shape or repeat values, composed of reshape and broadcast_to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import normalized_axes
from ..sizes import Size
from ..table import Array
from .arguments import along, of_dtype, plain, refuse


def _in_order(function: str, order: Any) -> bool:
    """Return whether axes are read from the last to the first (Fortran's order)."""
    if order not in ("C", "F"):
        refuse(f"np.{function} with order={order!r}", "a Tensor has no order in memory: 'C' or 'F'")
    return bool(order == "F")


def _reshape(a: Array, /, shape: Any, order: str = "C", *, copy: Any = None) -> Array:
    if not _in_order("reshape", order):
        return a.reshape(shape)
    lengths = tuple(shape) if np.ndim(shape) else (shape,)
    return a.transpose().reshape(lengths[::-1]).transpose()


def _ravel(a: Array, order: str = "C") -> Array:
    return (a.transpose() if _in_order("ravel", order) else a).reshape(-1)


def _expand_dims(a: Array, axis: Any) -> Array:
    axes = normalized_axes(axis, a.ndim + np.size(axis), "expand_dims")
    sizes = iter(a.shape)
    return np.reshape(a, tuple(1 if i in axes else next(sizes) for i in range(a.ndim + len(axes))))


def _squeeze(a: Array, axis: Any = None) -> Array:
    axes = normalized_axes(axis, a.ndim, "squeeze")
    if axis is not None and any(a.shape[i] != 1 for i in axes):
        raise ValueError(f"squeeze: an axis of {axis} is longer than 1 in the shape {a.shape}")
    return np.reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in axes or n != 1))


def _moveaxis(a: Array, source: Any, destination: Any) -> Array:
    start = normalized_axes(source, a.ndim, "moveaxis")
    goal = normalized_axes(destination, a.ndim, "moveaxis")
    if len(start) != len(goal):
        raise ValueError(f"moveaxis: {source} and {destination} are not equally many axes")
    order = [i for i in range(a.ndim) if i not in start]
    for to, where_from in sorted(zip(goal, start, strict=True)):
        order.insert(to, where_from)
    return np.transpose(a, tuple(order))


def _swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    i, j = (normalized_axes(axis, a.ndim, "swapaxes")[0] for axis in (axis1, axis2))
    order = list(range(a.ndim))
    order[i], order[j] = j, i
    return np.transpose(a, tuple(order))


def _rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    (axis,) = normalized_axes(axis, a.ndim, "rollaxis")
    (start,) = normalized_axes(start, a.ndim + 1, "rollaxis")
    return _moveaxis(a, axis, start - 1 if axis < start else start)


def _matrix_transpose(x: Array, /) -> Array:
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: a matrix has two axes, but the shape is {x.shape}")
    return _swapaxes(x, -1, -2)


def _at_least(axes: int, added: Callable[[int], tuple[int, ...]]) -> Callable[..., Any]:
    """Answer np.atleast_1d and so on; `added` lists the axes that an array of n axes lacks."""

    def at_least(*arrays: Array) -> Any:
        grown = [x if (n := np.ndim(x)) >= axes else np.expand_dims(x, added(n)) for x in arrays]
        return grown[0] if len(grown) == 1 else tuple(grown)

    return at_least


# --- repeating ------------------------------------------------------------------------------


def _tile(A: Array, reps: Any) -> Array:  # noqa: N803 (NumPy's name)
    reps = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    ndim = max(A.ndim, len(reps))
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - A.ndim) + A.shape
    apart = np.reshape(A, tuple(n for size in shape for n in (1, size)))
    spread = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    copies = np.broadcast_to(apart, spread)
    return np.reshape(copies, tuple(r * n for r, n in zip(reps, shape, strict=True)))


def _repeat(a: Array, repeats: Any, axis: Any = None) -> Array:
    if axis is None or a.ndim == 0:
        a, axis = np.reshape(a, (-1,)), 0
    (axis,) = normalized_axes(axis, a.ndim, "repeat")
    if isinstance(repeats, int | Size):
        before, length, after = a.shape[:axis], a.shape[axis], a.shape[axis + 1 :]
        apart = np.reshape(a, (*before, length, 1, *after))
        spread: Any = (*before, length, repeats, *after)
        copies = np.broadcast_to(apart, spread)
        return np.reshape(copies, (*before, length * repeats, *after))
    return a[along(axis, np.repeat(np.arange(a.shape[axis]), plain(repeats)))]


def _broadcast_arrays(*args: Array) -> tuple[Array, ...]:
    whole: Any = 0.0
    for x in args:
        whole = whole + np.zeros_like(x)
    return tuple([np.broadcast_to(x, np.shape(whole)) for x in args])


def _meshgrid(*xi: Array, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    ndim = len(xi)
    grids = []
    for i, x in enumerate(xi):
        axis = 1 - i if indexing == "xy" and i < 2 <= ndim else i
        grids.append(np.reshape(x, (1,) * axis + (-1,) + (1,) * (ndim - axis - 1)))
    return tuple(grids) if sparse else _broadcast_arrays(*grids)


def _linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    count = num - 1 if endpoint else num
    if num < 0:
        raise ValueError(f"linspace: the number of values is {num}; it is at least 0")
    step = (stop - start) / count if count else stop - start + np.nan
    ramp = np.reshape(np.arange(num).astype(step.dtype), (-1,) + (1,) * np.ndim(step))
    values = ramp * step + start if count else np.broadcast_to(start, (num, *np.shape(step)))
    if endpoint and num > 1:  # the last value is `stop` itself
        values = np.concatenate([values[:-1], np.expand_dims(stop + 0.0 * step, 0)])
    values = of_dtype(np.moveaxis(values, 0, axis), dtype)
    return (values, step) if retstep else values


ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.reshape: _reshape,
    np.ravel: _ravel,
    np.transpose: lambda a, axes=None: a.transpose(axes),
    np.matrix_transpose: _matrix_transpose,
    np.linalg.matrix_transpose: _matrix_transpose,
    np.broadcast_to: lambda array, shape: array.broadcast_to(shape),
    np.broadcast_arrays: _broadcast_arrays,
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.moveaxis: _moveaxis,
    np.swapaxes: _swapaxes,
    np.rollaxis: _rollaxis,
    np.atleast_1d: _at_least(1, lambda n: (0,)),
    np.atleast_2d: _at_least(2, lambda n: (0, 1)[: 2 - n]),
    np.atleast_3d: _at_least(3, lambda n: ((0, 1, 2), (0, 2), (2,))[n]),
    np.tile: _tile,
    np.repeat: _repeat,
    np.meshgrid: _meshgrid,
    np.linspace: _linspace,
    np.copy: lambda a: a,  # a Tensor never changes, so it is its own copy
    np.astype: lambda x, dtype, /, *, copy=True: of_dtype(x, dtype),
}
