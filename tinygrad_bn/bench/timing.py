"""Times that can be compared: every function in every round, in a new order each time.

What disturbs a machine for a while then falls on all of them, and the medians forget it.
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
    """Sum up measurements."""
    low, median, high = np.quantile(samples, (0.25, 0.5, 0.75))
    return Spread(float(median), float(low), float(high))


def seconds_per_call(function: Callable[[], Any], calls: int) -> float:
    """Time some calls in a row; the result of each is dropped before the next."""
    start = perf_counter()
    for _ in repeat(None, calls):
        function()
    return (perf_counter() - start) / calls


def interleaved(
    functions: Mapping[str, Callable[[], Any]], rounds: int, at_least: float
) -> dict[str, Spread]:
    """Time every function once a round: as many calls as last `at_least` seconds, warmed up.

    The call before the timed ones is not timed: it finds in the caches what the function before
    left there. The garbage collector stays on, since its work is part of what a design costs, but
    does not walk through what was there before (the modules of the peers).
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
    """Keep the garbage collector from walking through what exists already."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _enough_calls(function: Callable[[], Any], at_least: float) -> int:
    for _ in range(3):  # memory is fetched, code compiled, threads started
        function()
    calls = 1
    while calls < 1_000_000 and seconds_per_call(function, calls) * calls < at_least:
        calls *= 2
    return calls
