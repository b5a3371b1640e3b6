"""Nothing is timed before it is right: results held against the closed form in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import closed_form
from .peers import EPS, AbsentError, Array, Batch, Step, numpy_array
from .records import ABSENT, WRONG

NAMES = ("y", "dx", "dgamma", "dbeta")


def admitted(
    candidates: Mapping[str, Callable[[], Step]], fault_of: Callable[[Any], str | None]
) -> tuple[dict[str, Step], dict[str, tuple[str, str]]]:
    """Prepare every candidate and look at what it gives.

    Returns those that may be timed, and of the others the status and the reason.
    """
    steps: dict[str, Step] = {}
    others: dict[str, tuple[str, str]] = {}
    for name, prepare in candidates.items():
        try:
            step = prepare()
            wrong = fault_of(step())
        except AbsentError as reason:
            others[name] = (ABSENT, str(reason))
            continue
        except Exception as error:  # a peer's: whatever it is, the others can still be measured
            wrong = f"raises {type(error).__name__}: {error}"
        if wrong is None:
            steps[name] = step
        else:
            others[name] = (WRONG, wrong)
    return steps, others


def reference(batch: Batch) -> tuple[list[Array], list[Array]]:
    """Compute (y, dx, dgamma, dbeta) in float64, and how far a float32 result may be from each.

    With u the machine epsilon of float32: a sum of m terms is off by about sqrt(m) u times the
    sum of their sizes, since roundings go up as often as down (Higham and Mary, 2019; a sum in
    blocks does better). The mean, kept in float32, is off by as much of max|x|, which shifts
    every x_hat by that over std. Eight times both is allowed, and 8 more roundings for what is
    done to each element: less than any other formula would be off by in a batch of 6.
    """
    x, gamma, beta, dy = (array.astype(np.float64) for array in batch)
    y, cache = closed_form.forward(x, gamma, beta, eps=EPS)
    expected = [y, *closed_form.backward_compact(dy, cache)]

    m, axes = cache.m, batch.axes
    r = 8 * (np.sqrt(m) + 8) * float(np.finfo(np.float32).eps)
    x_hat, dy = np.abs(cache.x_hat), np.abs(dy)
    shift = cache.largest / cache.std
    a = dy.mean(axes, keepdims=True)
    b = (dy * x_hat).mean(axes, keepdims=True)
    scale = np.abs(cache.gamma)
    tolerances = [
        r * (scale * (x_hat + shift) + np.abs(beta).reshape(cache.gamma.shape)),
        r * scale / cache.std * (dy + a + x_hat * b + shift * (b + x_hat * a)),
        (r * m * (b + shift * a)).reshape(gamma.shape),
        (r * m * a).reshape(gamma.shape),
    ]
    return expected, tolerances


def fault(
    results: Sequence[Any],
    expected: Sequence[Array],
    tolerances: Sequence[Any],
    names: Sequence[str] = NAMES,
) -> str | None:
    """Say what is wrong with a column's results, or None if they are right."""
    if len(results) != len(expected):
        return f"gives {len(results)} results, not {len(expected)}"
    for name, result, value, tolerance in zip(names, results, expected, tolerances, strict=True):
        if result is None:
            return f"{name} is missing"
        array = numpy_array(result)
        if array.shape != value.shape:
            return f"{name} has shape {array.shape}, not {value.shape}"
        if array.dtype != np.float32:
            return f"{name} is {array.dtype}, not float32"
        off = np.abs(array - value)
        if not (off <= tolerance).all():  # also where it is NaN
            return f"{name} is off by up to {float(np.max(off)):.2g}"
    return None
