"""Reading a mini-batch from a file: CSV with or without a header, or NumPy's NPY.

If a file cannot be used, an ``InputError`` is raised. Its message is one sentence with the place
of the error in the file.
"""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class InputError(ValueError):
    """The user's input cannot be used. The message states what was found and what was expected."""


class Table(NamedTuple):
    """A mini-batch with names of its columns. The rows are examples, the columns features."""

    columns: tuple[str, ...]
    values: Array
    note: str = ""  # what was assumed in reading it


def read_table(path: Path, header: bool = False) -> Table:
    """Read a .npy file, or any other file as CSV; raise InputError unless all values are finite.

    The first row of a CSV file is a header if none of its cells is a number, or by `header`.
    """
    try:
        table = _read_npy(path) if path.suffix.lower() == ".npy" else _read_csv(path, header)
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    bad = np.argwhere(~np.isfinite(table.values))
    if bad.size:
        row, column = bad[0]
        raise InputError(
            f"{path}: row {row + 1}, column {table.columns[column]!r} is "
            f"{table.values[row, column]}; every value must be a finite number"
        )
    return table


def _read_npy(path: Path) -> Table:
    content = io.BytesIO(path.read_bytes())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from parsing what is no header
            values = np.lib.format.read_array(content, allow_pickle=False)
    except Exception as error:  # of a damaged file, whatever its parsers raise
        sentence = isinstance(error, ValueError | EOFError | MemoryError)
        why = " ".join(str(error).split())[:200] if sentence else "its header is damaged"
        raise InputError(f"{path}: not an NPY file of numbers: {why}") from None
    if values.dtype.kind not in "fiub":
        raise InputError(f"{path}: an array of real numbers is expected, not {values.dtype}")
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise InputError(f"{path}: the array has shape {values.shape}; expected (rows, columns)")
    with np.errstate(over="ignore"):
        return Table(_numbered(values.shape[1]), values.astype(np.float64))


def _read_csv(path: Path, header: bool) -> Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
        separator = max(",;\t", key=next(filter(str.strip, text.split("\n")), "").count)
        reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        rows, line = [], 1
        for row in reader:  # a quoted cell may go over several lines
            if any(cell.strip() for cell in row):
                rows.append((line, [cell.strip() for cell in row]))
            line = reader.line_num + 1
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8; expected CSV or a .npy file") from None
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV file: {error}") from None
    if not rows:
        raise InputError(f"{path}: the file is empty; expected rows of numbers")
    first_line, first = rows[0]
    has_header = header or not any(_is_number(cell) for cell in first)
    columns = tuple(first) if has_header else _numbered(len(first))
    values = []
    for line, cells in rows[has_header:]:
        if len(cells) != len(columns):
            raise InputError(
                f"{path}: line {line} has {len(cells)} cells, but line {first_line} has "
                f"{len(columns)}; every row needs the same number"
            )
        for column, cell in zip(columns, cells, strict=True):
            if not _is_number(cell):
                what = f"{cell!r}, not a number" if cell else "empty"
                raise InputError(f"{path}: line {line}, column {column!r} is {what}")
        values.append([float(cell) for cell in cells])
    if not values:
        raise InputError(f"{path}: there is a header but no row of numbers")
    note = ""
    if not has_header and len(values) > 1 and all(cell.isdecimal() for cell in first):
        note = f"The first line ({separator.join(first)}) is read as data; --header makes it names."
    return Table(columns, np.array(values, np.float64), note)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(count))


def choose_columns(table: Table, wanted: list[str]) -> Table:
    """Return the columns of these names, in that order; a number is an index from 0."""
    chosen = []
    for name in wanted:
        if name in table.columns:
            chosen.append(table.columns.index(name))
        elif name.isdecimal() and int(name) < len(table.columns):
            chosen.append(int(name))
        else:
            there = ", ".join(table.columns)
            raise InputError(
                f"no column {name!r}: the columns are {there} (or 0 to {len(table.columns) - 1})"
            )
    return Table(tuple(table.columns[i] for i in chosen), table.values[:, chosen], table.note)
