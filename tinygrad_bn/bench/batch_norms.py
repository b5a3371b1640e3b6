"""The main measurements: time and memory of batch norm, forward and backward, for each column."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from .checks import admitted, fault, reference
from .peers import COLUMNS, Batch, Column, Step, make_batch, numpy_array
from .records import UNSEEN, Record, measured, without_values
from .timing import Spread, interleaved

TIME, MEMORY = "batch_norm", "memory"
OUTSIDE_NUMPY = {"torch", "torch_fused", "jax"}


def times(
    shape: tuple[int, ...],
    rounds: int,
    at_least: float,
    columns: Mapping[str, Column] = COLUMNS,
) -> Iterator[Record]:
    """Time each column at one shape, if its results are correct."""
    case = str(shape)
    steps, others = checked_steps(make_batch(shape), columns)
    yield from without_values(TIME, case, others)
    for column, spread in interleaved(steps, rounds, at_least).items():
        yield measured(TIME, case, column, spread, "s")


def peaks(shape: tuple[int, ...], columns: Mapping[str, Column] = COLUMNS) -> Iterator[Record]:
    """Measure the peak memory of each column whose arrays NumPy allocates."""
    case = str(shape)
    batch = make_batch(shape)
    seen = {name: c for name, c in columns.items() if name not in (*OUTSIDE_NUMPY, "copy")}
    steps, others = checked_steps(batch, seen)
    for column in columns:
        if column in OUTSIDE_NUMPY:
            others[column] = (UNSEEN, "not seen: memory that NumPy did not allocate")
    yield from without_values(MEMORY, case, others)
    for column, step in steps.items():
        value = peak_beyond_results(step, batch)
        yield measured(MEMORY, case, column, Spread(value, value, value), "inputs")


def checked_steps(
    batch: Batch, columns: Mapping[str, Column]
) -> tuple[dict[str, Step], dict[str, tuple[str, str]]]:
    """Prepare every column; return the correct ones, and for the others a status and a reason."""
    expected, tolerances = reference(batch)

    def fault_of(results: tuple[Any, ...]) -> str | None:
        if len(results) == 1:  # the column "copy", which has no y
            return fault(results, [batch.x], [0.0], ["x"])
        return fault(results, expected, tolerances)

    return admitted({name: partial(c.prepare, batch) for name, c in columns.items()}, fault_of)


def peak_beyond_results(step: Step, batch: Batch) -> float:
    """Measure the peak memory of one call, without its results, in multiples of the size of x.

    tracemalloc counts every array that NumPy allocates while it is on, and the objects of Python.
    The inputs were allocated before, so they are not counted. The results (y, dx, dgamma, dbeta)
    are subtracted.
    """
    step()
    gc.collect()
    tracemalloc.start()
    try:
        results = step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    beyond = peak - sum(numpy_array(result).nbytes for result in results)
    return beyond / batch.x.nbytes
