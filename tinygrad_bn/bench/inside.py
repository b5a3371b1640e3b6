"""Where the time of our own step goes: each operation forward and backward, and what is left.

While a step is taken, the rows of the table and their rules time themselves. The rest is the Python
around them: recording and walking back. (A few microseconds of it are the clock's.)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from time import perf_counter
from typing import Any

from .. import autodiff
from .. import primitives as P
from ..batch_norm import batch_norm
from ..table import TABLE, Primitive
from ..tensor import Tensor
from .peers import EPS, make_batch
from .records import Record, measured
from .timing import old_objects_set_aside, spread

INSIDE = "inside"
FORWARD = {  # the first and the second time that a primitive is called
    "mean 1": "mean, mu", "sub 1": "sub", "pow 1": "pow", "mean 2": "mean, var",
    "add 1": "add, eps", "sqrt 1": "sqrt", "div 1": "div", "mul 1": "mul, gamma",
    "add 2": "add, beta",
}  # fmt: skip
AROUND = {"adding": "adding up", "fitting": "undoing broadcasting"}
REST = {"rest": "the rest", "all": "all"}
LABELS = {
    f"{way}: {part}": f"{way}: {label}"
    for way, parts in (
        ("forward", {**FORWARD, **REST}),
        ("backward", {**dict(reversed(FORWARD.items())), **AROUND, **REST}),
    )
    for part, label in parts.items()
}


class Clock:
    """Adds up the seconds that the parts of a step take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make the function count as a part."""

        def run(*args: Any, **kwargs: Any) -> Any:
            start = perf_counter()
            result = function(*args, **kwargs)
            self.seconds[part] += perf_counter() - start
            return result

        return run


def times(shape: tuple[int, ...], rounds: int) -> Iterator[Record]:
    """Time the parts of one step at one shape."""
    batch = make_batch(shape)
    leaves = [Tensor(array, requires_grad=True) for array in batch[:3]]
    dy = Tensor(batch.dy)
    _one_step(leaves, dy)
    samples: dict[str, list[float]] = defaultdict(list)
    with old_objects_set_aside():
        for _ in repeat(None, rounds):
            for part, seconds in _one_step(leaves, dy).items():
                samples[part].append(seconds)
    for part in LABELS:
        yield measured(INSIDE, str(shape), part, spread(samples[part]), "s")


def _one_step(leaves: list[Tensor], dy: Tensor) -> dict[str, float]:
    clock = Clock()
    with _timed_forward(clock):
        y = clock.timed("forward: all", batch_norm)(*leaves, eps=EPS)
    with _timed_backward(clock):
        clock.timed("backward: all", autodiff.grad)(y, leaves, dy)
    seconds = clock.seconds
    for way in ("forward", "backward"):
        whole = seconds.pop(f"{way}: all")
        known = sum(value for part, value in seconds.items() if part.startswith(way))
        seconds.update({f"{way}: rest": whole - known, f"{way}: all": whole})
    return seconds


@contextmanager
def _timed_forward(clock: Clock) -> Iterator[None]:
    """Make each call of a row count as a part of its own."""
    calls: Counter[str] = Counter()

    def timed(row: Primitive) -> Callable[..., Any]:
        compute = row.compute

        def run(*args: Any, **kwargs: Any) -> Any:
            calls[row.name] += 1
            part = f"forward: {row.name} {calls[row.name]}"
            return clock.timed(part, compute)(*args, **kwargs)

        return run

    with _attached({row: (timed(row), row.pull) for row in _rows()}):
        yield


@contextmanager
def _timed_backward(clock: Clock) -> Iterator[None]:
    """Make all rules of one operation count as a part; the last operation comes first.

    What the reverse pass itself computes is the row `add`, for cotangents that meet, and the row
    `sum`, where broadcasting is undone.
    """
    left = Counter(part.split()[0] for part in FORWARD)
    numbers: dict[int, int] = {}

    def timed(row: Primitive, rule: Callable[..., Any] | None) -> Callable[..., Any] | None:
        def run(g: Any, out: Any, *inputs: Any, **params: Any) -> Any:
            if id(out) not in numbers:
                numbers[id(out)] = left[row.name]
                left[row.name] -= 1
            part = f"backward: {row.name} {numbers[id(out)]}"
            return clock.timed(part, rule or run)(g, out, *inputs, **params)

        return None if rule is None else run

    attached: dict[Primitive, tuple[Any, Any]] = {
        row: (row.compute, [timed(row, rule) for rule in row.pull]) for row in _rows()
    }
    attached[P.add] = clock.timed("backward: adding", P.add.compute), attached[P.add][1]
    attached[P.sum] = clock.timed("backward: fitting", P.sum.compute), P.sum.pull
    with _attached(attached):
        yield


@contextmanager
def _attached(quicker: dict[Primitive, tuple[Any, Any]]) -> Iterator[None]:
    before = {row: (row.compute, row.pull) for row in quicker}
    try:
        for row, (compute, pull) in quicker.items():
            row.compute, row.pull = compute, pull
        yield
    finally:
        for row, (compute, pull) in before.items():
            row.compute, row.pull = compute, pull


def _rows() -> list[Primitive]:
    return [TABLE[name] for name in dict.fromkeys(part.split()[0] for part in FORWARD)]
