"""The results as text: aligned tables, at most 100 characters wide, made from the JSON alone."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from ..writing import aligned
from . import batch_norms, inside, network, rows
from .peers import COLUMNS
from .records import ABSENT, MEASURED, UNSEEN, WRONG, Record

LABELS = {name: column.label for name, column in COLUMNS.items()}
PACKAGES = {**LABELS, "ours": "tinygrad_bn", "numpy": "NumPy", "torch": "PyTorch",
            "mygrad": "MyGrad", "jax": "JAX"}  # fmt: skip
GRAPHS = {
    "record_chain": "record a chain",
    "backward_chain": "backward over the chain",
    "record_fan": "record a fan",
    "backward_fan": "backward over the fan",
}
INSIDE = "Where the time of tinygrad_bn goes inside one step"
SINGLE = {  # sections with one case each, which are in one table
    rows.SCALAR: "One scalar a * b (float64, recorded; NumPy's own call beside it)",
    network.STEP: "A training step of the digits network",
    rows.IMPORT: "Importing the package where NumPy is imported already",
}
IN_PLACE_OF_A_VALUE = {ABSENT: "absent", WRONG: "wrong", UNSEEN: "not seen"}

Cell = Callable[[Record], str]


def tables(results: dict[str, Any]) -> str:
    """Write all results as tables."""
    of = {
        section: [r for r in results["records"] if r["section"] == section]
        for section in {r["section"] for r in results["records"]}
    }
    parts = [_heading(results)]

    def add(title: str, records: Sequence[Record], labels: dict[str, str], cell: Cell) -> None:
        if records:
            parts.append(f"{_wrapped(title)}\n{_pivot(records, labels, cell)}")

    times = of.get(batch_norms.TIME, [])
    title = "Batch norm, training, forward and backward, float32"
    add(f"{title}: median time", times, LABELS, _value)
    for name, yardstick in (("to_torch", "PyTorch op by op"), ("to_copy", "one copy of x")):
        if any(record[name] for record in times):
            add(f"The same as a ratio to {yardstick}", times, LABELS, _ratio(name))
    add(INSIDE, of.get(inside.INSIDE, []), inside.LABELS, _value)
    single = [section for section in SINGLE if section in of]
    title = ". ".join(SINGLE[section] for section in single)
    add(title, [record for section in single for record in of[section]], PACKAGES, _value)
    add("Graphs of many operations: time for each one", of.get(rows.GRAPHS, []), GRAPHS, _value)
    add(
        "Peak memory of batch norm, forward and backward, beyond x, dy, y and the gradients, in "
        "multiples of x (tracemalloc, which sees NumPy's arrays)",
        of.get(batch_norms.MEMORY, []),
        LABELS,
        _value,
    )
    parts.append(_notes(results["records"]))
    return "\n\n".join(filter(None, parts))


def _heading(results: dict[str, Any]) -> str:
    machine, options = results["machine"], results["options"]
    installed = (f"{name} {version or 'absent'}" for name, version in machine["packages"].items())
    lines = [
        f"tinygrad_bn {results['version']}, {results['date']}"
        + (", quick: too short to conclude from" if options["quick"] else ""),
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['python']}, "
        f"BLAS {machine['blas']}; {', '.join(installed)}",
        f"Threads: {results['threads']['asked']} for every library. Medians over "
        f"{options['rounds']} interleaved rounds; their quartiles are in the JSON file.",
        busy(results),
    ]
    return "\n".join(map(_wrapped, filter(None, lines)))


def busy(results: dict[str, Any]) -> str:
    """Return a warning if the machine was busy: times are wrong if two threads share a core."""
    load, cores = results["load_before"], results["machine"]["cores"]
    if load is None or load < cores / 2:
        return ""
    return (
        f"THE MACHINE WAS BUSY: a load of {load:.1f} on {cores} cores when it began. Do not "
        "conclude from these times, least of all from those of libraries with threads."
    )


def _pivot(records: Sequence[Record], labels: dict[str, str], cell: Cell) -> str:
    """Write records as a table, with a line for each column of the benchmark, a cell per case."""
    cases = list(dict.fromkeys(record["case"] for record in records))
    cells = {(record["column"], record["case"]): cell(record) for record in records}
    present = [name for name in labels if any((name, case) in cells for case in cases)]
    table = [["", *cases]]
    table += [[labels[name], *(cells.get((name, case), "") for case in cases)] for name in present]
    widths = [max(len(row[i]) for row in table) for i in range(1, len(cases) + 1)]
    return aligned([
        [row[0], *(text.rjust(width) for text, width in zip(row[1:], widths, strict=True))]
        for row in table
    ])  # fmt: skip


def _value(record: Record) -> str:
    if record["status"] != MEASURED:
        return IN_PLACE_OF_A_VALUE[record["status"]]
    return duration(record["value"]) if record["unit"] == "s" else f"{record['value']:.1f}"


def _ratio(name: str) -> Cell:
    def cell(record: Record) -> str:
        if record["status"] != MEASURED:
            return IN_PLACE_OF_A_VALUE[record["status"]]
        ratio = record[name]
        if ratio is None:
            return ""
        return f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"

    return cell


def duration(seconds: float) -> str:
    """Write a time with three digits and its unit.

    >>> duration(0.0123), duration(4.56e-6), duration(7.5)
    ('12.3 ms', '4.56 us', '7.50 s')
    """
    units = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
    unit, size = next((u for u in units if seconds >= u[1]), units[-1])
    number = seconds / size
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f} {unit}"


def _notes(records: Sequence[Record]) -> str:
    """List the reasons why columns have no value, each once."""
    wrong = [
        f"{r['column']} is not timed ({r['section']}, {r['case']}): {r['note']}"
        for r in records
        if r["status"] == WRONG
    ]
    others = [r["note"] for r in records if r["status"] in (ABSENT, UNSEEN)]
    return "\n".join(map(_wrapped, dict.fromkeys(wrong + others)))


def _wrapped(words: str) -> str:
    return textwrap.fill(words, 100, break_on_hyphens=False)
