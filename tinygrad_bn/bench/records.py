"""The form of every result: one record for each section, case and column of the benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .timing import Spread

Record = dict[str, Any]

# The status of a column: measured; not installed; not timed, since its results are wrong or it
# raised an error; or not measurable in this way (memory that NumPy does not allocate).
MEASURED, ABSENT, WRONG, UNSEEN = "measured", "absent", "wrong", "unseen"


def measured(section: str, case: str, column: str, spread: Spread, unit: str) -> Record:
    """Make the record of a measurement."""
    return _record(section, case, column, MEASURED, unit, *spread)


def without_values(
    section: str, case: str, columns: Mapping[str, tuple[str, str]]
) -> Iterator[Record]:
    """Make the records of columns without a value, each with its status and the reason."""
    for column, (status, note) in columns.items():
        yield _record(section, case, column, status, note=note)


def _record(
    section: str,
    case: str,
    column: str,
    status: str,
    unit: str = "",
    value: float | None = None,
    low: float | None = None,
    high: float | None = None,
    note: str = "",
) -> Record:
    return {
        "section": section, "case": case, "column": column, "status": status,
        "value": value, "low": low, "high": high, "unit": unit, "note": note,
    }  # fmt: skip
