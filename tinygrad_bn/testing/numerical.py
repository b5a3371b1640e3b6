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

MARGIN = 4  # for rounding errors, of which only a few samples are measured


@dataclass(frozen=True)
class Estimate:
    """A numerical gradient, a bound on the error of each element, and the scale of its terms.

    An element is a sum over the outputs of f; `scale` is the sum of the absolute values of these
    terms, to which rounding and cancellation are to be compared. An infinite error means that no
    derivative was found: a kink, or a point where f is not finite.
    """

    value: Array
    error: Array
    scale: Array
    kinks: Array  # where the slopes to both sides differ


def exact(value: Array) -> Estimate:
    """Make an estimate of a derivative that is known."""
    nothing = np.zeros(value.shape)
    return Estimate(value, nothing, np.abs(value), nothing.astype(bool))


def slope(
    f: Callable[[float], tuple[float, float]], step: float, ratio: float, levels: int
) -> tuple[float, float]:
    """Differentiate f at 0: return the derivative and a bound on its error.

    f returns a value and the rounding error of that value. The steps are `step`, divided by `ratio`
    again and again. The error of an extrapolation is bounded by its differences from the two
    estimates that it is made of, plus rounding, which is divided by the step. An estimate is given
    up if a difference over a smaller step contradicts it: then f varies over shorter distances.
    """
    row: list[float] = []
    best: list[tuple[float, float]] = []  # of each level: the estimate, and its error
    plain: list[tuple[float, float]] = []  # the difference itself, and its rounding
    for _ in range(levels):
        (ahead, a), (behind, b) = f(step), f(-step)
        coarser, row = row, [(ahead - behind) / (2 * step)]
        plain.append((row[0], (a + b) / step))
        found = (np.nan, np.inf)
        for k, previous in enumerate(coarser, start=1):
            row.append(row[-1] + (row[-1] - previous) / (ratio ** (2 * k) - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - previous)) + (a + b) / step
            if error < found[1]:  # false for the NaN of a step that leaves the domain
                found = row[-1], error
        best.append(found)
        step /= ratio
    first = 0
    while first < levels:
        level = min(range(first, levels), key=lambda k: best[k][1])
        value, error = best[level]
        against = [
            k
            for k in range(level + 1, levels)
            if abs(plain[k][0] - value) > 2 * (error + plain[k][1])
        ]
        if not against:
            return value, error
        first = against[0]
    return np.nan, np.inf


def has_kink(
    f: Callable[[float], tuple[float, float]], step: float, ratio: float, levels: int
) -> bool:
    """Return whether the slopes of f to both sides of 0 differ by more than rounding explains.

    The difference of the two slopes over a step h is h f'' + O(h^3) for a smooth f, and goes to 0
    with h; at a kink it stays. The shortest step that shows a difference above rounding decides.
    If a difference half as large would show over the next shorter step, but does not, it is no
    kink; otherwise it is one if it is more than half of the difference over the next longer step.
    """
    middle, c = f(0.0)
    jumps, rounding = [], []
    for _ in range(levels):
        (ahead, a), (behind, b) = f(step), f(-step)
        jumps.append(abs(ahead - 2 * middle + behind) / step)
        rounding.append(8 * (a + b + 2 * c) / step)
        step /= ratio
    seen = [k for k in range(levels) if jumps[k] > rounding[k]]  # false for NaN
    if not seen or seen[-1] == 0:
        return False
    last = seen[-1]
    if last + 1 < levels and rounding[last + 1] < jumps[last] / 2:
        return False
    return not jumps[last] < jumps[last - 1] / 2


def vjp(
    f: Callable[..., Array],
    xs: Sequence[Array],
    w: Array,
    steps: Sequence[Array],
    *,
    ratio: float = 2.0,
    levels: int = 4,
) -> list[Estimate]:
    """Differentiate sum(w * f(*xs)) by every element of every x; `steps` are the first steps.

    The rounding error of f is measured, not assumed: by how much the sum moves when every input
    moves by one rounding, here and a step away. So it includes what is lost inside of f.
    """
    noise = _noise(f, xs, w, steps)
    estimates = []
    for i, x in enumerate(xs):
        value, error, scale = np.zeros(x.shape), np.zeros(x.shape), np.zeros(x.shape)
        kinks = np.zeros(x.shape, bool)
        for place in np.ndindex(x.shape):

            def terms(t: float, i: int = i, place: tuple[int, ...] = place) -> Array:
                shifted = [np.array(each, copy=True) for each in xs]
                shifted[i][place] += t
                return np.asarray(w * np.asarray(f(*shifted)), np.float64)

            def moved(t: float, terms: Callable[[float], Array] = terms) -> tuple[float, float]:
                return float(np.sum(terms(t))), noise

            step = float(steps[i][place])
            value[place], bound = slope(moved, step, ratio, levels)
            error[place] = MARGIN * bound
            scale[place] = np.sum(np.abs(terms(step / 8) - terms(-step / 8))) / (step / 4)
            if has_kink(moved, step, ratio, levels):
                error[place], kinks[place] = np.inf, True
        estimates.append(Estimate(value, error, scale, kinks))
    return estimates


def _noise(f: Callable[..., Array], xs: Sequence[Array], w: Array, steps: Sequence[Array]) -> float:
    """Bound the rounding error of sum(w * f) at xs and around."""
    rng = np.random.default_rng(0)
    largest = 0.0

    def total(*arrays: Array) -> list[Array]:
        return [np.asarray(np.sum(np.asarray(w * np.asarray(f(*arrays)), np.float64)))]

    for away in (0.0, 0.5, -1.0):
        at = [
            x + away * step * rng.uniform(0.5, 1, x.shape)
            for x, step in zip(xs, steps, strict=True)
        ]
        y = np.asarray(f(*at))
        unit = float(np.finfo(y.dtype if y.dtype.kind == "f" else np.float64).eps)
        here = np.asarray(w * y, np.float64)
        bounds = [4 * unit * float(np.sum(np.abs(here)))]
        for _ in range(4):
            nudged = [
                x * (1 + np.finfo(np.float64).eps * rng.choice([-1.0, 1.0], x.shape)) for x in at
            ]
            bounds.append(2 * abs(float(total(*nudged)[0] - np.sum(here))))
        bounds.append(2 * coarseness(total, at, rng)[0])
        finite = [bound for bound in bounds if np.isfinite(bound)]
        largest = max([largest, *finite])
    return largest


def coarseness(
    f: Callable[..., Sequence[Array]], xs: Sequence[Array], rng: np.random.Generator
) -> list[float]:
    """Measure the rounding error of each result of f, also if it computes in a lower precision.

    The measure is a second difference, f(x + h) - 2 f(x) + f(x - h). Over an h four times as long
    it grows 16-fold while f is smooth, and 4-fold at a kink; rounding does not grow. So the result
    is the largest second difference that is followed by one of less than three times its size. The
    h are from one rounding in float64 to a rounding in float32.
    """
    signs = [rng.choice([-1.0, 1.0], x.shape) for x in xs]
    middle = f(*xs)
    found, last = [0.0] * len(middle), [np.inf] * len(middle)
    for k in range(16):
        h = 4.0**k * float(np.finfo(np.float64).eps)
        ahead = f(*(x * (1 + h * s) for x, s in zip(xs, signs, strict=True)))
        behind = f(*(x * (1 - h * s) for x, s in zip(xs, signs, strict=True)))
        for i, (a, m, b) in enumerate(zip(ahead, middle, behind, strict=True)):
            second = float(np.max(np.abs(np.subtract(a, m) + np.subtract(b, m)), initial=0.0))
            if found[i] < last[i] < np.inf and second < 3 * last[i]:
                found[i] = last[i]
            last[i] = second
    return found
