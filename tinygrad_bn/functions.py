"""The functions ``tg.mul``, ``tg.sum``, ...: the methods of a Tensor, for anything array-like.

A Python number among the operands takes the dtype of the other, as with operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy.typing as npt

from . import primitives as P
from . import shapes
from .arrays import frozen
from .operations import TWO, documented, truth
from .tensor import Tensor, TensorLike, apply, as_tensor


def _function(method: Callable[..., Any]) -> Callable[..., Tensor]:
    @wraps(method)
    def function(x: TensorLike, *args: Any, **kwargs: Any) -> Tensor:
        result: Tensor = method(as_tensor(x), *args, **kwargs)
        return result

    return function


def _binary(primitive: P.Primitive) -> Callable[[TensorLike, TensorLike], Tensor]:
    @documented(primitive, TWO)
    def function(x: TensorLike, y: TensorLike) -> Tensor:
        return apply(primitive, (x if isinstance(y, Tensor) else as_tensor(x), y))

    return function


def _joining(method: Callable[..., Any]) -> Callable[..., Tensor]:
    def function(tensors: Sequence[TensorLike], axis: int = 0) -> Tensor:
        joined: Tensor = method([as_tensor(x) for x in tensors], axis)
        return joined

    function.__name__ = function.__qualname__ = method.__name__
    function.__doc__ = method.__doc__
    return function


add, sub, mul, div = map(_binary, (P.add, P.sub, P.mul, P.div))
pow, matmul, maximum, minimum = map(_binary, (P.pow, P.matmul, P.maximum, P.minimum))
neg, abs, sign = map(_function, (Tensor.neg, Tensor.abs, Tensor.sign))
sqrt, exp, log = map(_function, (Tensor.sqrt, Tensor.exp, Tensor.log))
sin, cos, tanh = map(_function, (Tensor.sin, Tensor.cos, Tensor.tanh))
sigmoid, relu, leaky_relu = map(_function, (Tensor.sigmoid, Tensor.relu, Tensor.leaky_relu))
sum, mean, var = map(_function, (Tensor.sum, Tensor.mean, Tensor.var))
prod, cumsum, cumprod = map(_function, (Tensor.prod, Tensor.cumsum, Tensor.cumprod))
max, min, clip = map(_function, (Tensor.max, Tensor.min, Tensor.clip))
reshape, transpose = map(_function, (Tensor.reshape, Tensor.transpose))
broadcast_to, astype = map(_function, (Tensor.broadcast_to, Tensor.astype))
concatenate, stack = map(_joining, (Tensor.concatenate, Tensor.stack))


@documented(P.where, TWO, ("`condition`, truth values", "`x`", "`y`"))
def where(condition: npt.ArrayLike, x: TensorLike, y: TensorLike) -> Tensor:
    return apply(P.where, (truth(condition), x if isinstance(y, Tensor) else as_tensor(x), y))


@documented(shapes.getitem, "`index` is anything that NumPy takes; its arrays are copied.")
def getitem(x: TensorLike, index: Any) -> Tensor:
    result: Tensor = as_tensor(x)[index]
    return result


@documented(shapes.scatter, "`index` picks places in an array of `shape`; they add up.")
def scatter(x: TensorLike, index: Any, shape: tuple[int, ...]) -> Tensor:
    return apply(shapes.scatter, (as_tensor(x),), {"index": frozen(index), "shape": shape})
