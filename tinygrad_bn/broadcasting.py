"""Broadcasting and its counterpart: what the forward pass repeats, the reverse pass sums.

It does so after every rule. A rule that would first make a large array, only for it to be summed,
may ask for the sum at once: it is a matter of speed alone.
"""

from __future__ import annotations

from functools import lru_cache
from string import ascii_letters

import numpy as np

from .arithmetic import Array, multiply


@lru_cache
def repeated_axes(shape: tuple[int, ...], original: tuple[int, ...]) -> tuple[int, ...]:
    """List the axes along which `original` was repeated to become `shape`."""
    added = len(shape) - len(original)
    stretched = (i + added for i, n in enumerate(original) if n == 1 and shape[i + added] != 1)
    return (*range(added), *stretched)


def summed_to(g: Array, like: Array) -> Array:
    """Sum `g` to the shape of `like`."""
    shape = like.shape
    if g.shape == shape:
        return g
    if g.ndim > 2 and type(g) is np.ndarray and g.dtype != np.float16:
        return np.einsum(_subscripts(1, g.shape, shape), g).reshape(shape)
    gone = repeated_axes(g.shape, shape)
    if g.dtype == np.float16:  # where a sum of small terms would stop growing at 2048 of them
        return np.add.reduce(g.astype(np.float32), axis=gone).reshape(shape).astype(g.dtype)
    return np.add.reduce(g, axis=gone).reshape(shape)


def product_summed_to(g: Array, factor: Array, like: Array) -> Array:
    """Compute ``g * factor``, summed to the shape of `like`, without making the product."""
    if (
        type(g) is type(factor) is np.ndarray  # no Tensor, to be recorded, and no number
        and g.shape == factor.shape != like.shape
        and g.dtype != np.float16
    ):
        return np.einsum(_subscripts(2, g.shape, like.shape), g, factor).reshape(like.shape)
    return multiply(g, factor)


@lru_cache
def _subscripts(factors: int, shape: tuple[int, ...], like: tuple[int, ...]) -> str:
    """Write for einsum: multiply the factors, and sum over the axes that `like` had repeated."""
    axes, gone = ascii_letters[: len(shape)], repeated_axes(shape, like)
    kept = (axis for i, axis in enumerate(axes) if i not in gone)
    return f"{','.join([axes] * factors)}->{''.join(kept)}"
