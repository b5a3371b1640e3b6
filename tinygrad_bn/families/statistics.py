"""What is found by sorting (median, quantiles), weighted means, and finite differences.

To sort is to take values in the order that argsort tells, so the gradient of a value goes to the
place where it stood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import normalized_axes
from ..recording import refuse_in_trace
from ..shapes import take_along_axis
from ..table import Array
from .arguments import along, as_array, part, plain, refuse, without


def _sort(
    a: Array, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Array:
    without("np.sort", order=order)
    if axis is None:
        a, axis = np.reshape(a, (-1,)), 0
    (axis,) = normalized_axes(axis, a.ndim, "sort")
    return take_along_axis(a, np.argsort(a, axis=axis, kind="stable"), axis=axis)


def _partition(
    a: Array, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Array:
    without("np.partition", order=order)
    refuse_in_trace("np.partition chooses an order by the values", "use np.sort")
    if axis is None:
        a, axis = np.reshape(a, (-1,)), 0
    (axis,) = normalized_axes(axis, a.ndim, "partition")
    array = plain(a)
    chosen = np.partition(array, kth, axis)  # argpartition may choose another order
    places = np.empty(array.shape, int)
    np.put_along_axis(places, np.argsort(chosen, axis), np.argsort(array, axis), axis)
    return take_along_axis(a, places, axis=axis)


def _along_one_axis(a: Array, axis: Any, caller: str) -> tuple[Array, tuple[Any, ...]]:
    """Return the values of all given axes along the last, and the shape with ones there."""
    axes = normalized_axes(axis, a.ndim, caller)
    kept = tuple([i for i in range(a.ndim) if i not in axes])
    shape = tuple([1 if i in axes else n for i, n in enumerate(a.shape)])
    moved = np.transpose(a, kept + axes)
    return np.reshape(moved, (*moved.shape[: len(kept)], -1)), shape


def _median(
    a: Array, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    keepdims: bool = False,
) -> Array:  # fmt: skip
    without("np.median", out=out)
    row, shape = _along_one_axis(a, axis, "median")
    ordered = np.sort(row, axis=-1)
    n = row.shape[-1]
    middle = np.mean(ordered[..., (n - 1) // 2 : n // 2 + 1], axis=-1)
    last = ordered[..., -1]  # where NaN would be
    result = np.where(np.isnan(last), last, middle)
    return np.reshape(result, shape) if keepdims else result


def _quantile(scale: float) -> Callable[..., Array]:
    name = "quantile" if scale == 1 else "percentile"

    def quantile(
        a: Array, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
        method: str = "linear", keepdims: bool = False, *, weights: Any = None,
    ) -> Array:  # fmt: skip
        without(f"np.{name}", out=out, weights=weights)
        if method != "linear":
            refuse(f"np.{name} with method={method!r}", "the linear one is")
        given = np.asarray(plain(q))
        fractions = given.astype(np.float64) / scale
        if not isinstance(q, int | float):  # an array of float64 widens the result
            a = a.astype(np.result_type(a.dtype, np.true_divide(given, 1.0).dtype))
        if not ((fractions >= 0) & (fractions <= 1)).all():
            raise ValueError(f"{name}: q lies within 0 and {scale:g}")
        row, shape = _along_one_axis(a, axis, name)
        ordered = np.sort(row, axis=-1)
        last = row.shape[-1] - 1
        values = [_between(ordered, last, float(q)) for q in fractions.reshape(-1)]
        if keepdims:
            values = [np.reshape(value, shape) for value in values]
        return np.reshape(np.stack(values), fractions.shape + values[0].shape)

    return quantile


def _between(ordered: Array, last: Any, fraction: float) -> Array:
    """Interpolate between two neighbours, from the nearer one, as NumPy does."""
    place = fraction * int(last)
    below = int(place)
    low, high = ordered[..., below], ordered[..., min(below + 1, int(last))]
    t = place - below
    step = high - low
    value = low + step * t if t < 0.5 else high - step * (1 - t)
    return np.where(np.isnan(ordered[..., -1]), ordered[..., -1], value)


def _average(
    a: Array, axis: Any = None, weights: Any = None, returned: bool = False,
    *, keepdims: bool = False,
) -> Any:  # fmt: skip
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        if not returned:
            return mean
        count = np.size(a) // max(np.size(mean), 1)
        return mean, np.ones_like(mean) * count
    weights = np.asarray(weights) if isinstance(weights, list | tuple) else weights
    if np.shape(weights) != np.shape(a):
        axes = normalized_axes(axis, np.ndim(a), "average")
        lengths = tuple([np.shape(a)[i] for i in axes])
        if axis is None or np.shape(weights) != lengths:
            raise ValueError(
                f"average: weights of shape {np.shape(weights)} fit neither the array, of shape "
                f"{np.shape(a)}, nor its axes {axis}"
            )
        order = sorted(range(len(axes)), key=lambda i: axes[i])
        shape = [n if i in axes else 1 for i, n in enumerate(np.shape(a))]
        weights = np.reshape(np.transpose(weights, tuple(order)), tuple(shape))
    total = np.sum(weights * np.ones_like(a), axis=axis, keepdims=keepdims)
    mean = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (mean, total) if returned else mean


# --- finite differences and sums over them --------------------------------------------------


def _diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    if n < 0:
        raise ValueError(f"diff: the order is {n}; it is at least 0")
    if n == 0:
        return a
    (axis,) = normalized_axes(axis, np.ndim(a), "diff")
    ends = []
    for end in (prepend, append):
        if end is not None and np.ndim(end) == 0:
            shape = [1 if i == axis else m for i, m in enumerate(np.shape(a))]
            end = np.broadcast_to(end, tuple(shape))
        ends.append([] if end is None else [end])
    if ends != [[], []]:
        a = np.concatenate([*ends[0], a, *ends[1]], axis)
    for _ in range(n):
        a = part(a, axis, 1, None) - part(a, axis, None, -1)
    return a


def _ediff1d(ary: Array, to_end: Any = None, to_begin: Any = None) -> Array:
    steps = np.diff(np.ravel(ary))
    ends = [
        [] if end is None else [np.ravel(as_array(end)).astype(steps.dtype)]
        for end in (to_begin, to_end)
    ]
    return np.concatenate([*ends[0], steps, *ends[1]]) if ends != [[], []] else steps


def _gradient(f: Array, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    if edge_order != 1:
        refuse("np.gradient with edge_order=2", "leave that argument out")
    axes = normalized_axes(axis, f.ndim, "gradient")
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(steps) != len(axes) or any(np.ndim(step) for step in steps):
        refuse("np.gradient with uneven steps", "give one number, or one for each axis")
    slopes = [_slope(f, axis, step) for axis, step in zip(axes, steps, strict=True)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(f: Array, axis: int, step: Any) -> Array:
    if f.shape[axis] < 2:
        raise ValueError(f"gradient: axis {axis} of the shape {f.shape} needs two values at least")
    first = part(f, axis, 1, 2) - part(f, axis, 0, 1)
    middle = (part(f, axis, 2, None) - part(f, axis, None, -2)) / 2.0
    last = part(f, axis, -1, None) - part(f, axis, -2, -1)
    return np.concatenate([first, middle, last], axis) / step


def _trapezoid(y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    (axis,) = normalized_axes(axis, np.ndim(y), "trapezoid")
    step = dx
    if x is not None:
        step = np.diff(x, axis=-1 if np.ndim(x) == 1 else axis)
        if np.ndim(step) == 1:
            shape = [1] * np.ndim(y)
            shape[axis] = np.shape(step)[0]
            step = np.reshape(step, tuple(shape))
    y = as_array(y)
    pairs = y[along(axis, slice(1, None))] + y[along(axis, slice(None, -1))]
    return np.sum(step * pairs / 2.0, axis=axis)


ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.sort: _sort,
    np.partition: _partition,
    np.median: _median,
    np.quantile: _quantile(1.0),
    np.percentile: _quantile(100.0),
    np.average: _average,
    np.diff: _diff,
    np.ediff1d: _ediff1d,
    np.gradient: _gradient,
    np.trapezoid: _trapezoid,
}
