"""Broadcasting undone: what the forward pass repeats, the reverse pass sums."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from . import primitives as P
from .sizes import now
from .table import Array


def fit(g: Array, like: Array) -> Array:
    """Undo broadcasting and promotion: return the cotangent in the shape and dtype of `like`."""
    if type(g) is type(like) is np.ndarray:
        shape, original, dtype = g.shape, like.shape, like.dtype
    else:  # lengths may be symbolic; a plain number has neither shape nor dtype
        shape, original = now(g.shape), now(getattr(like, "shape", ()))
        dtype = getattr(like, "dtype", g.dtype)
    if shape != original:
        axes = repeated_axes(shape, original)
        kept = len(shape) == len(original)
        total = P.sum.compute if type(g) is np.ndarray else P.sum
        g = total(g, axis=axes, keepdims=kept)
        if not kept and len(axes) > len(shape) - len(original):
            g = np.reshape(g, like.shape)
    return g if g.dtype == dtype else g.astype(dtype)


@lru_cache
def repeated_axes(shape: tuple[int, ...], original: tuple[int, ...]) -> tuple[int, ...]:
    """List the axes along which `original` was repeated to become `shape`."""
    added = len(shape) - len(original)
    stretched = (i + added for i, n in enumerate(original) if n == 1 and shape[i + added] != 1)
    return (*range(added), *stretched)
