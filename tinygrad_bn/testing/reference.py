"""The derivative that a gradient is compared with, and the bound on its error.

The function is recorded on Tensors and its program is evaluated on complex numbers (piecewise.py).
A function that cannot be recorded faithfully is differentiated by differences (numerical.py). In
both ways the error is measured, and kinks are found by one-sided derivatives that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..program import Program
from .numerical import Array, Estimate, vjp
from .piecewise import Decisions, evaluated, supports

STEP = 1e-30
UNIT = float(np.finfo(np.float64).eps)
LEVELS = 18  # of differences: the last step is 4^-18 of the first, where rounding drowns all
MARGIN = 16  # for rounding errors, of which only some samples are measured
SAMPLES, WIDE_MARGIN = 3, 64  # for each derivative: fewer samples, and a wider margin
Outputs = Callable[[Sequence[Array]], list[Array]]


def derivative(
    f: Outputs,
    program: Program | None,
    xs: Sequence[Array],
    ws: Sequence[Array],
    rng: np.random.Generator,
) -> tuple[list[Estimate], str]:
    """Differentiate the sum of all ``w * y`` of the outputs by every element of every x.

    `program` is f as it was recorded at `xs`, or None. Returns the estimates and the method.
    """
    wide = [x.astype(np.float64) for x in xs]
    if program is not None and supports(program):
        with np.errstate(all="ignore"):
            if _is_faithful(f, program, wide, rng):
                try:
                    return ComplexStep(program, xs, ws, rng).estimates(), "complex step"
                except (TypeError, ValueError):  # an operation that takes no complex numbers
                    pass
    shapes = [y.shape for y in f(wide)]
    w = np.concatenate([np.ravel(np.broadcast_to(w, s)) for w, s in zip(ws, shapes, strict=True)])

    def joined(*arrays: Array) -> Array:
        ys = f(arrays)
        narrow = min((y.dtype for y in ys), key=lambda dtype: dtype.itemsize)
        return np.concatenate([np.ravel(y) for y in ys]).astype(narrow)

    steps = [np.maximum(np.abs(x), 1.0) / 8 for x in wide]
    with np.errstate(all="ignore"):
        return vjp(joined, wide, w, steps, ratio=4.0, levels=LEVELS), "central differences"


def _is_faithful(
    f: Outputs, program: Program, wide: Sequence[Array], rng: np.random.Generator
) -> bool:
    """Return whether a program computes f also at points nearby, to both sides.

    It does not if f computes something that was not recorded, such as a constant made from an
    input, or if f goes another way there.
    """
    sizes = [float(np.max(np.abs(x), initial=0.0)) or 1.0 for x in wide]
    steps = [
        x * 2**-10 * rng.uniform(-1, 1, x.shape) + 2**-14 * size * rng.uniform(-1, 1, x.shape)
        for x, size in zip(wide, sizes, strict=True)
    ]
    try:
        return all(
            _is_equal(f, program, [x + side * h for x, h in zip(wide, steps, strict=True)], rng)
            for side in (1, -1)
        )
    except Exception:  # such as a ValueError of the user's function for other values
        return False


def _is_equal(f: Outputs, program: Program, xs: Sequence[Array], rng: np.random.Generator) -> bool:
    """Return whether a program computes f up to rounding, which is measured."""
    expected, found = f(xs), evaluated(program, xs)
    shaken = [evaluated(program, xs, rng=rng) for _ in range(4)]
    for k, (a, b) in enumerate(zip(expected, found, strict=True)):
        rounding = np.max([np.abs(ys[k] - b) for ys in shaken], axis=0)
        unit = float(np.finfo(b.dtype).eps) if b.dtype.kind == "f" else 0.0
        bound = MARGIN * np.max(rounding + unit * np.abs(b), initial=0.0)
        if a.shape != b.shape or not np.all((np.abs(a - b) <= bound) | (a == b)):
            return False
    return True


class ComplexStep:
    """The derivatives of a program at one point, each to both sides."""

    def __init__(
        self,
        program: Program,
        xs: Sequence[Array],
        ws: Sequence[Array],
        rng: np.random.Generator,
    ) -> None:
        self.program, self.ws, self.rng = program, ws, rng
        self.xs = [x.astype(complex) for x in xs]
        self.tolerances = self._tolerances(xs)

    def _tolerances(self, xs: Sequence[Array]) -> list[Array]:
        """Measure how uncertain by rounding the numbers are whose signs are asked for.

        The rounding is that of the dtype in which the function was recorded.
        """
        exact = Decisions()
        evaluated(self.program, self.xs, exact, dtype=complex)
        largest = [4 * UNIT * np.abs(d) for d in exact.asked]
        for _ in range(6):
            ask = Decisions()
            evaluated(self.program, xs, ask, rng=self.rng)
            for i, (d, own) in enumerate(zip(exact.asked, ask.asked, strict=True)):
                off = np.abs(d - own)
                largest[i] = np.fmax(largest[i], off)
        return [MARGIN * bound for bound in largest]

    def estimates(self) -> list[Estimate]:
        """Differentiate by every element of every input."""
        return [self._estimate(i) for i in range(len(self.xs))]

    def _estimate(self, i: int) -> Estimate:
        shape = self.xs[i].shape
        value, error, scale = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        kinks = np.zeros(shape, bool)
        for place in np.ndindex(shape):
            terms, total, tied = self._towards(i, place, 1)
            value[place], scale[place] = _sum(terms), _sum([np.abs(t) for t in terms])
            bound, jump = 64 * UNIT * scale[place], 64 * UNIT * abs(total)
            for _ in range(SAMPLES):
                again, shaken, _ = self._towards(i, place, 1, self.rng)
                bound = max(bound, WIDE_MARGIN * abs(_sum(again) - value[place]))
                jump = max(jump, WIDE_MARGIN * abs(shaken - total))
            if tied:
                behind, other, _ = self._towards(i, place, -1)
                same = min(2 * bound, scale[place] / 10)
                kinks[place] = not (
                    abs(_sum(behind) - value[place]) <= same and abs(other - total) <= jump
                )
            error[place] = bound if np.isfinite(value[place] + bound) else np.inf
        return Estimate(value, error, scale, kinks)

    def _towards(
        self, i: int, place: tuple[int, ...], side: int, rng: np.random.Generator | None = None
    ) -> tuple[list[Array], float, bool]:
        """Return the terms of the derivative to one side, the sum of all w y, and if ties arose."""
        moved = list(self.xs)
        moved[i] = moved[i].copy()
        moved[i][place] += side * STEP * 1j
        ask = Decisions(self.tolerances)
        ys = evaluated(self.program, moved, ask, dtype=complex, rng=rng)
        terms = [w * (y.imag / (side * STEP)) for w, y in zip(self.ws, ys, strict=True)]
        return terms, _sum([w * y.real for w, y in zip(self.ws, ys, strict=True)]), ask.ties


def _sum(terms: Sequence[Any]) -> float:
    return float(sum(float(np.sum(t)) for t in terms))
