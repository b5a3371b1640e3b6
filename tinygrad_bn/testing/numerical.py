"""Numerical derivatives with bounds on their errors.

Central differences are extrapolated to step 0 (Richardson) by the method of Ridders (1982): every
step size has an estimate and an error, and the estimate with the smallest error is returned. Only
NumPy is used. The functions map arrays to arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Estimate:
    """A numerical gradient, and for each element a bound on its error."""

    value: Array
    error: Array


def slope(
    f: Callable[[float], tuple[float, float]], step: float, ratio: float, levels: int
) -> tuple[float, float]:
    """Differentiate f at 0; return the derivative and a bound on its error.

    f returns a value and the rounding error of that value. The first step is `step`; each further
    one is the step before divided by `ratio`. An extrapolation is computed from two estimates. Its
    difference from them bounds its truncation error. Its rounding error is that of f divided by
    the step.
    """
    best, smallest = np.nan, np.inf
    row: list[float] = []
    for _ in range(levels):
        (ahead, a), (behind, b) = f(step), f(-step)
        coarser, row = row, [(ahead - behind) / (2 * step)]
        for k, previous in enumerate(coarser, start=1):
            row.append(row[-1] + (row[-1] - previous) / (ratio ** (2 * k) - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - previous)) + (a + b) / step
            if error < smallest:  # false for NaN, as from a step that leaves the domain
                best, smallest = row[-1], error
        step /= ratio
    return best, smallest


def vjp(
    f: Callable[..., Array],
    xs: Sequence[Array],
    w: Array,
    steps: Sequence[Array],
    *,
    ratio: float = 2.0,
    levels: int = 4,
) -> list[Estimate]:
    """Differentiate sum(w * f(*xs)) with respect to every element of every x.

    `steps` are the first steps of the differences.
    """

    def weighted(y: Array) -> tuple[float, float]:
        unit = np.finfo(y.dtype if y.dtype.kind == "f" else np.float64).eps
        return float(np.sum(w * y)), 4 * float(unit * np.sum(np.abs(w * y)))

    estimates = []
    for i, x in enumerate(xs):
        value, error = np.zeros(x.shape), np.zeros(x.shape)
        for place in np.ndindex(x.shape):

            def moved(t: float, i: int = i, place: tuple[int, ...] = place) -> tuple[float, float]:
                shifted = [np.array(each, copy=True) for each in xs]
                shifted[i][place] += t
                return weighted(np.asarray(f(*shifted)))

            value[place], error[place] = slope(moved, float(steps[i][place]), ratio, levels)
        estimates.append(Estimate(value, error))
    return estimates
