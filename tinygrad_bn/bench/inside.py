"""Where the time of our own step goes: each operation forward and backward, and what is left.

While a step is taken, the primitives, adding up cotangents and undoing broadcasting time
themselves. The rest is the Python around them: recording, walking back, and looking at data. (A
few microseconds of it are the clock's.)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import repeat
from time import perf_counter
from typing import Any
from unittest.mock import patch

from .. import autodiff
from ..batch_norm import batch_norm
from ..cotangents import Cotangents
from ..primitives import TABLE, Primitive
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
    with _timed_primitives(clock):
        y = clock.timed("forward: all", batch_norm)(*leaves, eps=EPS)
    calls: Counter[str] = Counter()
    for tensor in autodiff.topological_order(y):
        if tensor.op is not None and tensor.op in _rows():
            part = f"backward: {_numbered(tensor.op, calls)}"
            rules = [rule and clock.timed(part, rule) for rule in tensor.op.vjps]
            tensor.op = replace(tensor.op, vjps=rules)
    with (
        patch.object(Cotangents, "add", clock.timed("backward: adding", Cotangents.add)),
        patch.object(autodiff, "fit", clock.timed("backward: fitting", autodiff.fit)),
    ):
        clock.timed("backward: all", autodiff.grad)(y, leaves, dy)
    seconds = clock.seconds
    for way in ("forward", "backward"):
        whole = seconds.pop(f"{way}: all")
        known = sum(value for part, value in seconds.items() if part.startswith(way))
        seconds.update({f"{way}: rest": whole - known, f"{way}: all": whole})
    return seconds


@contextmanager
def _timed_primitives(clock: Clock) -> Iterator[None]:
    """Let each call of a primitive count as a part of its own."""
    rows = _rows()
    forwards = [row.forward for row in rows]
    calls: Counter[str] = Counter()

    def timed(row: Primitive, forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            part = f"forward: {_numbered(row, calls)}"
            return clock.timed(part, forward)(*args, **kwargs)

        return run

    try:
        for row, forward in zip(rows, forwards, strict=True):
            object.__setattr__(row, "forward", timed(row, forward))  # frozen, but for this
        yield
    finally:
        for row, forward in zip(rows, forwards, strict=True):
            object.__setattr__(row, "forward", forward)


def _rows() -> list[Primitive]:
    return [TABLE[name] for name in dict.fromkeys(part.split()[0] for part in FORWARD)]


def _numbered(primitive: Primitive, calls: Counter[str]) -> str:
    calls[primitive.name] += 1
    return f"{primitive.name} {calls[primitive.name]}"
