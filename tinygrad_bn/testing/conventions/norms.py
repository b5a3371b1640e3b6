"""Which norm an implementation is: by its name, or by what its forward computes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..batch import (
    BATCH_NORM,
    GROUP_NORM,
    INSTANCE_NORM,
    LAYER_NORM,
    RMS_NORM,
    Batch,
    Norm,
)

_NAMED: list[tuple[str, Norm]] = [
    (r"layer_?norm|(^|_)ln(_|\d|$)", LAYER_NORM),
    (r"group_?norm|(^|_)gn(_|\d|$)", GROUP_NORM),
    (r"instance_?norm", INSTANCE_NORM),
    (r"rms_?norm", RMS_NORM),
    (r"batch_?norm|(^|_)bn(_|\d|$)", BATCH_NORM),
]
FOUR_AXES = re.compile(r"spatial|2d|4d|conv|image", re.IGNORECASE)
CLOSE = 0.03  # an eps of 0.01 changes the output by 0.005 of it


def named_norm(name: str) -> Norm | None:
    """Return the norm that a name is of, or None.

    >>> named_norm("spatial_groupnorm_forward").name, named_norm("BatchNormalization").name
    ('group norm', 'batch norm')
    """
    return next((n for pattern, n in _NAMED if re.search(pattern, name, re.IGNORECASE)), None)


def axes_to_try(name: str, norm: Norm) -> tuple[int, ...]:
    """Return the numbers of axes that an implementation of this name may take, likely first."""
    if norm.over in ("group", "channel"):
        return (4,)
    return (4, 2) if FOUR_AXES.search(name) else (2, 4)


def is_close(out: Any, batch: Batch) -> bool:
    """Return whether an output is that of a norm on a batch, but for eps and rounding."""
    y = out if isinstance(out, np.ndarray) else None
    if y is None or y.shape != batch.x.shape or y.dtype.kind != "f":
        return False
    return bool(np.all(np.abs(y - batch.y) <= CLOSE * (1 + np.abs(batch.y))))
