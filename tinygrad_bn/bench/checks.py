"""Checks against the closed form in float64. Only columns with correct results are timed."""

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
    """Prepare every candidate and check its results.

    Returns the candidates that may be timed, and for the others a status and the reason.
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
        except Exception as error:  # any error of a peer: the others are still measured
            wrong = f"raises {type(error).__name__}: {error}"
        if wrong is None:
            steps[name] = step
        else:
            others[name] = (WRONG, wrong)
    return steps, others


def reference(batch: Batch) -> tuple[list[Array], list[Array]]:
    """Compute (y, dx, dgamma, dbeta) in float64, and a tolerance for a float32 result of each.

    Let u be the machine epsilon of float32. A sum of m terms has an error of about sqrt(m) u times
    the sum of their absolute values, since roundings go up as often as down (Higham and Mary, 2019;
    the error of a sum in blocks is smaller). The mean, stored in float32, has an error of about
    sqrt(m) u max|x|, which shifts every x_hat by that divided by std. In the tolerance, sqrt(m) u
    is replaced by 8 (sqrt(m) + 8) u: the 8 in parentheses is for the roundings of the operations
    on each element, the factor 8 is a margin. Even in a batch of 6, the results of a different
    formula differ by more than this tolerance.
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
    """Return what is wrong with the results of a column, or None if they are correct."""
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
