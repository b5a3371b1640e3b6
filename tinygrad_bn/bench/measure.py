"""All measurements, one after the other: ``python -m tinygrad_bn.bench.measure OPTIONS FILE``.

command.py runs this module in a separate process, since the number of threads must be set before
NumPy is imported. OPTIONS is a JSON object with the fields of ``Options``. The results are written
to FILE.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from . import batch_norms, inside, network, rows
from .machine import description, thread_settings
from .peers import COLUMNS, AbsentError, load
from .records import MEASURED, Record

SHAPES = [(6, 1), (32, 64), (256, 1024), (64, 32, 32, 32), (32, 64, 56, 56)]
LARGE = SHAPES[2:]  # at smaller shapes, Python objects need more memory than the arrays
SMALL_SHAPES = [(6, 1), (32, 64), (8, 4, 6, 6)]
SECTIONS = (batch_norms.TIME, inside.INSIDE, rows.SCALAR, network.STEP, rows.IMPORT, rows.GRAPHS,
            batch_norms.MEMORY)  # fmt: skip


class Options(NamedTuple):
    """What to measure, and how thoroughly."""

    threads: int
    rounds: int
    quick: bool
    sections: list[str]
    columns: list[str]


def measure(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Return all measurements, with a description of the options and of the machine.

    `say` is called with the name of each part before it is measured.
    """
    threads = _settle_threads(options.threads)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    records: list[Record] = []
    for name, part in _parts(options):
        say(name)
        records += part
    _add_ratios(records)
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "version": __version__,
        "options": options._asdict(),
        "machine": description(),
        "load_before": load,
        "threads": threads,
        "dtype": "float32",
        "records": records,
    }


def _parts(options: Options) -> Iterator[tuple[str, Iterator[Record]]]:
    quick, rounds = options.quick, options.rounds
    columns = {name: COLUMNS[name] for name in COLUMNS if name in options.columns}
    at_least = 1e-3 if quick else 1e-2
    few = 1 if quick else 5  # rounds of measurements that take seconds each
    wanted = options.sections
    if batch_norms.TIME in wanted:
        for shape in SMALL_SHAPES if quick else SHAPES:
            name = f"batch norm at {shape}"
            yield name, batch_norms.times(shape, rounds, at_least, columns)
    if inside.INSIDE in wanted:
        for shape in SMALL_SHAPES if quick else SHAPES:
            yield f"the parts of a step at {shape}", inside.times(shape, 5 * rounds)
    if rows.SCALAR in wanted:
        yield "one scalar operation", rows.scalars(rounds, at_least)
    if network.STEP in wanted:
        yield "a training step", network.training_steps(rounds, at_least)
    if rows.IMPORT in wanted:
        yield "imports", rows.imports(few)
    if rows.GRAPHS in wanted:
        sizes = [10**3, 10**4] if quick else [10**3, 10**4, 10**5, 10**6]
        yield "graphs of many operations", rows.graphs(sizes, few)
    if batch_norms.MEMORY in wanted:
        for shape in SMALL_SHAPES[-1:] if quick else LARGE:
            yield f"memory at {shape}", batch_norms.peaks(shape, columns)


def _settle_threads(threads: int) -> dict[str, Any]:
    """Set the number of threads of PyTorch, and return the settings of every library."""
    found: dict[str, Any] = {
        "asked": threads,
        "environment": {name: os.environ.get(name) for name in thread_settings(threads)},
        "torch": None,
    }
    try:
        torch = load("torch")
    except AbsentError:
        return found
    torch.set_num_threads(threads)
    found["torch"] = torch.get_num_threads()
    return found


def _add_ratios(records: list[Record]) -> None:
    """Add to each time of batch norm its ratios to the medians of PyTorch op by op and the copy."""
    times = [record for record in records if record["section"] == batch_norms.TIME]
    medians = {(record["case"], record["column"]): record["value"] for record in times}
    for record in times:
        for yardstick in ("torch", "copy"):
            unit = medians.get((record["case"], yardstick))
            known = unit is not None and record["status"] == MEASURED
            record[f"to_{yardstick}"] = record["value"] / unit if known else None


def main() -> None:
    """Measure in this process, with the command-line arguments from command.py."""
    options = Options(**json.loads(sys.argv[1]))
    results = measure(options, lambda name: print(f"measuring {name}", file=sys.stderr, flush=True))
    Path(sys.argv[2]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
