"""What a row of the table of primitives is, and the table itself. The rows are in primitives.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = Any  # an ndarray, or a Tensor that stands in for one
Rule = Callable[..., Array]


@dataclass(slots=True, eq=False)
class Primitive:
    """One row of the table. Called, it computes; called on a Tensor, it is recorded."""

    name: str
    forward: Callable[..., Array]
    vjps: Sequence[Rule | None]  # None: the derivative is 0 where it exists. No rule: no gradient
    math: tuple[str, str]  # as text, as LaTeX, with a and b for the inputs
    rules: tuple[tuple[str, str], ...]  # for each input, likewise
    example: tuple[str, str]  # a call, and what it shows
    numpy: tuple[Callable[..., Any], ...] = ()  # the NumPy functions that mean this primitive
    pullback: Rule | None = None  # instead of vjps: one rule that returns all cotangents
    # What the readers of a graph ask:
    elementwise: bool = False  # operands broadcast; each value depends on one value of each
    reduces: bool = False  # over the axes `axis`, kept if `keepdims`
    predicate: bool = False  # the result is a truth value or an integer, without a gradient
    analytic: bool = False  # `forward` takes complex numbers, and is differentiable there
    infix: int = 0  # how tightly `math` binds: a < b 1, a + b 2, -a 3, a / b 4, a b 5, a^b 6
    core: int | None = None  # operands broadcast in all but so many last axes
    shape: Callable[..., Any] | None = None  # of the result, by the shapes of the inputs
    compute: Callable[..., Array] = field(init=False)  # `forward`, unless fast/ replaces it
    pull: Sequence[Rule | None] = field(init=False)  # `vjps` for arrays, unless fast/ does
    differentiable: bool = field(init=False)  # whether a gradient can flow through it

    def __post_init__(self) -> None:
        self.compute, self.pull = self.forward, self.vjps
        self.differentiable = self.pullback is not None or any(self.vjps)

    def __call__(self, *operands: Any, **params: Any) -> Any:
        """Compute; if an operand is a Tensor, through it, so that it is recorded."""
        for operand in operands:
            if type(operand) is not np.ndarray and hasattr(operand, "__apply_primitive__"):
                return operand.__apply_primitive__(self, operands, params)
        return self.compute(*operands, **params)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:  # pickled by its name, as the functions in it cannot be
        return _row_named, (self.name,)


def _row_named(name: str) -> Primitive:
    return TABLE[name]


TABLE: dict[str, Primitive] = {}
BY_NUMPY: dict[Callable[..., Any], Primitive] = {}


def primitive(name: str, forward: Callable[..., Array], **row: Any) -> Primitive:
    """Add a row to the table."""
    added = TABLE[name] = Primitive(name, forward, **row)
    BY_NUMPY.update(dict.fromkeys(added.numpy, added))
    return added
