"""Speed, and nothing else: quicker ways to compute what rows of the table compute.

Each is attached to a row, as its ``compute`` or as its rules for arrays (``pull``); the row itself
stays plain NumPy. Switched off, with the environment variable TINYGRAD_BN_FAST=0, everything works
as before: the numbers are the same, or differ by the rounding that the replacement states.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from .. import primitives as P
from .. import shapes
from ..table import Array, Primitive
from . import arithmetic, rules, sums
from .allocator import leave_allocator_alone

QUICKER: dict[Primitive, Callable[..., Array]] = {
    P.add: arithmetic.add, P.sub: sums.difference, P.mul: arithmetic.multiply,
    P.div: arithmetic.divide, P.sum: sums.sum, P.mean: sums.mean,
    shapes.broadcast_to: arithmetic.repeated,
}  # fmt: skip


def attach() -> None:
    """Attach every quicker way to its row."""
    for row, compute in QUICKER.items():
        row.compute = compute
    for row, pull in rules.RULES.items():
        row.pull = pull


ON = os.environ.get("TINYGRAD_BN_FAST", "1") != "0"
if ON:
    attach()

__all__ = ["ON", "QUICKER", "attach", "leave_allocator_alone"]
