"""GradientReport: a gradient beside the derivative, within the errors of both, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .numerical import Array, Estimate

SMALL = float(np.sqrt(np.finfo(np.float64).eps))  # beside the largest element of the same input


@dataclass(frozen=True)
class GradientReport:
    """The result of ``gradcheck``. It is false only if the gradient is wrong; print it for details.

    `verdict` is "right", "wrong" or "cannot tell". It is "wrong" only where the gradient lies
    outside of the error of the numerical derivative, and "right" only where all elements agree to
    a hundredth of the terms that they are sums of. `reason` names what is in the way of either.

    `worst_name`, the input number `worst_input`, and `worst_element` are the place where the
    difference is largest in proportion to the `tolerance` there. `expected` is the numerical
    derivative there, and `got` the gradient that is checked. `code` replays a wrong case.
    """

    verdict: str
    method: str
    order: int = 1
    checked: int = 0
    worst_input: int = 0
    worst_element: tuple[int, ...] = ()
    expected: float = np.nan
    got: float = np.nan
    tolerance: float = np.nan
    problem: str = ""
    reason: str = ""
    worst_name: str = ""
    code: str = ""
    what: str = "gradient"

    @property
    def ok(self) -> bool:
        """Whether it is not wrong."""
        return self.verdict != "wrong"

    def __bool__(self) -> bool:
        return self.ok

    def raise_if_wrong(self) -> None:
        """Raise AssertionError with the whole report if the verdict is "wrong".

        >>> from tinygrad_bn.testing import gradcheck
        >>> gradcheck(lambda x: x**3, [1.0, 2.0]).raise_if_wrong()
        """
        if not self.ok:
            raise AssertionError(repr(self))

    def with_code(self, code: str) -> GradientReport:
        """Return the report with code that replays it."""
        return replace(self, code=code)

    def __repr__(self) -> str:
        return self._head() + (f"\nTo replay it:\n\n{self.code}" if self.code else "")

    def _head(self) -> str:
        what = self.what if self.order == 1 else f"{self.what} of order {self.order}"
        if self.problem:
            return f"the {what} is wrong: {self.problem}"
        if self.verdict == "cannot tell":
            return f"whether the {what} is right cannot be told ({self.method})\n  {self.reason}"
        if self.ok:
            head = f"the {what} agrees in all {self.checked} elements ({self.method})"
        else:
            head = f"the {what} is wrong ({self.method})"
        return (
            f"{head}\n  {'nearest to failing' if self.ok else 'worst'} at "
            f"{place_of(self.worst_name, self.worst_element)}: {self._numbers()}"
        )

    def _numbers(self) -> str:
        digits = next(
            (n for n in range(6, 17) if f"{self.expected:.{n}g}" != f"{self.got:.{n}g}"), 6
        )
        return (
            f"expected {self.expected:.{digits}g}, got {self.got:.{digits}g}, "
            f"sure to within {self.tolerance:.2g}"
        )


@dataclass(frozen=True)
class Tolerance:
    """A tolerance that the caller has chosen: ``atol + rtol * abs(expected)``."""

    rtol: float
    atol: float

    @staticmethod
    def given(rtol: float | None, atol: float | None) -> Tolerance | None:
        """Make one of what was given; None for nothing. Raises ValueError if it is negative."""
        if rtol is None and atol is None:
            return None
        chosen = Tolerance(rtol or 0.0, atol or 0.0)
        if not (0 <= chosen.rtol < np.inf and 0 <= chosen.atol < np.inf):
            raise ValueError(f"gradcheck: rtol={rtol} and atol={atol} must be 0 or more")
        return chosen


def place_of(name: str, place: tuple[int, ...]) -> str:
    """Write a place in an array as Python reads it."""
    return f"{name}[{', '.join(map(str, place))}]" if place else name


@dataclass(frozen=True)
class Element:
    """One element of a gradient, beside the derivative."""

    got: float
    expected: float
    error: float  # of the derivative
    rounding: float  # of the gradient
    agreed: float  # a difference so small counts as agreement

    @property
    def off(self) -> float:
        """How far the gradient is off; infinite if it is not a number."""
        off = abs(self.got - self.expected)
        return off if np.isfinite(off) else np.inf

    def judged(self, chosen: Tolerance | None) -> tuple[float, bool]:
        """Return the bound on the difference, and whether a smaller one is agreement."""
        if chosen is None:
            return self.error + self.rounding, self.off <= self.agreed
        allowed = chosen.atol + chosen.rtol * abs(self.expected)
        return self.error + allowed, self.off + self.error <= max(allowed, self.error)


def compared(
    names: Sequence[str],
    got: Sequence[Array],
    estimates: Sequence[Estimate],
    rounding: Sequence[Array],
    floors: Sequence[float],
    chosen: Tolerance | None,
    method: str,
    order: int,
) -> GradientReport:
    """Compare each gradient with the derivative, element by element, and make the report.

    A difference below the floor of an input is not seen in the function: it counts as agreement.
    """
    report = GradientReport("right", method, order, sum(g.size for g in got), worst_name=names[0])
    worst, wrong = -1.0, False
    for i, (name, g, estimate) in enumerate(zip(names, got, estimates, strict=True)):
        sizes = np.maximum(estimate.scale, np.abs(estimate.value))
        finite = np.where(np.isfinite(sizes), sizes, 0.0)
        scale = np.maximum(finite, SMALL * np.max(finite, initial=0.0))
        for place in np.ndindex(g.shape):
            where = place_of(name, place)
            known = (
                estimate.error[place] < np.inf
                if np.isfinite(g[place])
                else (estimate.error[place] < scale[place])
            )
            if estimate.kinks[place] or not known:
                reason = f"the derivative at {where} is not known to a single digit"
                if estimate.kinks[place]:
                    reason = f"the function has a kink at {where}"
                report = replace(report, reason=reason)
                continue
            element = Element(
                float(g[place]), float(estimate.value[place]), float(estimate.error[place]),
                float(rounding[i][place]) + floors[i], max(scale[place] / 100, floors[i]),
            )  # fmt: skip
            bound, agrees = element.judged(chosen)
            if element.off <= bound and not agrees:
                report = replace(report, reason=(
                    f"at {where} rounding leaves the derivative uncertain by {bound:.2g}: "
                    f"expected {element.expected:.10g}, got {element.got:.10g}"
                ))  # fmt: skip
            ratio = element.off / max(bound, float(np.finfo(np.float64).tiny))
            if ratio > worst:
                worst, wrong = ratio, element.off > bound
                report = replace(
                    report, worst_input=i, worst_name=name, worst_element=place,
                    expected=element.expected, got=element.got, tolerance=bound,
                )  # fmt: skip
    verdict = "wrong" if wrong else "cannot tell" if report.reason else "right"
    return replace(report, verdict=verdict)
