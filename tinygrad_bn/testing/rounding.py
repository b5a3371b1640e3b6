"""The rounding error of a gradient, measured on the gradient itself."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np

from .leaves import Array
from .numerical import Estimate, coarseness
from .piecewise import evaluated, shaken
from .problem import Problem
from .reference import MARGIN

SAMPLES = 6
COARSE = 1000  # so many times the measured rounding shows that a part is computed in float32


def rounding(
    problem: Problem,
    xs: Sequence[Array],
    ws: Sequence[Array],
    got: Sequence[Array],
    estimates: Sequence[Estimate],
    rng: np.random.Generator,
) -> list[Array]:
    """Estimate the rounding error of each element of a gradient.

    The largest of these, times a margin for the small number of samples: its change when every
    input and cotangent changes by one rounding, which also draws all roundings after that anew; its
    change when every intermediate result does, of it and of the gradient by the engine (those that
    can be recorded as programs); the difference between float32 and float64 on the same inputs,
    scaled to the precision of the inputs; and one rounding of the sum of the absolute values of its
    terms.
    """
    units = [max(np.finfo(a.dtype).eps for a in (*xs, g) if a.dtype.kind == "f") for g in got]
    moved = [
        unit * np.maximum(np.abs(g), estimate.scale)
        for unit, g, estimate in zip(units, got, estimates, strict=True)
    ]

    def note(some: Sequence[Array], others: Sequence[Array], scale: float = 1.0) -> None:
        for i, (a, b) in enumerate(zip(some, others, strict=True)):
            off = scale * np.abs(a.astype(np.float64) - b)
            moved[i] = np.fmax(moved[i], np.where(np.isfinite(off), off, 0.0))

    programs = problem.gradient_programs(xs, ws)
    with np.errstate(all="ignore"):
        bases = [[] if program is None else evaluated(program, xs) for program in programs]
        for _ in range(SAMPLES):
            nudged = [[shaken(a, rng) for a in arrays] for arrays in (xs, ws)]
            note(problem.gradients(*nudged), got)
            for program, base in zip(programs, bases, strict=True):
                if program is not None:
                    note(evaluated(program, xs, rng=rng), base)
        with contextlib.suppress(Exception):  # a backward that takes one dtype alone
            single = [x.astype(np.float32) for x in xs]
            double = [x.astype(np.float64) for x in single]
            unit = max(float(np.finfo(x.dtype).eps) for x in xs)
            note(
                problem.gradients(single, [w.astype(np.float32) for w in ws]),
                problem.gradients(double, [w.astype(np.float32).astype(float) for w in ws]),
                unit / float(np.finfo(np.float32).eps),
            )
        if (
            problem.by_hand is not None
            and programs[1] is None
            and all(x.dtype == np.float64 for x in xs)
        ):
            coarse = coarseness(lambda *arrays: problem.gradients(arrays, ws), xs, rng)
            for i, size in enumerate(coarse):
                if size > COARSE * np.max(moved[i], initial=0.0):
                    moved[i] = np.maximum(moved[i], size)
    tiny = [float(np.finfo(g.dtype if g.dtype.kind == "f" else float).tiny) for g in got]
    return [MARGIN * (size + least) for size, least in zip(moved, tiny, strict=True)]
