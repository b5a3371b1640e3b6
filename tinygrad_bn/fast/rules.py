"""The backward rules of batch norm's primitives on large arrays, to the last bit as in the table.

A large and a small operand are multiplied as arithmetic.py does; a product that the reverse pass
would sum comes summed already.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import primitives as P
from ..table import Array
from .arithmetic import LARGE, divide, multiply
from .sums import expanded, summed


def _times(g: Array, y: Array, like: Array) -> Array:
    if g.size < LARGE or y.__class__ is not g.__class__:
        return g * y
    return (
        summed(g, lambda part: g[part] * y[part], like, y) if y.shape == g.shape else multiply(g, y)
    )


def mul_x(g: Array, out: Array, x: Array, y: Array) -> Array:
    """Compute g y."""
    return _times(g, y, x)


def mul_y(g: Array, out: Array, x: Array, y: Array) -> Array:
    """Compute g x."""
    return _times(g, x, y)


def sub_y(g: Array, out: Array, x: Array, y: Array, dtype: Any = None) -> Array:
    """Compute -g."""
    total = summed(g, lambda part: g[part], y)
    return -total


def div_x(g: Array, out: Array, x: Array, y: Array) -> Array:
    """Compute g / y."""
    return divide(g, y)


def div_y(g: Array, out: Array, x: Array, y: Array) -> Array:
    """Compute -g out / y."""
    small = g.size < LARGE or y.__class__ is not g.__class__ or y.ndim < g.ndim
    if small or y.shape[0] != 1 or not out.flags.c_contiguous:
        return -g * out / y
    minus_y = -y

    def product(part: Any) -> Array:
        block = g[part] * out[part]
        return np.divide(block, minus_y, block)

    return summed(g, product, y, out)


def pow_x(g: Array, out: Array, x: Array, y: Array) -> Array:
    """Compute g y x^(y - 1). For y = 2 the order does not matter: doubling is exact."""
    if g.size < LARGE or not isinstance(y, int | float) or y != 2 or g.dtype == np.float16:
        return P.pow.vjps[0](g, out, x, y)  # type: ignore[misc]
    return multiply(multiply(g, y), x)


def sum_x(g: Array, out: Array, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Spread g."""
    return expanded(g, x, axis, keepdims)


def mean_x(
    g: Array, out: Array, x: Array, axis: tuple[int, ...], keepdims: bool, dtype: Any = None
) -> Array:
    """Spread g / m."""
    wide = g.astype(np.float32) if g.dtype == np.float16 else g
    return expanded(wide / (x.size // g.size) if g.size else g, x, axis, keepdims)


RULES = {
    P.sub: (P.sub.vjps[0], sub_y), P.mul: (mul_x, mul_y), P.div: (div_x, div_y),
    P.pow: (pow_x, P.pow.vjps[1]), P.sum: (sum_x,), P.mean: (mean_x,),
}  # fmt: skip
