"""What all answers to NumPy's functions share: refusals in words, and arguments as plain arrays."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..arrays import float_dtype
from ..table import Array


def is_tensor(x: object) -> bool:
    """Return whether x is a Tensor (this package's functions know it by its protocol only)."""
    return hasattr(x, "__apply_primitive__")


def refuse(function: str, advice: str) -> NoReturn:
    """Raise TypeError for a function, or a use of it, that is not recorded."""
    raise TypeError(f"{function} is not recorded for a Tensor: {advice}")


def without(function: str, **given: Any) -> None:
    """Refuse the arguments that are given, each by its name."""
    for name, value in given.items():
        if value is not None:
            refuse(f"{function} with {name}=", "leave that argument out, or use .data")


def plain(x: Any) -> Any:
    """Replace the Tensors in an argument by their arrays."""
    if isinstance(x, list | tuple):
        return type(x)(plain(item) for item in x)
    return x.data if is_tensor(x) else x


def as_array(x: Any) -> Array:
    """Make an array of a number or of nested lists of them; a Tensor stays one."""
    return x if is_tensor(x) else np.asarray(x)


def of_dtype(x: Array, dtype: Any) -> Array:
    """Return x in the float dtype that was asked for; None leaves it as it is."""
    return x if dtype is None else x.astype(float_dtype(dtype))


def along(axis: int, *index: Any) -> tuple[Any, ...]:
    """Write the index that leaves the axes before `axis` whole."""
    return (slice(None),) * axis + index


def part(x: Array, axis: int, start: Any, stop: Any) -> Array:
    """Return ``x[start:stop]`` along an axis."""
    return x[along(axis, slice(start, stop))]
