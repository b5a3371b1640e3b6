"""Arrays and parameters read back from JSON, each checked: what jsonable.py writes, and no more."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import OPERAND
from .jsonable import DTYPES

Array = npt.NDArray[Any]

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
DEEPEST = 20  # containers in containers in a parameter


class DamagedError(ValueError):
    """What was read is no graph; the message says where and why."""


def numbers(written: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of nested lists, in which NaN and the infinities are words."""
    level = [written]
    for length in shape:
        if not all([isinstance(item, list) and len(item) == length for item in level]):
            raise DamagedError(f"is no array of shape {shape}")
        level = [number for item in level for number in item]
    is_right = {"f": _is_real, "b": _is_truth_value}.get(dtype.kind, is_int)
    for number in level:
        if not is_right(number):
            raise DamagedError(f"is an array of {dtype}, but it has {brief(number)} in it")
    plain = [WORDS[number] if isinstance(number, str) else number for number in level]
    try:
        with np.errstate(over="raise"):
            array = np.array(plain, dtype).reshape(shape)
    except (OverflowError, FloatingPointError):
        raise DamagedError(f"has a number in it that is too large for {dtype}") from None
    array.flags.writeable = False
    return array


def param(value: Any, depth: int = 0) -> Any:
    """Return a parameter of an operation: a plain value, or an object that names its type."""
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if depth > DEEPEST:
        raise DamagedError("is nested too deeply")
    if isinstance(value, list):
        return [param(item, depth + 1) for item in value]
    if isinstance(value, dict):
        match value:
            case {"float": str(word), **rest} if word in WORDS and not rest:
                return WORDS[word]
            case {"tuple": list(items), **rest} if not rest:
                return tuple([param(item, depth + 1) for item in items])
            case {"slice": [start, stop, step], **rest} if not rest:
                if all([end is None or is_int(end) for end in (start, stop, step)]):
                    return slice(start, stop, step)
            case {"ellipsis": True, **rest} if not rest:
                return Ellipsis
            case {"operand": True, **rest} if not rest:
                return OPERAND
            case {"dtype": str(name), **rest} if name in DTYPES and not rest:
                return DTYPES[name]
            case {"type": str(name), **rest} if name in DTYPES and not rest:
                return DTYPES[name].type
            case {"array": items, "dtype": str(name), "shape": shape, **rest} if (
                name in DTYPES and is_shape(shape) and not rest
            ):
                return numbers(items, tuple(shape), DTYPES[name])
            case {"scalar": item, "dtype": str(name), "shape": [], **rest} if (
                name in DTYPES and not rest
            ):
                return numbers(item, (), DTYPES[name])[()]
    raise DamagedError(f"is {brief(value)} of an unknown form")


def is_int(value: Any) -> bool:
    """Return whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_truth_value(value: Any) -> bool:
    return isinstance(value, bool)


def _is_real(value: Any) -> bool:
    if isinstance(value, str):
        return value in WORDS
    return is_int(value) or (isinstance(value, float) and math.isfinite(value))


def is_shape(value: Any) -> bool:
    """Return whether a JSON value is a shape."""
    if not isinstance(value, list) or len(value) > 32:
        return False
    return all([is_int(n) and 0 <= n < 2**48 for n in value])


def brief(value: Any) -> str:
    """Write in at most a few words what came."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
