"""The arrays inside of arguments and results, each with its place, such as ``params["w"]``.

A function of any arguments is seen as a function of arrays of real numbers alone: those that can
be differentiated. All else (labels, settings, strings) stays as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..tensor import Tensor

Array = npt.NDArray[Any]
Function: TypeAlias = Callable[..., Any]


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield everything in dicts, lists and tuples that is no container, with its place."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}[{key!r}]")
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for name, item in zip(value._fields, value, strict=True):
            yield from leaves(item, f"{path}.{name}")
    elif isinstance(value, tuple | list):
        for i, item in enumerate(value):
            yield from leaves(item, f"{path}[{i}]")
    else:
        yield path, value


def rebuilt(value: Any, path: str, leaf: Callable[[str, Any], Any]) -> Any:
    """Rebuild the containers with ``leaf(path, item)`` for everything that is no container."""
    if isinstance(value, Mapping):
        return {key: rebuilt(item, f"{path}[{key!r}]", leaf) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        named = zip(value._fields, value, strict=True)
        return type(value)(*[rebuilt(item, f"{path}.{name}", leaf) for name, item in named])
    if isinstance(value, tuple | list):
        items = [rebuilt(item, f"{path}[{i}]", leaf) for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return leaf(path, value)


def is_real(value: Any) -> bool:
    """Return whether a value is an array or a Tensor of floating-point numbers, or one of them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind == "f"
    return isinstance(value, Tensor) and value.dtype.kind == "f"


def array_of(value: Any) -> Array:
    """Return the numbers of an array, a Tensor or a number."""
    return np.asarray(value.data if isinstance(value, Tensor) else value)


@dataclass(frozen=True)
class Arguments:
    """The arguments of a function, and the place and the value of each array of real numbers."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    names: tuple[str, ...]  # of the positional arguments
    paths: tuple[str, ...]
    arrays: tuple[Array, ...]

    def filled(
        self, arrays: Sequence[Any], paths: Sequence[str] | None = None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with other arrays in their places. What is kept is copied."""
        new = dict(zip(self.paths if paths is None else paths, arrays, strict=True))

        def leaf(path: str, value: Any) -> Any:
            if path in new:
                return new[path]
            return value.copy() if isinstance(value, np.ndarray) else value

        named = zip(self.names, self.args, strict=True)
        args = tuple(rebuilt(arg, name, leaf) for name, arg in named)
        return args, {name: rebuilt(arg, name, leaf) for name, arg in self.kwargs.items()}

    def of(self, path: str) -> str:
        """Return the argument in which a place lies."""
        return next(n for n in (*self.names, *self.kwargs) if _lies_in(path, n))


def _lies_in(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}[", f"{name}."))


def arguments(fn: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    """Find the arrays to differentiate with respect to.

    They are the arrays and Tensors of floats, also inside of containers, and positional lists of
    Python floats. Positional Python numbers count only if there is nothing else. Raises ValueError
    if there is no such array, TypeError for complex numbers.
    """
    args = [_as_array(arg) if _is_list_of_floats(arg) else arg for arg in args]
    found = _arrays_in(fn, args, kwargs)
    if not found.paths:
        args = [np.asarray(arg) if isinstance(arg, float) else arg for arg in args]
        found = _arrays_in(fn, args, kwargs)
    if not found.paths:
        given = ", ".join(type(arg).__name__ for arg in (*args, *kwargs.values())) or "nothing"
        raise ValueError(
            "gradcheck: give at least one input of floating-point numbers after the function; "
            f"it was given {given}"
        )
    return found


def _arrays_in(fn: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    names = _names(fn, len(args), kwargs)
    paths, arrays = [], []
    for name, arg in [*zip(names, args, strict=True), *kwargs.items()]:
        for path, value in leaves(arg, name):
            if is_real(value):
                paths.append(path)
                arrays.append(array_of(value))
            elif isinstance(value, complex) or getattr(value, "dtype", np.dtype(int)).kind == "c":
                raise TypeError(f"gradcheck: {path} is complex; only real numbers are supported")
    return Arguments(tuple(args), kwargs, names, tuple(paths), tuple(arrays))


def _names(fn: Function, count: int, kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the positional arguments as the function does; those without a name, by number."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        taken = [p.name for p in inspect.signature(fn).parameters.values() if p.kind in kinds]
    except (TypeError, ValueError):
        taken = []
    names = [name for name in taken if name not in kwargs and name != "self"][:count]
    return (*names, *(f"input{i}" for i in range(len(names), count)))


def _is_list_of_floats(value: Any) -> bool:
    numbers = [item for _, item in leaves(value, "")] if isinstance(value, tuple | list) else []
    plain = all(type(n) in (int, float) for n in numbers)
    return plain and any(type(n) is float for n in numbers) and not hasattr(value, "_fields")


def _as_array(value: Any) -> Any:
    try:
        return np.asarray(value, np.float64)
    except ValueError:  # rows of different lengths
        return value
