"""Which of NumPy's functions a Tensor answers, as a table: for the reference, and for its test.

Every public function that asks its arguments for an answer of their own is in one group. The table
is made from what answers, so it cannot say anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import primitives
from .families import FAMILIES
from .families.refused import reason
from .numpy_functions import FUNCTIONS, PLAIN
from .table import BY_NUMPY, TABLE, Primitive

MODULES = {
    "np": np, "np.linalg": np.linalg, "np.fft": np.fft, "np.emath": np.emath,
    "np.lib.stride_tricks": np.lib.stride_tricks,
}  # fmt: skip
LESSON = "Of the lesson"
SUPPORTED = "Supported: a row of the table"
COMPOSED = "Composed of rows"
PLAINLY = "Answered with plain arrays"
REFUSED = "Refused"


def public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield NumPy's public functions that ask a Tensor, each once, with its name."""
    seen: set[Any] = set()
    for prefix, module in MODULES.items():
        for name in dir(module):
            function = getattr(module, name)
            asks = hasattr(function, "_implementation") or isinstance(function, np.ufunc)
            own = asks and getattr(module, function.__name__, None) is function
            if asks and function not in seen and (own or not hasattr(np, function.__name__)):
                seen.add(function)
                yield f"{prefix}.{function.__name__ if own else name}", function


def numpy_table() -> dict[str, dict[str, list[str]]]:
    """List NumPy's functions by what comes of a call with a Tensor, and by family or reason.

    >>> table = numpy_table()
    >>> "np.log1p" in table["Supported: a row of the table"]["Functions of numbers"]
    True
    >>> [name for names in table["Refused"].values() for name in names if "solve" in name]
    ['np.linalg.tensorsolve']
    """
    rows = {*BY_NUMPY, *[getattr(np, name, None) for name in TABLE]}
    family_of = _families()
    table: dict[str, dict[str, list[str]]] = {
        group: {} for group in (SUPPORTED, COMPOSED, PLAINLY, REFUSED)
    }
    for name, function in public_functions():
        if function in PLAIN:
            group, part = PLAINLY, "Truth values, integers, shapes, texts"
        elif function in rows:
            group, part = SUPPORTED, family_of.get(function, LESSON)
        elif function in FUNCTIONS:
            group, part = COMPOSED, family_of.get(function, LESSON)
        else:
            group, part = REFUSED, reason(function)
        table[group].setdefault(part, []).append(name)
    return table


def _families() -> dict[Callable[..., Any], str]:
    found: dict[Callable[..., Any], str] = {}
    for family, files in FAMILIES.items():
        found.update({function: family for file in files for function in file.ANSWERS})
    for family, files in FAMILIES.items():
        for row in [value for file in files for value in vars(file).values()]:
            for function in row.numpy if isinstance(row, Primitive) else ():
                found.setdefault(
                    function, LESSON if vars(primitives).get(row.name) is row else family
                )
    return found
