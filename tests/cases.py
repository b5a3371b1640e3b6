"""Cases for the rows of the table: a primitive, the shapes of its inputs, and a domain.

Those of the families of NumPy functions stand here; test_primitives.py has those of the lesson, and
tests all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from conftest import apart

from tinygrad_bn import primitives as P
from tinygrad_bn.autodiff import fit
from tinygrad_bn.families import (
    cumulative,
    elementwise,
    linear_algebra,
    moving,
    reductions,
    sinc,
    steps,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A primitive at inputs of some shapes: a function to differentiate, and where."""

    op: P.Primitive
    shapes: Sequence[Shape]
    params: dict[str, Any] = field(default_factory=dict)
    domain: tuple[float, float] = (-2.0, 2.0)
    analytic: bool = True  # whether the forward function takes complex numbers
    first: tuple[Any, ...] = field(
        default=(), repr=False
    )  # operands without a gradient, before the inputs
    last: tuple[Any, ...] = field(default=(), repr=False)  # and behind them

    def __str__(self) -> str:
        params = ",".join(f"{key}={value}" for key, value in self.params.items())
        return f"{self.op}{list(self.shapes)}{params}".replace(" ", "").replace("\n", "")

    def __call__(self, *xs: Any) -> Any:
        return self.op(*self.first, *xs, *self.last, **self.params)

    def inputs(self, rng: np.random.Generator) -> Sequence[np.ndarray]:
        return apart(rng, self.shapes, *self.domain)

    def part(self, i: int, w: Any, *xs: Any) -> Any:
        """Apply the rule for input i."""
        operands = (w, self(*xs), *self.first, *xs, *self.last)
        if self.op.pullback is not None:
            return self.op.pullback(*operands, **self.params)[i]
        return self.op.vjps[len(self.first) + i](*operands, **self.params)

    def rule(self, i: int, w: Any, *xs: Any) -> Any:
        """Apply it, and undo broadcasting: what the reverse pass hands to input i."""
        return fit(np.asarray(self.part(i, w, *xs)), xs[i])


def rows(
    ops: Sequence[P.Primitive],
    shape_lists: Sequence[Sequence[Shape]],
    params: Sequence[dict[str, Any]] = ({},),
    **options: Any,
) -> Iterator[Case]:
    """Combine each primitive, each list of input shapes and each choice of parameters."""
    for op, shape_list, choice in product(ops, shape_lists, params):
        yield Case(op, shape_list, choice, **options)


EACH = [[()], [(4,)], [(2, 3)]]
PAIRS: list[list[Shape]] = [[(2, 3), (2, 3)], [(2, 3), (3,)], [(2, 1), (1, 3)], [(), (2, 3)]]
POSITIVE = {"domain": (0.5, 2.0)}
KINKED = {"analytic": False}
BELOW_1 = {"domain": (-0.9, 0.9)}
ABOVE_1 = {"domain": (1.2, 3.0)}
AXES = [{"axis": a, "keepdims": k} for a in [(), (1,), (0, 2), (0, 1, 2)] for k in (False, True)]
ALONG = [{"axis": 0}, {"axis": 1}]


def well_posed(n: int, seed: int) -> np.ndarray:
    """Give a matrix to add to a small one, so that the sum has an inverse that is not large."""
    return 4 * np.eye(n) + np.random.default_rng(seed).uniform(-1, 1, (n, n))


@dataclass(frozen=True)
class Matrices(Case):
    """A function of matrices: those drawn, and a well-posed one added to the first."""

    positive: bool = False

    def inputs(self, rng: np.random.Generator) -> Sequence[np.ndarray]:
        first, *others = super().inputs(rng)
        base = well_posed(first.shape[-1], 0)
        return [(base @ base.T if self.positive else base) + first / 2, *others]


e, s, m, c, l = elementwise, steps, moving, cumulative, linear_algebra  # noqa: E741

FAMILIES: list[Case] = [
    *rows([e.log1p, e.expm1, e.exp2, e.sinh, e.cosh, e.arctan], EACH, **BELOW_1),
    *rows([e.tan, e.arcsin, e.arccos, e.arctanh, e.one_minus_square], EACH, **BELOW_1),
    *rows([e.log2, e.log10], EACH, **POSITIVE),
    *rows([e.arccosh], EACH, **ABOVE_1),
    *rows([e.arcsinh], EACH, **KINKED),
    *rows([sinc.sinc], EACH),
    *rows([sinc.spherical_bessel], EACH, [{"n": 0}, {"n": 1}, {"n": 3}]),
    *rows([e.cbrt], EACH, **POSITIVE, **KINKED),
    *rows([e.hypot, e.direction, e.arctan2, e.logaddexp, e.logaddexp2], PAIRS, **KINKED),
    *rows([s.floor, s.ceil, s.trunc, s.rint], EACH, domain=(-1.45, 1.45), **KINKED),
    *rows([s.round], EACH, [{"decimals": 0}], domain=(-1.45, 1.45), **KINKED),
    *rows([s.floor_divide, s.remainder, s.fmod], EACH, last=(0.75,), domain=(0.8, 1.4), **KINKED),
    *rows([s.remainder, s.fmod], PAIRS, domain=(1.1, 1.9), **KINKED),
    *rows([s.fmax, s.fmin], PAIRS, **KINKED),
    *rows([s.copysign], EACH, last=(-0.75,), **KINKED),
    Case(s.heaviside, [(2, 3)], first=(np.array([[-1.0, 0.0, 1.0]], np.float16),), **KINKED),
    *rows([c.cumsum, c.cumprod], [[(3, 4)], [(1, 2)]], ALONG),
    *rows([c.recurrence], [[(3, 2), (3, 2)], [(2, 1), (2, 1)]], ALONG),
    *rows([c.prod], [[(2, 3, 2)]], AXES),
    *rows([reductions.norm], [[(2, 3, 2)]], [{"axis": a, "keepdims": k} for a, k in
                                             [((1,), False), ((0, 2), True), ((0, 1, 2), False)]]),
    *rows([c.flip], [[(2, 3)]], [{"axis": (0,)}, {"axis": (0, 1)}]),
    *rows([m.roll], [[(2, 3)]], [{"shift": n, "axis": a} for n, a in
                                 [((1, -4), (0, 1)), ((2,), (1,))]]),
    *rows([m.tril, m.triu], [[(2, 3)], [(2, 2, 2)]], [{"k": 0}, {"k": -1}, {"k": 1}]),
    *(Matrices(op, [shape]) for op in (l.inv,) for shape in [(2, 2), (2, 3, 3)]),
    *(Matrices(op, [(2, 3, 3)], analytic=False) for op in
      (l.det, l.cofactor, l.logabsdet, l.sign_of_det)),
    *(Matrices(l.solve, pair) for pair in
      [[(3, 3), (3, 2)], [(2, 3, 3), (3, 1)], [(2, 2), (2, 1, 2, 2)]]),
    *rows([l.pinv], [[(3, 2)], [(2, 2, 3)]], [{"rcond": 1e-12}], **KINKED),
    *(Matrices(l.cholesky, [shape], analytic=False, positive=True) for shape in
      [(2, 2), (2, 3, 3)]),
]  # fmt: skip
