"""A wrong case as code that can be pasted, after a search for a smaller one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..tensor import Tensor
from .deadline import current_test
from .gradient_report import GradientReport
from .leaves import Arguments, Array, Function, arguments, array_of, rebuilt

SECONDS = 2.0  # for the search
MANY = 400  # numbers in an array, which are not written out


def smaller(
    fn: Function, check: Callable[[Arguments], GradientReport], given: Arguments,
    report: GradientReport,
) -> tuple[Arguments, GradientReport]:  # fmt: skip
    """Look for a smaller case that is wrong too: fewer rows or columns, rounder numbers.

    Within a hypothesis test nothing is done: hypothesis itself looks for a smaller case.
    """
    if current_test() is not None:
        return given, report
    end = time.monotonic() + SECONDS
    found = True
    while found and time.monotonic() < end:
        found = False
        for change in _changes(given):
            if time.monotonic() > end:
                break
            try:
                candidate = _changed(fn, given, change)
                new = check(candidate)
            except Exception:  # the function does not take such inputs
                continue
            if not new and not new.problem:
                given, report, found = candidate, new, True
                break
    return given, report


Change = Callable[[Array], Array]


def _changes(given: Arguments) -> Iterator[Change]:
    """Yield changes of all arrays at once, each of which makes them smaller or rounder."""
    for axis in (0, -1):
        lengths = {a.shape[axis] for a in given.arrays if a.ndim}
        for length in sorted(lengths, reverse=True):
            for kept in sorted({1, 2, 3, length // 2, length - 1}):
                if 0 < kept < length:
                    yield partial(_cut, axis=axis, length=length, kept=kept)
    for digits in (0, 1, 2):
        if not all(_is_round(a, digits) for a in given.arrays):
            yield partial(_rounded, digits=digits)


def _rounded(a: Array, digits: int) -> Array:
    return np.asarray(np.round(a, digits)) if a.dtype.kind == "f" else a


def _cut(a: Array, axis: int, length: int, kept: int) -> Array:
    if not a.ndim or a.shape[axis] != length:
        return a
    return a[:kept] if axis == 0 else a[..., :kept]


def _is_round(a: Array, digits: int) -> bool:
    return bool(np.array_equal(np.round(a, digits), a))


def _changed(fn: Function, given: Arguments, change: Change) -> Arguments:
    def leaf(path: str, value: Any) -> Any:
        return change(array_of(value)) if isinstance(value, np.ndarray | Tensor) else value

    named = zip(given.names, given.args, strict=True)
    args = [rebuilt(arg, name, leaf) for name, arg in named]
    kwargs = {name: rebuilt(arg, name, leaf) for name, arg in given.kwargs.items()}
    return arguments(fn, args, kwargs)


# --- as code --------------------------------------------------------------------------------


def code_of(
    call: str, functions: Mapping[str, Function], given: Arguments, settings: Mapping[str, Any]
) -> str:
    """Write code that makes the arrays and calls ``call`` of tinygrad_bn.testing with them.

    `functions` are its function arguments: ``vjp`` by keyword, the others by position.
    """
    imports = ["import numpy as np", f"from tinygrad_bn.testing import {call}"]
    lines: list[str] = []
    passed: list[str] = []
    for keyword, function in functions.items():
        name, line = _reference(function, keyword)
        imports += [line] if line not in imports else []
        passed.append(f"vjp={name}" if keyword == "vjp" else name)
    first = [name for name in passed if not name.startswith("vjp=")]
    last = passed[len(first) :]
    words = []
    for name, arg in zip(given.names, given.args, strict=True):
        lines.append(f"{name} = {literal(arg)}")
        words.append(name)
    for name, arg in given.kwargs.items():
        words.append(f"{name}={literal(arg)}")
    words += [*last, *(f"{key}={value!r}" for key, value in settings.items())]
    body = f"print({call}({', '.join([*first, *words])}))"
    return "\n".join([*imports, "", *lines, body])


def _reference(function: Function, role: str) -> tuple[str, str]:
    """Return a name for a function, and the line that imports it or says what it is."""
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__name__", "")
    home = sys.modules.get(module)
    words = all(part.isidentifier() for part in (name, *module.split(".")))
    if words and module != "__main__" and getattr(home, name, None) is function:
        return name, f"from {module} import {name}"
    name = name if name.isidentifier() else role
    return name, f"# {name} = ...  # the function that was checked"


def literal(value: Any) -> str:
    """Write a value as Python reads it: arrays with their dtype and every digit."""
    if isinstance(value, Tensor):
        value = value.data
    if isinstance(value, np.ndarray):
        return _array_literal(value)
    if isinstance(value, np.generic):
        return f"np.{value.dtype}({value.item()!r})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def _array_literal(a: Array) -> str:
    if a.size > MANY:
        return f"...  # an array of shape {a.shape} and dtype {a.dtype}, too long to be written"
    text = _nested(a)
    dtype = "" if a.dtype in (np.float64, np.int64, np.bool_) and a.size else f", np.{a.dtype}"
    if 0 in a.shape:
        return f"np.zeros({a.shape}{dtype})"
    return f"np.array({text}{dtype})"


def _nested(a: Array) -> str:
    if a.ndim:
        return f"[{', '.join(_nested(part) for part in a)}]"
    if a.dtype.kind != "f":
        return repr(a.item())
    text = str(a[()])  # the shortest text that reads back as the same number in its dtype
    return text if np.isfinite(a) else f'float("{text}")'
