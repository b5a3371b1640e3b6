"""Comparable times: every function is timed in every round, in a new order each time.

A temporary disturbance of the machine then affects all functions, and hardly changes the medians.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np


class Spread(NamedTuple):
    """The median of some measurements, and the quartiles around it."""

    value: float
    low: float
    high: float


def spread(samples: list[float]) -> Spread:
    """Compute the median and the quartiles of measurements."""
    low, median, high = np.quantile(samples, (0.25, 0.5, 0.75))
    return Spread(float(median), float(low), float(high))


def seconds_per_call(function: Callable[[], Any], calls: int) -> float:
    """Time a number of calls in a row; the result of each is deleted before the next."""
    start = perf_counter()
    for _ in repeat(None, calls):
        function()
    return (perf_counter() - start) / calls


def interleaved(
    functions: Mapping[str, Callable[[], Any]], rounds: int, at_least: float
) -> dict[str, Spread]:
    """Time every function once in each round, with enough calls to last `at_least` seconds.

    One call before the timed ones is not timed, since the caches still contain the data of the
    previous function. The garbage collector stays on, since its work is part of the cost of a
    design. It does not visit objects that existed before (the modules of the peers).
    """
    calls = {name: _enough_calls(function, at_least) for name, function in functions.items()}
    samples: dict[str, list[float]] = {name: [] for name in functions}
    order, rng = list(functions), random.Random(0)
    with old_objects_set_aside():
        for _ in repeat(None, rounds):
            rng.shuffle(order)
            for name in order:
                functions[name]()
                samples[name].append(seconds_per_call(functions[name], calls[name]))
    return {name: spread(values) for name, values in samples.items()}


@contextmanager
def old_objects_set_aside() -> Iterator[None]:
    """Exclude the objects that exist already from garbage collection."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _enough_calls(function: Callable[[], Any], at_least: float) -> int:
    for _ in range(3):  # these calls allocate memory, compile code and start threads
        function()
    calls = 1
    while calls < 1_000_000 and seconds_per_call(function, calls) * calls < at_least:
        calls *= 2
    return calls
