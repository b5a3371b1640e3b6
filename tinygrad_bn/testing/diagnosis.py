"""Diagnosis: find the known mistake whose formula predicts the results of an implementation.

A row of the catalogue fits if its formula has the same result as the implementation on every trial
batch, in shape and value. If two rows fit, none is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .batch import Array, Batch
from .catalogue import CATALOGUE, Mistake
from .conventions import EPS
from .expectation import Choices, precision
from .observation import Seen

USUAL_EPS = (EPS, 1e-3, 1e-4, 1e-6, 1e-7, 1e-8, 1e-12)
# In some shapes all sides are equal, so that code that confuses axes runs, too; in some, none are.
SHAPES = {
    2: ((4, 4), (5, 3), (3, 3), (6, 2)),
    4: ((2, 3, 3, 3), (3, 2, 4, 1), (2, 2, 2, 2), (2, 3, 1, 4)),
}


def diagnose(
    observe: Callable[[Batch], dict[str, Seen]], name: str, ndim: int, choices: Choices
) -> Mistake | None:
    """Return the only mistake that explains the results of `name`, or None."""
    rows = [row for row in CATALOGUE if row.seen == name and row.ndim in (None, ndim)]
    trials = [(batch, observe(batch)) for batch in trial_batches(ndim, choices)]
    for eps in USUAL_EPS if choices.eps is None else (choices.eps,):
        with np.errstate(all="ignore"):
            fitting = [row for row in rows if _explains(row, name, trials, eps)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def trial_batches(ndim: int, choices: Choices) -> Iterator[Batch]:
    """Yield random batches of several scales, some of them small, so that eps matters."""
    rng = np.random.default_rng(7)
    for shape, scale in zip(SHAPES[ndim], (1.0, 0.02, 3.0, 0.1), strict=True):
        features = shape[1]
        yield Batch(
            x=rng.standard_normal(shape) * scale + 0.7 * scale,
            gamma=rng.uniform(0.5, 2.0, features) * rng.choice([-1.0, 1.0], features),
            beta=rng.uniform(0.5, 2.0, features),
            dy=rng.standard_normal(shape),
            axis=tuple(i for i in range(ndim) if i != 1),
            running_mean=rng.uniform(-1.0, 1.0, features),
            running_var=rng.uniform(1e-4, 2.0, features),
            momentum=choices.momentum,
            unbiased=choices.unbiased,
            stored=choices.stored,
        )


def _explains(
    row: Mistake, name: str, trials: list[tuple[Batch, dict[str, Seen]]], eps: float
) -> bool:
    compared = 0
    for batch, seen in trials:
        got = seen[name].value if name in seen else None
        predicted = _predicted(row, replace(batch, eps=eps))
        if not isinstance(got, np.ndarray | np.generic):
            if predicted is not None:  # the implementation raised, but the formula does not
                return False
            continue
        if predicted is None or not _agree(np.asarray(got), predicted, precision(batch, seen)):
            return False
        compared += 1
    return compared >= 2


def _predicted(row: Mistake, batch: Batch) -> Array | None:
    """Compute the wrong formula on a batch; None if it raises ValueError, as on some shapes."""
    try:
        return np.asarray(row.wrong(batch))
    except ValueError:
        return None


def _agree(got: Array, predicted: Array, unit: float) -> bool:
    if got.shape != predicted.shape or got.dtype.kind != "f":
        return False
    size: Any = np.max(np.abs(predicted), initial=1e-3)
    return bool(np.all(np.abs(got - predicted) <= 1e5 * unit * size))
