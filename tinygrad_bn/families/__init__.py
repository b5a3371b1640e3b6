"""NumPy's functions by family: more rows of the table, and what is composed of rows.

Each file has the rows of its family and a dictionary ``ANSWERS``: for each NumPy function, what
computes it if it is called with a Tensor. The compositions are written in NumPy themselves, so no
file here imports a Tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    cumulative,
    elementwise,
    joining,
    linear_algebra,
    moving,
    products,
    reductions,
    reshaping,
    sinc,
    statistics,
    steps,
)  # fmt: skip

FAMILIES = {
    "Functions of numbers": (elementwise, steps, sinc),
    "Reductions": (reductions, cumulative, statistics),
    "Shapes": (reshaping, moving, joining),
    "Products and linear algebra": (products, linear_algebra),
}
ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    function: answer
    for family in FAMILIES.values()
    for file in family
    for function, answer in file.ANSWERS.items()
}
