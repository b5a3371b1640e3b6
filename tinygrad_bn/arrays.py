"""The border between NumPy and the engine: data coming in, arrays locked, mistakes put in words.

This file knows arrays and Python numbers, and no Tensor.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .sizes import Size

FLOATS = (np.float16, np.float32, np.float64)


def float_array(data: Any, dtype: Any = None) -> npt.NDArray[Any]:
    """Copy data into a new, locked float array.

    float16, float32 and float64 stay what they are; integers and booleans become float64.
    """
    wanted = None if dtype is None else float_dtype(dtype)
    array = real_array(data)
    if wanted is None:
        wanted = np.dtype(np.float64 if array.dtype.kind in "biu" else array.dtype.type)
    return lock(array.astype(wanted, copy=False))


def real_array(data: Any) -> npt.NDArray[Any]:
    """Copy data into a new, locked array of floats, integers or truth values."""
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError("a masked array would lose its mask: fill it first, as by .filled(0)")
    try:
        array = np.array(data)
    except ValueError as error:  # ragged nested lists
        raise ValueError(f"the data do not form an array: {error}") from None
    if array.dtype.type not in FLOATS and array.dtype.kind not in "biu":
        came = f"{type(data).__name__} of dtype {array.dtype}"
        raise TypeError(f"a Tensor holds real numbers (float16, float32, float64), not {came}")
    return lock(array)


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """Check that a dtype is one that a Tensor can have."""
    checked: np.dtype[Any] = np.dtype(dtype)
    if checked.type not in FLOATS:
        raise TypeError(f"dtype {checked} is not supported: use float16, float32 or float64")
    return checked


def wide(x: Any) -> Any:
    """Return float16 as float32, where squares and counts above 65,504 are finite."""
    return x.astype(np.promote_types(x.dtype, np.float32))


def lock(data: Any) -> npt.NDArray[Any]:
    """Make an array read-only, so that no value can change between forward and backward."""
    array: npt.NDArray[Any] = data if type(data) is np.ndarray else np.asarray(data)
    array.setflags(write=False)
    return array


class Operand:
    """In an index: the place of an index array that is an input of the primitive."""

    def __repr__(self) -> str:
        return "i"

    def __reduce__(self) -> str:
        return "OPERAND"  # there is only one, also after pickling


OPERAND = Operand()


def frozen(index: Any) -> Any:
    """Copy the arrays of an index: the caller may change his before the backward pass."""
    if hasattr(index, "__apply_primitive__"):
        raise TypeError("a Tensor cannot be an index: use an integer or boolean NumPy array")
    if isinstance(index, tuple):
        return tuple(frozen(list(i) if isinstance(i, tuple) else i) for i in index)
    if (
        index is None
        or index is Ellipsis
        or isinstance(index, int | slice | np.integer | Size | Operand)
    ):
        return index
    array = np.array(index)
    return lock(array.astype(int) if array.size == 0 and array.dtype == float else array)


def normalized_axes(axis: Any, ndim: int, caller: str) -> tuple[int, ...]:
    """Return axes as a tuple counted from the front; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    try:
        several = axis
        if not isinstance(axis, tuple):  # it most often is
            several = axis if isinstance(axis, Iterable) else (axis,)
        given = [operator.index(i) for i in several]
    except TypeError:
        raise TypeError(f"{caller}: axis {axis!r} is no integer, nor a tuple of them") from None
    axes = tuple([i + ndim if i < 0 else i for i in given])
    if not all([0 <= i < ndim for i in axes]):
        there = f"there are axes {-ndim} to {ndim - 1}" if ndim else "a single number has no axis"
        raise ValueError(f"{caller}: axis {axis} of an array of {ndim} dimensions: {there}")
    if len(set(axes)) < len(axes):
        raise ValueError(f"{caller}: axis {axis} names an axis twice")
    return axes


def mismatch(name: str, values: Sequence[Any], params: dict[str, Any], error: Exception) -> str:
    """Describe what went wrong when a primitive's NumPy function refused its operands."""
    shapes = " and ".join(str(np.shape(value)) for value in values)
    given = [
        f"{key} of shape {value.shape}" if isinstance(value, np.ndarray) else f"{key} {value}"
        for key, value in params.items()
        if isinstance(value, np.ndarray | tuple)
    ]
    message = f"{name} of {shapes}{' with ' if given else ''}{' and '.join(given)}: "
    if name == "matmul":
        return message + (
            "the last axis of the first must be as long as the last but one (or only) axis of "
            "the second, and the axes before them must broadcast"
        )
    if "broadcast" in str(error):
        return message + (
            "these shapes do not broadcast; aligned at the right, the axes must be equal or 1: "
            "reshape or transpose one of them"
        )
    return message + str(error)
