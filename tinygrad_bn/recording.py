"""The recording mode: whether operations are recorded, in which scope, watched for NaN, traced.

The settings live in one context variable, so that a thread or an asyncio task that changes them
changes them for itself alone. This file imports no Tensor.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sys
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

NOT_THE_USERS = (os.path.dirname(__file__) + os.sep, os.path.dirname(np.__file__) + os.sep)

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """One entering of ``scope(name)``. Two enterings are two scopes, also under one name.

    ``holder`` returns the module that opened the scope, or None: its tensors are drawn in here.
    """

    name: str
    parent: Scope | None
    holder: Callable[[], Any] = lambda: None

    @property
    def path(self) -> str:
        """The names from the outside in, as in ``"network/layer1/batch_norm"``."""
        return self.name if self.parent is None else f"{self.parent.path}/{self.name}"


class Tracer(Protocol):
    """What a trace is told while a function runs in it."""

    def made(self, tensor: Any) -> None:
        """Note a new tensor."""

    def operand(self, tensor: Any, recording: bool) -> Any:
        """Return the tensor to compute with: a buffer as it is now, under no_grad() detached."""

    def update(self, buffer: Any, value: Any) -> None:
        """Note a new value of a module's buffer."""

    def input(self, value: Any, name: str, lengths: Any) -> Any:
        """Make an array an explicit input of the program; `lengths` must be its shape."""


class Mode(NamedTuple):
    """The settings in force, and those that come back when the innermost block ends.

    ``everything`` records also what needs no gradient, comparisons above all: in a trace, and
    where a backward pass is recorded.
    """

    recording: bool = True
    scope: Scope | None = None
    anomaly: bool = False
    everything: bool = False
    trace: Tracer | None = None
    outer: Mode | None = None


MODE: ContextVar[Mode] = ContextVar("tinygrad_bn.mode", default=Mode())  # noqa: B039 (immutable)


class Setting(ContextDecorator):
    """A change of mode for the length of a ``with`` block, or of a decorated function."""

    def changes(self, mode: Mode) -> dict[str, Any]:
        """Return the settings that differ inside the block, given the mode around it."""
        raise NotImplementedError

    def __enter__(self) -> None:
        mode = MODE.get()
        MODE.set(mode._replace(outer=mode, **self.changes(mode)))

    def __exit__(self, *exception: object) -> None:
        outer = MODE.get().outer
        assert outer is not None, "left a block that was never entered"
        MODE.set(outer)

    def __call__(self, function: F) -> F:
        """Decorate a function, also an ``async def``, so that it runs in this mode."""
        name = type(self).__name__
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{name}() cannot decorate the generator {function.__name__}, which would run "
                f"outside of it: write `with {name}(...):` inside the generator instead"
            )
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def inside(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return inside  # type: ignore[return-value]
        return super().__call__(function)


class no_grad(Setting):  # noqa: N801 (used as a function)
    """Record nothing: results need no gradient and forget how they were made.

    A context manager and a decorator (also of ``async def`` functions), for its own thread and
    task alone.

    >>> import tinygrad_bn as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     (2 * w).requires_grad
    False
    """

    def changes(self, mode: Mode) -> dict[str, Any]:  # noqa: D102
        return {"recording": False}


class scope(Setting):  # noqa: N801
    """Name the part of the graph that is made inside. Scopes nest: ``"outer/inner"``.

    Raises TypeError if the name is not a string, ValueError if it is empty or has a ``/``.

    >>> import tinygrad_bn as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.scope("outer"), tg.scope("inner"):
    ...     y = 2 * x
    >>> y.scope
    'outer/inner'
    """

    def __init__(self, name: str, *, holder: Callable[[], Any] = lambda: None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"scope: the name must be a string, not {type(name).__name__}")
        if not name or "/" in name:
            raise ValueError(f"scope: {name!r} is empty or has a '/'; nest scopes to make a path")
        self.name, self.holder = name, holder

    def changes(self, mode: Mode) -> dict[str, Any]:  # noqa: D102
        return {"scope": Scope(self.name, mode.scope, self.holder)}


class detect_anomaly(Setting):  # noqa: N801
    """Raise at the first NaN or infinity, forward or backward, and name where it was made.

    Raises FloatingPointError with the operation, its scope and the line of your code that called
    it. It looks at every result, so use it to find a fault, not to train.

    >>> import tinygrad_bn as tg
    >>> x = tg.Tensor([1.0, 0.0], requires_grad=True, name="x")
    >>> with tg.detect_anomaly(), np.errstate(divide="ignore"):
    ...     tg.log(x)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FloatingPointError: log made 1 infinite value of 2 (shape (2,)), called at ...
    """

    def changes(self, mode: Mode) -> dict[str, Any]:  # noqa: D102
        return {"anomaly": True}


class within(Setting):  # noqa: N801
    """Change the named settings, as the engine itself does: ``within(scope=..., trace=...)``."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def changes(self, mode: Mode) -> dict[str, Any]:  # noqa: D102
        return self.settings


def users_line() -> str:
    """Return the innermost line on the stack that is neither this package's nor NumPy's."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(NOT_THE_USERS):
        frame = frame.f_back
    code = frame.f_code
    text = linecache.getline(code.co_filename, frame.f_lineno).strip()
    return f"{code.co_filename}:{frame.f_lineno}, in {code.co_name}" + (f": {text}" if text else "")


def refuse_in_trace(
    what: str,
    instead: str = "use np.where or tg.where to choose, and keyword arguments for what is fixed",
) -> None:
    """Raise TypeError if a trace is under way: what was asked for depends on the values."""
    if MODE.get().trace is not None:
        raise TypeError(
            f"trace: {what}, at {users_line()}; a program must hold for all values: {instead}"
        )


def raise_if_not_finite(value: Any, maker: str, scope: Scope | None, line: str | None) -> None:
    """Raise FloatingPointError if the value that `maker` made has a NaN or an infinity."""
    value = np.asarray(value)
    if np.isfinite(value).all():
        return
    nans = int(np.isnan(value).sum())
    count, kind = (nans, "NaN") if nans else (int(np.isinf(value).sum()), "infinite value")
    raise FloatingPointError(
        f"{maker} made {count} {kind}{'s' if count > 1 and not nans else ''} of {value.size} "
        f"(shape {value.shape})"
        + (f" in scope {scope.path!r}" if scope else "")
        + f", called at {line or 'a line that was not kept: record inside detect_anomaly() too'}"
    )
