"""More rows of the table: the primitives that move numbers about and compute nothing.

Their rules move the cotangent back. Nothing here is new if you have read primitives.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import OPERAND
from .table import Array, Primitive, primitive

# fmt: off

reshape = primitive(
    "reshape", lambda x, shape: np.reshape(x, shape), analytic=True,
    shape=lambda x, shape: shape,
    vjps=(lambda g, out, x, shape: np.reshape(g, x.shape),),
    math=("a, reshaped", r"\operatorname{reshape} a"),
    rules=(("g, reshaped back", r"\operatorname{reshape} g"),),
    example=("tg.reshape([1.0, 2.0, 3.0, 4.0], (2, 2))", "Tensor([[1., 2.],\n        [3., 4.]])"),
)
transpose = primitive(
    "transpose", lambda x, axes: np.transpose(x, axes), analytic=True,
    shape=lambda x, axes: [x[i] for i in axes],
    vjps=(lambda g, out, x, axes: np.transpose(g, tuple(np.argsort(axes))),),
    math=("a^T", "a^{T}"), rules=(("g^T", "g^{T}"),),
    example=("tg.transpose([[1.0, 2.0], [3.0, 4.0]])", "Tensor([[1., 3.],\n        [2., 4.]])"),
)
broadcast_to = primitive(
    "broadcast_to", lambda x, shape: np.broadcast_to(x, shape), analytic=True,
    elementwise=True, core=0, shape=lambda x, shape: shape,
    vjps=(lambda g, out, x, shape: g,),  # the reverse pass sums over what was broadcast
    math=("a, repeated", r"\operatorname{broadcast} a"),
    rules=(("g, summed over the repeats", r"\sum g"),),
    example=("tg.broadcast_to([1.0, 2.0], (2, 2))", "Tensor([[1., 2.],\n        [1., 2.]])"),
)


def _split(g: Array, out: Array, *xs: Array, axis: int) -> list[Array]:
    parts, stop = [], 0
    for x in xs:
        start, stop = stop, stop + x.shape[axis]
        parts.append(g[(slice(None),) * axis + (slice(start, stop),)])
    return parts


def _total_length(*xs: Sequence[Any], axis: int) -> list[Any]:
    return [*xs[0][:axis], sum(x[axis] for x in xs), *xs[0][axis + 1 :]]


concatenate = primitive(
    "concatenate", lambda *xs, axis: np.concatenate(xs, axis), vjps=(), pullback=_split,
    analytic=True, shape=_total_length,
    math=("the a joined", r"[a_1, a_2, \dots]"), rules=(("its part of g", "g_i"),),
    example=("tg.concatenate([[1.0, 2.0], [3.0]])", "Tensor([1., 2., 3.])"),
)
stack = primitive(
    "stack", lambda *xs, axis: np.stack(xs, axis), vjps=(), analytic=True,
    pullback=lambda g, out, *xs, axis: [g[(slice(None),) * axis + (i,)] for i in range(len(xs))],
    shape=lambda *xs, axis: [*xs[0][:axis], len(xs), *xs[0][axis:]],
    math=("the a stacked", r"[a_1, a_2, \dots]"), rules=(("its part of g", "g_i"),),
    example=("tg.stack([[1.0, 2.0], [3.0, 4.0]])", "Tensor([[1., 2.],\n        [3., 4.]])"),
)


def without_operands(index: Any) -> tuple[Any, list[Any]]:
    """Take the Tensors out of an index: what remains, with their places marked, and them."""
    places = index if isinstance(index, tuple) else (index,)
    arrays = [i for i in places if hasattr(i, "__apply_primitive__")]
    for i in arrays:
        if i.dtype.kind not in "biu":
            raise TypeError("a Tensor of floats cannot be an index: use integers or truth values")
    if not arrays:
        return index, []
    return tuple([OPERAND if hasattr(i, "__apply_primitive__") else i for i in places]), arrays


def _filled(index: Any, arrays: Sequence[Array]) -> Any:
    """Return an index with the index arrays that are inputs in their places."""
    if not arrays:
        return index
    rest = iter(arrays)
    return tuple([next(rest) if i is OPERAND else i for i in index])


def _scatter(x: Array, *arrays: Array, index: Any, shape: tuple[int, ...]) -> Array:
    index = _filled(index, arrays)
    places = index if isinstance(index, tuple) else (index,)
    if any([isinstance(i, np.ndarray) for i in places]):
        return _added_at(places, x, shape)
    out = np.zeros(shape, x.dtype)
    out[index] = x
    return out


def _added_at(places: tuple[Any, ...], x: Array, shape: tuple[int, ...]) -> Array:
    """Add x into zeros. A place may be named often: the sum is in float64, as all sums are."""
    total = np.zeros(shape, np.float64 if x.dtype.kind == "f" else x.dtype)
    np.add.at(total, places, x.astype(total.dtype))  # of two dtypes it takes 30 times as long
    return total.astype(x.dtype)


def _indexed(x: Sequence[Any], *arrays: Any, index: Any) -> list[Any] | None:
    """Return the shape of x[index] where the index takes whole axes and single places only."""
    places = list(index) if isinstance(index, tuple) else [index]
    if not all([i is None or i is Ellipsis or isinstance(i, int | slice) for i in places]):
        return None
    taken = len([i for i in places if i is not None and i is not Ellipsis])
    dots = [slice(None)] * (len(x) - taken)
    at = places.index(Ellipsis) if Ellipsis in places else len(places)
    places[at : at + 1] = dots
    lengths, rest = [], iter(x)
    for i in places:
        length = 1 if i is None else next(rest)
        if not isinstance(i, int):
            lengths.append(length if i is None or i == slice(None) else None)
    return lengths


getitem: Primitive = primitive(
    "getitem", lambda x, *arrays, index: x[_filled(index, arrays)], analytic=True, shape=_indexed,
    vjps=(lambda g, out, x, *arrays, index: scatter(g, *arrays, index=index, shape=x.shape),),
    math=("a[i]", "a_i"), rules=(("g added at i into zeros", r"\sum_i g\,e_i"),),
    example=("tg.getitem([1.0, 2.0, 3.0], slice(1, None))", "Tensor([2., 3.])"),
)
scatter: Primitive = primitive(
    "scatter", _scatter, analytic=True, shape=lambda x, *arrays, index, shape: shape,
    vjps=(lambda g, out, x, *arrays, index, shape: getitem(g, *arrays, index=index),),
    math=("a added at i into zeros", r"\sum_i a\,e_i"), rules=(("g[i]", "g_i"),),
    example=("tg.scatter([5.0, 7.0], slice(1, 3), (4,))", "Tensor([0., 5., 7., 0.])"),
)


def _add_along_axis(x: Array, indices: Array, axis: int, shape: tuple[int, ...]) -> Array:
    places = list(np.ogrid[tuple([slice(n) for n in indices.shape])])
    places[axis] = indices
    return _added_at(tuple(places), x, shape)


take_along_axis: Primitive = primitive(
    "take_along_axis", lambda x, indices, axis: np.take_along_axis(x, indices, axis),
    analytic=True, shape=lambda x, indices, axis: indices,
    vjps=(lambda g, out, x, indices, axis:
          add_along_axis(g, indices, axis=axis, shape=x.shape),),
    math=("a[b]", "a_b"), rules=(("g added at b into zeros", r"\sum_b g\,e_b"),),
    example=("np.take_along_axis(tg.Tensor([[5.0, 6.0], [7.0, 8.0]]), np.array([[1], [0]]), 1)",
             "Tensor([[6.],\n        [7.]])"),
)
add_along_axis: Primitive = primitive(
    "add_along_axis", _add_along_axis, analytic=True,
    shape=lambda x, indices, axis, shape: shape,
    vjps=(lambda g, out, x, indices, axis, shape: take_along_axis(g, indices, axis=axis),),
    math=("a added at b into zeros", r"\sum_b a\,e_b"), rules=(("g[b]", "g_b"),),
    example=("add_along_axis(tg.Tensor([[5.0]]), np.array([[1]]), axis=1, shape=(1, 3))",
             "Tensor([[0., 5., 0.]])"),
)
astype = primitive(
    "astype", lambda x, dtype: x.astype(dtype), elementwise=True, analytic=True,
    vjps=(lambda g, out, x, dtype: g,),  # the reverse pass gives g the dtype of x
    math=("a", "a"), rules=(("g", "g"),),
    example=("tg.astype([1.0, 2.0], np.float32)", "Tensor([1., 2.], dtype=float32)"),
)
detach = primitive(
    "detach", lambda x: x, elementwise=True, vjps=(None,),
    math=("a", "a"), rules=(("0", "0"),),
    example=("tg.Tensor([1.0, 2.0]).detach()", "Tensor([1., 2.])"),
)
