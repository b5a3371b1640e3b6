"""What the tests of the engine share: hypothesis profiles, sample values, numerical derivatives.

The numerical derivatives know NumPy and nothing of the package, and each comes with a bound on its
own error, from which the tests derive their tolerances.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import HealthCheck, settings

import tinygrad_bn as tg

collect_ignore = ["corpus"]  # files to be judged: importing them for doctests would run them

slow_is_fine = [HealthCheck.too_slow]
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=60,
    print_blob=True,
    suppress_health_check=slow_is_fine,
)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=3000,
    print_blob=True,
    suppress_health_check=slow_is_fine,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

EPS = float(np.finfo(np.float64).eps)
FLOATS = (np.float16, np.float32, np.float64)

Arrays = Sequence[np.ndarray]
Function = Callable[..., np.ndarray]


def rng_of(*key: object) -> np.random.Generator:
    """Make a generator that depends on the key alone: each case has its own numbers, for ever."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def cotangent(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Give a cotangent without structure: no two equal, both signs, none near zero."""
    return np.asarray(rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape))


def apart(
    rng: np.random.Generator, shapes: Sequence[tuple[int, ...]], low=-2.0, high=2.0
) -> Arrays:
    """Sample inputs, all of whose values lie apart from each other and from the kinks.

    Together they are a jittered grid over [low, high] in random order. The number of grid points
    is a multiple of four, so that the middle and the quarters (-1, 0 and 1 of [-2, 2]), where the
    test cases put their kinks, lie half a step away.
    """
    sizes = [int(np.prod(shape)) for shape in shapes]
    points = 4 * -(-sum(sizes) // 4)
    grid = (rng.permutation(points) + 0.5 + rng.uniform(-0.1, 0.1, points)) / points
    parts = np.split(low + (high - low) * grid[: sum(sizes)], np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def leaves(arrays: Arrays, **options: object) -> list[tg.Tensor]:
    """Make a Tensor that needs a gradient of each array."""
    return [tg.Tensor(array, requires_grad=True, **options) for array in arrays]


def slope(f: Function, xs: Arrays, vs: Arrays, *, analytic: bool) -> tuple[np.ndarray, float]:
    """Differentiate f at xs along vs; give the derivative and a bound on its error.

    Complex step where f is analytic: f(x + ihv) = f(x) + ih f'(x) v, so with h = 1e-30 the
    imaginary part is the derivative, with no difference taken and hence exact to rounding. That
    is a few eps for each operation inside f, relative to the terms that f adds up: these are of
    the size of the values and of the slopes, since the inputs are of size 1.

    Otherwise central differences, extrapolated to step 0 (Richardson). The last correction
    bounds what extrapolation leaves; rounding is eps |f| over the smallest step.
    """
    if analytic:
        h = 1e-30
        y = np.asarray(f(*[x + 1j * h * v for x, v in zip(xs, vs, strict=True)]))
        d = y.imag / h
        return d, 64 * EPS * (largest(y.real) + largest(d))
    table: list[np.ndarray] = []
    for level in range(4):
        h = 2.0 ** -(6 + level)
        ahead = np.asarray(f(*[x + h * v for x, v in zip(xs, vs, strict=True)]))
        behind = np.asarray(f(*[x - h * v for x, v in zip(xs, vs, strict=True)]))
        row = [(ahead - behind) / (2 * h)]
        for k, coarser in enumerate(table, start=1):
            row.append(row[-1] + (row[-1] - coarser) / (4**k - 1))
        correction, table = row[-1] - row[-2] if table else row[-1], row
    return table[-1], largest(correction) + 8 * EPS * (largest(ahead) / h)


def jacobian(f: Function, xs: Arrays, i: int, *, analytic: bool) -> tuple[np.ndarray, float]:
    """Differentiate f by every entry of xs[i]: an array of shape (*f.shape, *xs[i].shape)."""
    columns, errors = [], [0.0]
    for place in np.ndindex(xs[i].shape):
        vs = [np.zeros_like(x) for x in xs]
        vs[i][place] = 1.0
        column, error = slope(f, xs, vs, analytic=analytic)
        columns.append(column)
        errors.append(error)
    shape = np.shape(f(*xs))
    stacked = np.stack(columns, -1) if columns else np.zeros((*shape, 0))
    return stacked.reshape(shape + xs[i].shape), max(errors)


def largest(x: np.ndarray) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def pulled_back(jac: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Compute J^T w."""
    return np.tensordot(w, jac, w.ndim)


def assert_close(actual: object, expected: object, error: float) -> None:
    """Assert that two arrays of one shape differ nowhere by more than `error`."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=error)


def assert_gradients(
    f: Function, xs: Arrays, gradients: Sequence[object], w: np.ndarray, *, analytic: bool
) -> None:
    """Assert that each gradient is J^T w with the numerical Jacobian of f.

    An entry of J^T w is a sum over w; an error of J shows in it at most |w|_1 times.
    """
    for i, gradient in enumerate(gradients):
        jac, error = jacobian(f, xs, i, analytic=analytic)
        assert_close(gradient, pulled_back(jac, w), error * np.abs(w).sum())


def arrays_of(tensors: Sequence[tg.Tensor]) -> list[np.ndarray]:
    return [tensor.data for tensor in tensors]
