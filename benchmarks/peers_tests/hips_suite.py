"""Run the test suite of HIPS autograd against this package: its functions at its points.

    pip download --no-deps --no-binary :all: autograd && tar xzf autograd-*.tar.gz
    pip install autograd scipy pytest
    python benchmarks/peers_tests/hips_suite.py autograd-*/tests

Each call of ``check_grads`` in the suite is a check: the function is run on Tensors, through
NumPy's own functions, and its gradients, to the order that the suite asks for, are compared with
numerical derivatives of the function on arrays. A check is `right`, `wrong` or `refused` (an error
was raised); `complex` are those whose inputs or results are complex numbers, which no Tensor holds;
`scipy` are those of SciPy's functions, refused as they are not NumPy's; `of the peer` are those
that call the peer's own ``grad`` inside of the function.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import autograd.numpy
import autograd.test_util
import numpy as np
import pytest

import tinygrad_bn as tg

STEPS = (1e-5, 1e-6)  # two: over a longer one, values that are nearly equal change places
CLOSE = 1e-5  # of a derivative by central differences

counts: Counter[str] = Counter()
reasons: Counter[str] = Counter()
wrong: list[str] = []
where = ""


def leaves(x: Any) -> list[Any]:
    """List the numbers and arrays in nested containers."""
    if isinstance(x, dict):
        x = list(x.values())
    if isinstance(x, list | tuple):
        return [leaf for item in x for leaf in leaves(item)]
    return [x]


def rebuilt(x: Any, values: Any) -> Any:
    """Put values in the places of the leaves."""
    if isinstance(x, dict):
        return {key: rebuilt(item, values) for key, item in x.items()}
    if isinstance(x, list | tuple):
        return type(x)([rebuilt(item, values) for item in x])
    return next(values)


def total(y: Any, weights: list[np.ndarray]) -> Any:
    """Sum all values of a result, weighted."""
    parts = [np.sum(w * part) for w, part in zip(weights, leaves(y), strict=True)]
    return sum(parts[1:], start=parts[0])


def slope(f: Any, xs: list[np.ndarray], vs: list[np.ndarray], step: float) -> float:
    """Differentiate along a direction."""
    ahead = f(*[x + step * v for x, v in zip(xs, vs, strict=True)])
    behind = f(*[x - step * v for x, v in zip(xs, vs, strict=True)])
    return float(ahead - behind) / (2 * step)


def check(f: Callable[..., Any], xs: list[np.ndarray], order: int, rng: Any) -> None:
    """Compare the gradient of f, of order 1 to `order`, with numerical derivatives."""
    on_arrays = f(*xs)
    weights = [np.asarray(rng.normal(size=np.shape(y))) for y in leaves(on_arrays)]
    if any(np.iscomplexobj(y) for y in leaves(on_arrays)):
        raise ComplexError

    def weighted(*arrays: Any) -> Any:
        return total(f(*arrays), weights)

    scalar: Any = weighted
    evaluate: Any = lambda *arrays: float(weighted(*arrays))  # noqa: E731
    for level in range(1, order + 1):
        vs = [np.asarray(rng.normal(size=x.shape)) for x in xs]
        tensors = [tg.Tensor(x, requires_grad=True) for x in xs]
        y = scalar(*tensors)
        here = float(np.asarray(getattr(y, "data", y)))
        if level == 1 and not np.allclose(here, evaluate(*xs), 1e-9, 1e-9):
            raise AssertionError("another value than NumPy's")
        if not isinstance(y, tg.Tensor) or not y.requires_grad:
            exact = 0.0
        else:
            gradients = tg.grad(y, tensors)
            exact = sum(float(np.sum(g.data * v)) for g, v in zip(gradients, vs, strict=True))
        slopes = [slope(evaluate, xs, vs, step) for step in STEPS]
        if not any(abs(n - exact) <= CLOSE * (1 + abs(exact) + abs(n)) for n in slopes):
            raise AssertionError(f"order {level}: {exact} by us, {slopes} by differences")

        def scalar(*tensors: Any, before: Any = scalar, vs: Any = vs) -> Any:
            y = before(*tensors)
            if not isinstance(y, tg.Tensor) or not y.requires_grad:
                return sum(np.sum(0.0 * t) for t in tensors)
            gradients = tg.grad(y, list(tensors), create_graph=True)
            return sum(np.sum(g * v) for g, v in zip(gradients, vs, strict=True))

        def evaluate(*arrays: Any, scalar: Any = scalar) -> float:
            return float(scalar(*[tg.Tensor(x, requires_grad=True) for x in arrays]).data)


class ComplexError(Exception):
    """A complex number came in or out."""


def check_grads(f: Any, argnum: Any = 0, modes: Any = (), order: int = 2) -> Callable[..., None]:
    """Stand in for the function of the suite: count, and raise nothing."""

    def on(*args: Any, **kwargs: Any) -> None:
        numbers = [argnum] if isinstance(argnum, int) else list(argnum)
        chosen = [args[i] for i in numbers]
        values = leaves(chosen)

        def of_values(*values: Any) -> Any:
            new = dict(zip(numbers, rebuilt(chosen, iter(values)), strict=True))
            return f(*[new.get(i, arg) for i, arg in enumerate(args)], **kwargs)

        try:
            if any(np.iscomplexobj(x) for x in leaves([list(args), kwargs])):
                raise ComplexError
            xs = [np.asarray(x, np.float64) for x in values]
            with np.errstate(all="ignore"):
                check(of_values, xs, order, np.random.default_rng(0))
        except ComplexError:
            counts["complex"] += 1
        except AssertionError as error:
            counts["wrong"] += 1
            wrong.append(f"{where}: {error}")
        except Exception as error:
            said = str(error)
            kind = "scipy" if "test_scipy" in where else "refused"
            if "ArrayBox" in said or "Can't differentiate w.r.t." in said:
                kind = "of the peer"
            counts[kind] += 1
            reasons[f"{kind}: {where.partition('::')[2]}: {said[:80]}"] += 1
        else:
            counts["right"] += 1

    return on


def combo_check(fun: Any, *args: Any, **options: Any) -> Callable[..., None]:
    """Stand in for the function of the suite: check all combinations."""

    def on(*choices: Any, **named: Any) -> None:
        for chosen in product(*choices):
            for values in product(*named.values()):
                check_grads(fun, *args, **options)(*chosen, **dict(zip(named, values, strict=True)))

    return on


class Here:
    """Note which test is running."""

    def pytest_runtest_call(self, item: Any) -> None:  # noqa: D102
        global where
        where = item.nodeid


def main(tests: Path) -> None:
    """Run the suite, and print what came of it."""
    for own, numpys in (autograd.numpy, np), (autograd.numpy.linalg, np.linalg), (
        autograd.numpy.fft, np.fft,
    ):  # fmt: skip
        for name in dir(numpys):
            if not name.startswith("_") and callable(getattr(numpys, name)) and hasattr(own, name):
                setattr(own, name, getattr(numpys, name))
    autograd.test_util.check_grads, autograd.test_util.combo_check = check_grads, combo_check
    sys.path.insert(0, str(tests))
    options = ["-q", "--tb=no", "-p", "no:cacheprovider", "-W", "ignore", "-c", "/dev/null"]
    pytest.main([*options, "--continue-on-collection-errors", str(tests)], plugins=[Here()])
    print(f"\n{sum(counts.values())} checks:", dict(counts))
    for reason, count in reasons.most_common():
        print(f"{count:5d}  {reason}")
    print(*wrong, sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
