"""What a program is called with: arrays checked against its inputs, and the names of arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor
from .data import Variable


def bound(
    program: str,
    inputs: Sequence[Variable],
    arguments: Sequence[Any],
    arrays: Sequence[Any],
    named: Mapping[str, Any],
) -> dict[Variable, Any]:
    """Check arrays against inputs, and return the value of each input.

    They come one by one, or in the containers of the arguments of the function that was traced.
    """
    rest = dict(named)
    given: dict[int, Any] = {}
    if len(arrays) != len(inputs) or any(isinstance(a, tuple | list | dict) for a in arguments):
        try:
            for place, value in zip(arguments, arrays, strict=False):
                _take(place, value, given)
            given.update(enumerate(arrays[len(arguments) :], start=len(given)))
        except (TypeError, KeyError, ValueError, IndexError):
            given = {}  # they may still come one by one
    if not given or len(given) < len(arrays) == len(inputs):
        given = dict(enumerate(arrays))
    for i, x in enumerate(inputs):
        if i not in given and x.name in rest:
            given[i] = rest.pop(x.name)
    if set(given) != set(range(len(inputs))) or rest:
        names = ", ".join(x.name or "unnamed" for x in inputs)
        came = f"{len(given)} came" + (f", and {', '.join(rest)}" if rest else "")
        count = f"{len(inputs)} array{'s'[: len(inputs) != 1]}"
        raise TypeError(f"{program} takes {count} ({names}); {came}")
    return {x: _checked(given[i], x) for i, x in enumerate(inputs)}


def _take(place: Any, value: Any, given: dict[int, Any]) -> None:
    """Take the arrays out of an argument that has the form of the one that was traced."""
    if isinstance(place, dict):
        for key, inner in place.items():
            _take(inner, value[key], given)
    elif isinstance(place, tuple | list):
        if not isinstance(value, tuple | list):
            raise TypeError
        for inner, item in zip(place, value, strict=True):
            _take(inner, item, given)
    elif place is not None:
        given[place.number] = value


def _checked(value: Any, x: Variable) -> Any:
    """Check the value of one input; a Tensor stays a Tensor."""
    if x.weak and not isinstance(value, Tensor):
        number = value.item() if isinstance(value, np.ndarray | np.generic) else value
        if not isinstance(number, int | float):
            raise TypeError(f"{x.name} is a plain number, not {type(value).__name__}")
        return number
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{x.name}: a masked array would lose its mask: fill it, as by .filled(0)")
    if isinstance(value, dict | tuple) or value is None:
        raise TypeError(f"{x.name} is an array; {type(value).__name__} came")
    array: Any = value if isinstance(value, Tensor) else np.asarray(value)
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
    if isinstance(array, Tensor):
        return array
    converted = array.astype(x.dtype, copy=False)
    if array.dtype.kind in "iu" and (converted != array).any():
        raise ValueError(f"{x.name} holds {x.dtype}, and a number that came does not fit into it")
    return converted


def argument_names(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """Name positional arguments as the function does."""
    names: list[str] = []
    for parameter in _parameters(f):
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}_{i}" for i in range(len(args) - len(names))]
    return (names + [f"input_{i}" for i in range(len(names), len(args))])[: len(args)]


def in_order(f: Callable[..., Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments in the order in which the function declares them."""
    declared = [parameter.name for parameter in _parameters(f) if parameter.name in kwargs]
    return {name: kwargs[name] for name in dict.fromkeys([*declared, *kwargs])}


def _parameters(f: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # of a function that is not written in Python
        return []
