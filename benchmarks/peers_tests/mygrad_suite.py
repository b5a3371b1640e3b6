"""Run the test suite of MyGrad, and each draw of its tests through this package as well.

    git clone https://github.com/rsokl/MyGrad
    pip install mygrad hypothesis pytest
    python benchmarks/peers_tests/mygrad_suite.py MyGrad

Most of the suite is made by two factories, each with a function of MyGrad (`op`) and the NumPy
function that it mirrors (`true_func`). For every draw, `true_func` is run on Tensors too, with the
same arrays and arguments; values are compared with NumPy's, and gradients with MyGrad's. Where two
gradients differ, numerical derivatives decide: `wrong` are those of ours that differ where MyGrad's
agree; `cannot tell` is what neither agrees with, as at a kink. `refused` are the draws in which an
error was raised where NumPy raises none.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import mygrad
import numpy as np
import pytest

import tinygrad_bn as tg

counts: Counter[str] = Counter()
reasons: Counter[str] = Counter()
wrong: list[str] = []


def numerically(f: Callable[..., Any], xs: Sequence[np.ndarray], vs: Any, w: Any) -> list[float]:
    """Differentiate along a direction, over steps of several lengths."""
    slopes = []
    for step in (1e-4, 1e-5, 1e-6):
        ahead, behind = (
            np.sum(w * f(*[x + sign * step * v for x, v in zip(xs, vs, strict=True)]))
            for sign in (1, -1)
        )
        slopes.append(float(ahead - behind) / (2 * step))
    return slopes


def near(a: float, b: float, to: float) -> bool:
    """Return whether two numbers agree in proportion to their size."""
    return bool(abs(a - b) <= to * (1 + abs(a) + abs(b)))


def judged(op: Any, true_func: Any, xs: list[np.ndarray], kwargs: dict[str, Any]) -> str:
    """Compare our value with NumPy's, and our gradient with MyGrad's."""
    rng = np.random.default_rng(0)
    expected = np.asarray(true_func(*xs, **kwargs))
    tensors = [tg.Tensor(x, requires_grad=True) for x in xs]
    y = true_func(*tensors, **kwargs)
    if not np.allclose(getattr(y, "data", y), expected, 1e-9, 1e-9, equal_nan=True):
        return "wrong"
    if not isinstance(y, tg.Tensor) or not y.requires_grad or not np.isfinite(expected).all():
        return "right"
    w = np.asarray(rng.normal(size=expected.shape))
    theirs = [mygrad.tensor(x) for x in xs]
    (op(*theirs, **kwargs) * w).sum().backward()
    vs = [np.asarray(rng.normal(size=x.shape)) for x in xs]
    pairs = zip(tg.grad(y, tensors, w), theirs, vs, strict=True)
    ours_along = theirs_along = 0.0
    for mine, other, v in pairs:
        ours_along += float(np.sum(mine.data * v))
        theirs_along += 0.0 if other.grad is None else float(np.sum(other.grad * v))
    if near(ours_along, theirs_along, 1e-8):
        return "right"
    slopes = numerically(lambda *xs: true_func(*xs, **kwargs), xs, vs, w)
    if any(near(ours_along, slope, 1e-4) for slope in slopes):
        return "right"
    if any(near(theirs_along, slope, 1e-4) for slope in slopes):
        return "wrong"
    return "cannot tell"


def shadowed(op: Any, true_func: Any) -> Callable[..., Any]:
    """Return `op`, which is checked here first at each call."""

    def both(*arrays: Any, **kwargs: Any) -> Any:
        xs = [np.array(getattr(x, "data", x), np.float64) for x in arrays]
        given = {key: value for key, value in kwargs.items() if key != "constant"}
        where = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
        try:
            with np.errstate(all="ignore"):
                found = judged(op, true_func, xs, given)
        except Exception as error:
            found = "refused"
            reasons[f"{where.partition('::')[2]}: {type(error).__name__}: {str(error)[:90]}"] += 1
        counts[found] += 1
        if found == "wrong":
            wrong.append(f"{where} at {[x.tolist() for x in xs]} {given}")
        return op(*arrays, **kwargs)

    return both


def main(clone: Path) -> None:
    """Run the suite, and print what came of it."""
    sys.path.insert(0, str(clone))
    factories = import_module("tests.wrappers.uber")
    for factory in (factories.fwdprop_test_factory, factories.backprop_test_factory):

        def start(self: Any, *args: Any, made: Any = factory.__init__, **kwargs: Any) -> None:
            made(self, *args, **kwargs)
            self.op = shadowed(self.op, self.true_func)

        factory.__init__ = start
    options = ["-q", "--tb=no", "-p", "no:cacheprovider", "-W", "ignore"]
    pytest.main([*options, "--continue-on-collection-errors", str(clone / "tests")])
    print(f"\n{sum(counts.values())} draws:", dict(counts))
    for reason, count in reasons.most_common():
        print(f"{count:5d}  {reason}")
    print(*wrong, sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
