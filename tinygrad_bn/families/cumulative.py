"""More rows of the table: running sums and products, and the product of all values.

No rule divides by a value, so zeros need no care. A product of all values but one is the product of
those before it times the product of those after it. The derivative of a running product is a linear
recurrence, whose own derivative is one too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import normalized_axes
from ..primitives import _expand as spread
from ..table import Array, Primitive, primitive
from .arguments import of_dtype, part, without

# fmt: off

flip: Primitive = primitive(
    "flip", lambda x, axis: np.flip(x, axis), numpy=(np.flip,), analytic=True,
    shape=lambda x, axis: x,
    vjps=(lambda g, out, x, axis: flip(g, axis=axis),),
    math=("a in reverse", r"\operatorname{flip} a"),
    rules=(("g in reverse", r"\operatorname{flip} g"),),
    example=("np.flip(tg.Tensor([1.0, 2.0, 3.0]))", "Tensor([3., 2., 1.])"),
)


def _shifted(x: Array, axis: int, fill: Callable[[Array], Array], forward: bool = True) -> Array:
    """Move values one place along an axis, forward or back; `fill` makes what comes in."""
    if forward:
        return np.concatenate([fill(part(x, axis, None, 1)), part(x, axis, None, -1)], axis)
    return np.concatenate([part(x, axis, 1, None), fill(part(x, axis, None, 1))], axis)


def _recur(a: Array, b: Array, axis: int) -> Array:
    out = np.empty(b.shape, np.result_type(a, b))
    factors, terms, results = (np.moveaxis(array, axis, 0) for array in (a, b, out))
    for i in range(len(terms)):
        results[i] = terms[i] + factors[i] * results[i - 1] if i else terms[i]
    return out


def _recurrence_b(g: Array, out: Array, a: Array, b: Array, axis: int) -> Array:
    """Run it backwards: what reaches b_i is g_i, and a_(i+1) times what reaches b_(i+1)."""
    factors = _shifted(a, axis, np.zeros_like, forward=False)
    back = recurrence(flip(factors, axis=(axis,)), flip(g, axis=(axis,)), axis=axis)
    return flip(back, axis=(axis,))


recurrence: Primitive = primitive(
    "recurrence", _recur, analytic=True, shape=lambda a, b, axis: b,
    vjps=(lambda g, out, a, b, axis:
          _recurrence_b(g, out, a, b, axis) * _shifted(out, axis, np.zeros_like),
          _recurrence_b),
    math=("r_i = b_i + a_i r_(i-1)", r"r_i=b_i+a_i\,r_{i-1}"),
    rules=(("s_i r_(i-1), s_i = g_i + a_(i+1) s_(i+1)", r"s_i\,r_{i-1},\ s_i=g_i+a_{i+1}s_{i+1}"),
           ("s_i = g_i + a_(i+1) s_(i+1)", r"s_i=g_i+a_{i+1}\,s_{i+1}")),
    example=("recurrence(tg.Tensor([0.0, 2.0, 3.0]), tg.Tensor([1.0, 1.0, 1.0]), axis=0)",
             "Tensor([ 1.,  3., 10.])"),
)


def _cumsum(x: Array, axis: int) -> Array:
    """Sum in float64, as `sum` does."""
    if x.dtype.kind != "f":
        return np.add.accumulate(x, axis)
    return np.add.accumulate(x, axis, np.float64).astype(x.dtype)


cumsum: Primitive = primitive(
    "cumsum", _cumsum, numpy=(np.cumsum,), analytic=True, shape=lambda x, axis: x,
    vjps=(lambda g, out, x, axis: flip(cumsum(flip(g, axis=(axis,)), axis=axis), axis=(axis,)),),
    math=("the sums of a up to each place", r"\sum_{j\le i} a_j"),
    rules=(("the sums of g from each place on", r"\sum_{j\ge i} g_j"),),
    example=("np.cumsum(tg.Tensor([1.0, 2.0, 3.0]))", "Tensor([1., 3., 6.])"),
)


def _cumprod_x(g: Array, out: Array, x: Array, axis: int) -> Array:
    return _recurrence_b(g, out, x, g, axis) * _shifted(out, axis, np.ones_like)


cumprod: Primitive = primitive(
    "cumprod", lambda x, axis: np.multiply.accumulate(x, axis), numpy=(np.cumprod,), analytic=True,
    shape=lambda x, axis: x, vjps=(_cumprod_x,),
    math=("the products of a up to each place", r"\prod_{j\le i} a_j"),
    rules=(("p_(i-1) s_i, s_i = g_i + a_(i+1) s_(i+1)", r"p_{i-1}\,s_i,\ s_i=g_i+a_{i+1}s_{i+1}"),),
    example=("np.cumprod(tg.Tensor([1.0, 2.0, 3.0]))", "Tensor([1., 2., 6.])"),
)


def _others(x: Array, axis: tuple[int, ...]) -> Array:
    """For each value, multiply all others along the axes."""
    if not axis:
        return np.ones_like(x)
    kept = tuple([i for i in range(x.ndim) if i not in axis])
    order = kept + axis
    moved = np.transpose(x, order)
    last = len(kept)
    row = np.reshape(moved, (*moved.shape[:last], math.prod(moved.shape[last:])))
    before = cumprod(_shifted(row, last, np.ones_like), axis=last)
    back = _shifted(flip(row, axis=(last,)), last, np.ones_like)
    after = flip(cumprod(back, axis=last), axis=(last,))
    others = np.reshape(before * after, moved.shape)
    return np.transpose(others, tuple([order.index(i) for i in range(x.ndim)]))


prod = primitive(
    "prod", lambda x, axis, keepdims: np.multiply.reduce(x, axis=axis, keepdims=keepdims),
    numpy=(np.prod,), reduces=True, analytic=True,
    vjps=(lambda g, out, x, axis, keepdims: spread(g, x, axis, keepdims) * _others(x, axis),),
    math=("Π a", r"\prod a"), rules=(("g times the other a", r"g\prod_{j\ne i} a_j"),),
    example=("np.prod(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)", "Tensor([3., 8.])"),
)

# fmt: on


def _running(primitive: Primitive) -> Callable[..., Array]:
    def running(a: Array, axis: Any = None, dtype: Any = None, out: Any = None) -> Array:
        without(f"np.{primitive}", out=out)
        a = of_dtype(a, dtype)
        if axis is None:
            a, axis = np.reshape(a, (-1,)), 0
        return primitive(a, axis=normalized_axes(axis, a.ndim, primitive.name)[0])

    return running


def _cumulative(primitive: Primitive, first: Callable[..., Array]) -> Callable[..., Array]:
    """Answer the function of the array API standard, which may start with the empty sum."""

    def cumulative(
        x: Array, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
        include_initial: bool = False,
    ) -> Array:  # fmt: skip
        if axis is None and x.ndim != 1:
            raise ValueError(f"cumulative {primitive}: name an axis of the shape {x.shape}")
        (axis,) = normalized_axes(0 if axis is None else axis, x.ndim, primitive.name)
        result = _running(primitive)(x, axis, dtype, out)
        if not include_initial:
            return result
        shape = [1 if i == axis else n for i, n in enumerate(x.shape)]
        return np.concatenate([first(result, shape=tuple(shape)), result], axis)

    return cumulative


ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.cumsum: _running(cumsum),
    np.cumprod: _running(cumprod),
    np.cumulative_sum: _cumulative(cumsum, np.zeros_like),
    np.cumulative_prod: _cumulative(cumprod, np.ones_like),
}
