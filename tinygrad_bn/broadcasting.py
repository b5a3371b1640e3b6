"""Undoing broadcasting: where the forward pass repeated a value, its cotangents are summed.

The reverse pass does so after every rule. A rule that would first make a large array, only for it
to be summed, may ask for the sum at once: it is a matter of speed alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any  # an ndarray, or a Tensor that stands in for one


def repeated_axes(shape: tuple[int, ...], original: tuple[int, ...]) -> tuple[int, ...]:
    """List the axes along which `original` was repeated to become `shape`."""
    added = len(shape) - len(original)
    stretched = (i + added for i, n in enumerate(original) if n == 1 and shape[i + added] != 1)
    return (*range(added), *stretched)


def summed_to(g: Array, like: Array) -> Array:
    """Sum `g` to the shape of `like`."""
    if g.shape == like.shape:
        return g
    gone = repeated_axes(g.shape, like.shape)
    if g.dtype == np.float16:  # where a sum of small terms would stop growing at 2048 of them
        return np.add.reduce(g.astype(np.float32), axis=gone).reshape(like.shape).astype(g.dtype)
    if g.ndim > 2 and isinstance(g, np.ndarray):  # einsum: up to three times faster there
        axes = range(g.ndim)
        return np.einsum(g, axes, [i for i in axes if i not in gone]).reshape(like.shape)
    return np.add.reduce(g, axis=gone).reshape(like.shape)


def product_summed_to(g: Array, factor: Array, like: Array) -> Array:
    """Compute ``g * factor``, summed to the shape of `like`, without making the product."""
    if not (isinstance(g, np.ndarray) and isinstance(factor, np.ndarray)):
        return g * factor  # a Tensor, to be recorded, or a number: the reverse pass sums
    shape = np.shape(like)
    if g.shape == shape or g.shape != factor.shape or g.dtype == np.float16:
        return g * factor
    axes = range(g.ndim)
    gone = repeated_axes(g.shape, shape)
    kept = [i for i in axes if i not in gone]
    return np.einsum(g, axes, factor, axes, kept).reshape(shape)
