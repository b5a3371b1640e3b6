"""What a program is called with: arrays checked against its inputs, and the names of arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor
from .data import Variable
from .tree import leaves


def bound(
    program: str, inputs: Sequence[Variable], arrays: Sequence[Any], named: Mapping[str, Any]
) -> dict[Variable, Any]:
    """Check arrays against inputs, and return the value of each input."""
    given = leaves(arrays) if _has_containers(arrays, len(inputs)) else list(arrays)
    rest = dict(named)
    given += [rest.pop(x.name) for x in inputs[len(given) :] if x.name in rest]
    if len(given) != len(inputs) or rest:
        names = ", ".join(x.name or "unnamed" for x in inputs)
        came = f"{len(given)} came" + (f", and {', '.join(rest)}" if rest else "")
        count = f"{len(inputs)} array{'s'[: len(inputs) != 1]}"
        raise TypeError(f"{program} takes {count} ({names}); {came}")
    return {x: _checked(value, x) for x, value in zip(inputs, given, strict=True)}


def _has_containers(arrays: Sequence[Any], expected: int) -> bool:
    """Return whether arguments hold the arrays inside of tuples, lists or dicts."""
    return len(arrays) != expected or any(
        isinstance(arg, tuple | dict)
        or (isinstance(arg, list) and any(isinstance(i, np.ndarray | Tensor) for i in arg))
        for arg in arrays
    )


def _checked(value: Any, x: Variable) -> Any:
    """Check the value of one input; a Tensor stays a Tensor."""
    if x.weak and not isinstance(value, Tensor):
        number = value.item() if isinstance(value, np.ndarray | np.generic) else value
        if not isinstance(number, int | float):
            raise TypeError(f"{x.name} is a plain number, not {type(value).__name__}")
        return number
    array = value if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind in "biu" and x.dtype.type is np.float64:
        array = array.astype(np.float64)
    same_kind = array.dtype.kind in {"i": "iu", "u": "iu"}.get(x.dtype.kind, x.dtype.kind)
    if not same_kind or (x.dtype.kind == "f" and array.dtype != x.dtype):
        raise TypeError(
            f"{x.name} was traced with {x.dtype}, but {array.dtype} came: convert it, or trace the "
            "function again"
        )
    if array.ndim != len(x.shape):
        raise ValueError(
            f"{x.name} was traced with shape {x.shape}, of {len(x.shape)} axes; shape "
            f"{array.shape} came"
        )
    return array if isinstance(array, Tensor) else array.astype(x.dtype, copy=False)


def argument_names(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """Name positional arguments as the function does."""
    names: list[str] = []
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # of a function that is not written in Python
        parameters = []
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}_{i}" for i in range(len(args) - len(names))]
    return (names + [f"input_{i}" for i in range(len(names), len(args))])[: len(args)]
