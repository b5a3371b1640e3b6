"""The derivation of batch norm's dx as MathML, for the last step of the explorer's page."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..batch_norm import batch_norm
from ..rewrite import derive
from . import mathml


@cache
def steps() -> list[dict[str, Any]]:
    """Return the steps: each a name (None: as before), a formula, and the law that gives it."""
    found = derive(batch_norm, np.zeros((2, 3)), np.ones(3), np.zeros(3))
    shown: list[dict[str, Any]] = []
    before = None
    for step in found.steps:
        shown.append(
            {
                "name": None if step.name == before else mathml.tree(step.name_latex),
                "formula": mathml.tree(f"= {step.latex}"),
                "law": mathml.tree(step.law_latex),
            }
        )
        before = step.name
    return shown
