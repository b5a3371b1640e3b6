"""Reductions: sums and means of a part (``where=``), of what is not NaN; products, norms.

All but the Euclidean norm are composed of rows that are there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import normalized_axes
from ..primitives import _expand as spread
from ..table import Array, primitive
from .arguments import of_dtype, refuse, without
from .cumulative import prod

# fmt: off


def _euclidean(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    wide = x.astype(np.float64) if x.dtype.kind == "f" else x  # float32 squares overflow soon
    return np.sqrt(np.sum(wide * wide, axis=axis, keepdims=keepdims)).astype(x.dtype)


def _euclidean_x(g: Array, out: Array, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    share = np.where(out == 0, 0.0, g) / np.where(out == 0, 1.0, out)
    return spread(share, x, axis, keepdims) * x


norm = primitive(
    "norm", _euclidean, numpy=(np.linalg.norm,), reduces=True, analytic=True,
    vjps=(_euclidean_x,),
    math=("√(Σ a^2)", r"\sqrt{\sum a^2}"),
    rules=(("g a / norm a, 0 where it is 0", r"\frac{g\,a}{\lVert a\rVert}"),),
    example=("np.linalg.norm(tg.Tensor([3.0, 4.0]))", "Tensor(5.)"),
)

# fmt: on

SUMS = {"sum": 0.0, "prod": 1.0}
EXTREMES = {"max": np.maximum, "min": np.minimum}


def _chosen(a: Array, where: Any, otherwise: float) -> Array:
    """Replace the values that do not count."""
    return a if where is None or where is True else np.where(where, a, otherwise)


def _sum(name: str) -> Callable[..., Array]:
    """Answer np.sum or np.prod."""
    join = np.add if name == "sum" else np.multiply

    def sum_or_product(
        a: Array, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
        initial: Any = None, where: Any = None,
    ) -> Array:  # fmt: skip
        without(f"np.{name}", out=out)
        a = _chosen(of_dtype(a, dtype), where, SUMS[name])
        if name == "sum":
            total = a.sum(axis=axis, keepdims=keepdims)
        else:
            total = prod(a, axis=normalized_axes(axis, a.ndim, name), keepdims=bool(keepdims))
        return total if initial is None else join(total, initial)

    return sum_or_product


def _extreme(name: str) -> Callable[..., Array]:
    join = EXTREMES[name]

    def extreme(
        a: Array, axis: Any = None, out: Any = None, keepdims: bool = False,
        initial: Any = None, where: Any = None,
    ) -> Array:  # fmt: skip
        without(f"np.{name}", out=out)
        if where is not None and where is not True:
            if initial is None:
                raise ValueError(f"np.{name} with where= needs initial=, for what is empty")
            a = np.where(where, a, initial)
        axes = normalized_axes(axis, a.ndim, name)
        if initial is not None and any([a.shape[i] == 0 for i in axes]):
            return a.sum(axis=axes, keepdims=keepdims) + initial
        result = getattr(a, name)(axis=axes, keepdims=keepdims)
        return result if initial is None else join(result, initial)

    return extreme


def _ptp(a: Array, axis: Any = None, out: Any = None, keepdims: bool = False) -> Array:
    without("np.ptp", out=out)
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


def _counted(a: Array, axis: Any, keepdims: bool, where: Any) -> Array:
    """Count the values that take part, as a number of the dtype of a."""
    return np.sum(_chosen(np.ones_like(a), where, 0.0), axis=axis, keepdims=keepdims)


def _mean(
    a: Array, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False,
    *, where: Any = None,
) -> Array:  # fmt: skip
    without("np.mean", out=out)
    if where is None or where is True:
        return of_dtype(a, dtype).mean(axis=axis, keepdims=keepdims)
    a = of_dtype(a, dtype)
    total = np.sum(_chosen(a, where, 0.0), axis=axis, keepdims=keepdims)
    return total / _counted(a, axis, keepdims, where)


def _var(
    a: Array, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0,
    keepdims: bool = False, *, where: Any = None, mean: Any = None, correction: Any = None,
) -> Array:  # fmt: skip
    without("np.var", out=out)
    a = of_dtype(a, dtype)
    ddof = ddof if correction is None else correction
    if mean is None and (where is None or where is True):
        return a.var(axis=axis, ddof=ddof, keepdims=keepdims)
    a = _chosen(a, where, 0.0)  # what does not count may be NaN, whose square is NaN
    middle = _mean(a, axis, keepdims=True, where=where) if mean is None else mean
    squares = _chosen(np.square(a - middle), where, 0.0)
    count = _counted(a, axis, keepdims, where)
    return np.sum(squares, axis=axis, keepdims=keepdims) / (count - ddof)


def _std(
    a: Array, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0,
    keepdims: bool = False, *, where: Any = None, mean: Any = None, correction: Any = None,
) -> Array:  # fmt: skip
    without("np.std", out=out)
    if mean is None and (where is None or where is True):
        ddof = ddof if correction is None else correction
        return of_dtype(a, dtype).std(axis=axis, ddof=ddof, keepdims=keepdims)
    return np.sqrt(
        _var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    )


def _without_nan(function: Callable[..., Any], otherwise: float) -> Callable[..., Array]:
    """Compute with another value, which changes nothing, in place of each NaN."""

    def nan_function(a: Array, axis: Any = None, **kwargs: Any) -> Array:
        return function(np.where(np.isnan(a), otherwise, a), axis=axis, **kwargs)

    return nan_function


def _nan_extreme(name: str) -> Callable[..., Array]:
    sign = -1.0 if name == "max" else 1.0

    def nan_extreme(a: Array, axis: Any = None, **kwargs: Any) -> Array:
        without(f"np.nan{name}", out=kwargs.pop("out", None))
        known = getattr(np, name)(np.where(np.isnan(a), sign * np.inf, a), axis=axis, **kwargs)
        kept = bool(kwargs.get("keepdims", False))
        return np.where(np.all(np.isnan(a), axis=axis, keepdims=kept), np.nan, known)

    return nan_extreme


def _of_known(function: Callable[..., Any]) -> Callable[..., Array]:
    """Compute with ``where=`` there is a number."""

    def nan_function(a: Array, *args: Any, **kwargs: Any) -> Array:
        if "where" in kwargs:
            refuse("np.nanmean, nanvar or nanstd with where=", "put NaN where it is false")
        return function(a, *args, **kwargs, where=np.logical_not(np.isnan(a)))

    return nan_function


# --- norms ----------------------------------------------------------------------------------


def _vector_norm(x: Array, axis: Any, keepdims: bool, order: Any) -> Array:
    axes = normalized_axes(axis, x.ndim, "norm")
    where: dict[str, Any] = {"axis": axes, "keepdims": bool(keepdims)}
    if order is None or order == 2:
        return norm(x, **where)
    if order in (np.inf, -np.inf):
        return (np.max if order > 0 else np.min)(np.abs(x), **where)
    if order == 0:
        return np.sum(np.abs(np.sign(x)), **where)
    if order == 1:
        return np.sum(np.abs(x), **where)
    size = np.abs(x)
    if order > 1:  # the derivative of |a|^p is 0 at 0, and that of its p-th root is not there
        total = np.sum(size**order, **where)
        root = np.where(total == 0, 1.0, total) ** (1 / order)
        return np.where(total == 0, 0.0, root)
    return np.sum(size**order, **where) ** (1 / order)


def _matrix_norm(x: Array, axes: tuple[int, ...], keepdims: bool, order: Any) -> Array:
    if order in (None, "fro", "f"):
        return norm(x, axis=axes, keepdims=bool(keepdims))
    if order not in (1, -1, np.inf, -np.inf):
        refuse(f"np.linalg.norm of a matrix with ord={order!r}", "there is 'fro', 1, -1, inf, -inf")
    rows, columns = axes
    inner, outer = (rows, columns) if abs(order) == 1 else (columns, rows)
    sums = np.sum(np.abs(x), axis=inner, keepdims=True)
    extreme = (np.max if order > 0 else np.min)(sums, axis=outer, keepdims=True)
    return extreme if keepdims else np.squeeze(extreme, axis=axes)


def _norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    if axis is None and (ord is None or (ord in ("fro", "f") and x.ndim == 2)):
        return norm(x, axis=tuple(range(x.ndim)), keepdims=bool(keepdims))
    axes = normalized_axes(axis, x.ndim, "norm")
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ValueError(f"norm: the order {ord!r} is one of matrices, not of vectors")
        return _vector_norm(x, axes, keepdims, ord)
    if len(axes) != 2:
        raise ValueError(f"norm: {len(axes)} axes; with an order it takes one or two")
    return _matrix_norm(x, axes, keepdims, ord)


ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.sum: _sum("sum"),
    np.prod: _sum("prod"),
    np.mean: _mean,
    np.var: _var,
    np.std: _std,
    np.max: _extreme("max"),
    np.min: _extreme("min"),
    np.amax: _extreme("max"),
    np.amin: _extreme("min"),
    np.ptp: _ptp,
    np.nansum: _without_nan(np.sum, 0.0),
    np.nanprod: _without_nan(np.prod, 1.0),
    np.nancumsum: _without_nan(np.cumsum, 0.0),
    np.nancumprod: _without_nan(np.cumprod, 1.0),
    np.nanmean: _of_known(_mean),
    np.nanvar: _of_known(_var),
    np.nanstd: _of_known(_std),
    np.nanmax: _nan_extreme("max"),
    np.nanmin: _nan_extreme("min"),
    np.linalg.norm: _norm,
    np.linalg.vector_norm: lambda x, axis=None, keepdims=False, ord=2: _vector_norm(
        x, axis, keepdims, ord
    ),
    np.linalg.matrix_norm: lambda x, keepdims=False, ord="fro": _norm(
        x, ord, axis=(-2, -1), keepdims=keepdims
    ),
}
