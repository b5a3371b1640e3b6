"""Calls of the user's code, with a time limit, without output, and with its line in errors.

The limit interrupts Python code by a signal, which only the main thread of a POSIX process can
receive. Elsewhere the time of a call is checked when it returns. The command ``tinygrad-bn check``
calls the user's code in a separate process, which it can end at any time.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

OURS = "<tinygrad-bn check>"  # the file name of statements that are executed
NOT_THEIRS = tuple(
    os.path.dirname(path) + os.sep for path in (os.path.dirname(__file__), np.__file__)
)


class CallError(Exception):
    """A call of the user's code failed.

    `call` is the statement, `told` the error with the line of the user's code. `unwritten` is
    whether the code is only a place for code that is still to be written.
    """

    def __init__(self, call: str, error: BaseException) -> None:
        self.call = call
        self.unwritten = isinstance(error, NotImplementedError)
        self.told = f"{type(error).__name__}: {error}".rstrip(": ")
        line = _their_line(error)
        if line:
            self.told += f"\n  at {line}"
        super().__init__(f"{'your code raised' if line else 'calling it failed:'} {self.told}\n"
                         f"  called as: {call}")  # fmt: skip


class TimeLimitError(Exception):
    """A call exceeded its time limit, or all calls together exceeded theirs."""


class _Interrupt(BaseException):
    """Raised inside the user's code; ``except Exception`` does not catch it."""


class Caller:
    """Call the user's code, with limits of `seconds_per_call` for each call, `seconds` for all."""

    def __init__(self, seconds_per_call: float, seconds: float) -> None:
        self.seconds_per_call = seconds_per_call
        self.seconds = seconds
        self.end = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        """Return how many seconds remain for all calls."""
        return self.end - time.monotonic()

    def allow(self, seconds: float) -> None:
        """Extend the limit for all calls to at least `seconds` from now, to explain a finding."""
        self.end = max(self.end, time.monotonic() + seconds)

    def __call__(self, call: str, function: Callable[..., Any], *args: Any) -> Any:
        """Return ``function(*args)``; `call` is the statement to name in errors.

        Raises CallError if the call raises an exception, TimeLimitError if it takes too long.
        """
        if self.seconds_left <= 0:
            raise TimeLimitError(f"the {self.seconds:g} seconds for the whole check were over")
        limit = min(self.seconds_per_call, self.seconds_left)
        start = time.monotonic()
        late = TimeLimitError(
            f"this call did not return within {limit:.3g} seconds: {call}"
            if limit == self.seconds_per_call
            else f"the {self.seconds:g} seconds for the whole check were over, in: {call}"
        )
        try:
            with _quiet(), _interrupted_after(limit):
                result = function(*args)
        except _Interrupt as interrupt:
            raise TimeLimitError(f"{late}\n  it was at {_their_line(interrupt)}") from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also sys.exit()
            raise CallError(call, error) from None
        if time.monotonic() - start > limit:
            raise late
        return result


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    nowhere = _Nowhere()
    with (
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        np.errstate(all="ignore"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def interrupt(signum: int, frame: Any) -> None:
        raise _Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


def _their_line(error: BaseException) -> str | None:
    """Find the innermost line of the traceback that is neither in this folder nor in NumPy."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{error.filename}:{error.lineno}: {(error.text or '').strip()}"
    theirs = [f for f in frames if not f.filename.startswith((*NOT_THEIRS, "<frozen", OURS))]
    if not theirs:
        return None
    last = theirs[-1]
    where = f"{last.filename}:{last.lineno}, in {last.name}"
    return f"{where}: {last.line}" if last.line else where
