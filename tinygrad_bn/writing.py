"""Numbers, arrays and tables as text, kept short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def number(value: float, digits: int = 4) -> str:
    """Write a number with at most `digits` significant digits, without trailing zeros.

    >>> number(-2.50001), number(-0.0)
    ('-2.5', '0')
    """
    return f"{value + 0.0:.{digits}g}"  # -0.0 + 0.0 is 0.0


def numbers(array: npt.NDArray[Any], width: int = 40, digits: int = 4) -> str:
    """Write an array on one line: its values if they fit, otherwise their range and mean."""
    flat = np.asarray(array).ravel()
    if flat.size == 0:
        return "empty"
    for fewer in range(digits, 2, -1) if flat.size * 2 - 1 <= width else ():
        line = ", ".join(number(float(value), fewer) for value in flat)
        if len(line) <= width:
            return line
    if (flat == flat[0]).all():
        return f"all {number(float(flat[0]), digits)}"
    low, high = number(float(flat.min()), 3), number(float(flat.max()), 3)
    with np.errstate(invalid="ignore", over="ignore"):
        mean, std = (number(float(f(flat, dtype=np.float64)), 3) for f in (np.mean, np.std))
    full = f"{low} to {high}, mean {mean}, std {std}"
    return full if len(full) <= width else f"{low} to {high}"


def shape(dims: tuple[int, ...]) -> str:
    """Write a shape as Python does."""
    return str(dims)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of cells as aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(w) for cell, w in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
