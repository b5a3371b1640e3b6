"""More rows of the table: the primitives that move numbers about and compute nothing.

Their rules move the cotangent back. Nothing here is new if you have read primitives.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from .primitives import Array, Primitive, primitive


class EveryInput(Sequence[Callable[..., Array]]):
    """The vjps of a primitive with any number of inputs: one rule that is told the position."""

    def __init__(self, rule: Callable[..., Array]) -> None:
        self.rule = rule

    def __getitem__(self, position: Any) -> Any:
        return partial(self.rule, position)

    def __iter__(self) -> Iterator[Callable[..., Array]]:
        return iter([self[0]])

    def __len__(self) -> int:
        return 1


# fmt: off

reshape = primitive(
    "reshape", lambda x, shape: np.reshape(x, shape),
    vjps=(lambda g, out, x, shape: np.reshape(g, x.shape),),
    math=("a, reshaped", r"\operatorname{reshape} a"),
    rules=(("g, reshaped back", r"\operatorname{reshape} g"),),
    example=("tg.reshape([1.0, 2.0, 3.0, 4.0], (2, 2))", "Tensor([[1., 2.],\n        [3., 4.]])"),
)
transpose = primitive(
    "transpose", lambda x, axes: np.transpose(x, axes),
    vjps=(lambda g, out, x, axes: np.transpose(g, tuple(np.argsort(axes))),),
    math=("a^T", "a^{T}"), rules=(("g^T", "g^{T}"),),
    example=("tg.transpose([[1.0, 2.0], [3.0, 4.0]])", "Tensor([[1., 3.],\n        [2., 4.]])"),
)
broadcast_to = primitive(
    "broadcast_to", lambda x, shape: np.broadcast_to(x, shape),
    vjps=(lambda g, out, x, shape: g,),  # the reverse pass sums over what was broadcast
    math=("a, repeated", r"\operatorname{broadcast} a"),
    rules=(("g, summed over the repeats", r"\sum g"),),
    example=("tg.broadcast_to([1.0, 2.0], (2, 2))", "Tensor([[1., 2.],\n        [1., 2.]])"),
)


def _part(position: int, g: Array, out: Array, *xs: Array, axis: int) -> Array:
    sizes = [x.shape[axis] for x in xs]
    start = int(np.sum(sizes[:position]))
    return g[(slice(None),) * axis + (slice(start, start + sizes[position]),)]


concatenate = primitive(
    "concatenate", lambda *xs, axis: np.concatenate(xs, axis), vjps=EveryInput(_part),
    math=("the a joined", r"[a_1, a_2, \dots]"), rules=(("its part of g", "g_i"),),
    example=("tg.concatenate([[1.0, 2.0], [3.0]])", "Tensor([1., 2., 3.])"),
)
stack = primitive(
    "stack", lambda *xs, axis: np.stack(xs, axis),
    vjps=EveryInput(lambda i, g, out, *xs, axis: g[(slice(None),) * axis + (i,)]),
    math=("the a stacked", r"[a_1, a_2, \dots]"), rules=(("its part of g", "g_i"),),
    example=("tg.stack([[1.0, 2.0], [3.0, 4.0]])", "Tensor([[1., 2.],\n        [3., 4.]])"),
)


def _scatter(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    out = np.zeros(shape, x.dtype)
    if any(isinstance(i, np.ndarray) for i in (index if isinstance(index, tuple) else (index,))):
        np.add.at(out, index, x)  # an array may name a place twice
    else:
        out[index] = x
    return out


getitem: Primitive = primitive(
    "getitem", lambda x, index: x[index],
    vjps=(lambda g, out, x, index: scatter(g, index=index, shape=x.shape),),
    math=("a[i]", "a_i"), rules=(("g added at i into zeros", r"\sum_i g\,e_i"),),
    example=("tg.getitem([1.0, 2.0, 3.0], slice(1, None))", "Tensor([2., 3.])"),
)
scatter: Primitive = primitive(
    "scatter", _scatter,
    vjps=(lambda g, out, x, index, shape: g[index],),
    math=("a added at i into zeros", r"\sum_i a\,e_i"), rules=(("g[i]", "g_i"),),
    example=("tg.scatter([5.0, 7.0], slice(1, 3), (4,))", "Tensor([0., 5., 7., 0.])"),
)
astype = primitive(
    "astype", lambda x, dtype: x.astype(dtype),
    vjps=(lambda g, out, x, dtype: g,),  # the reverse pass gives g the dtype of x
    math=("a", "a"), rules=(("g", "g"),),
    example=("tg.astype([1.0, 2.0], np.float32)", "Tensor([1., 2.], dtype=float32)"),
)
