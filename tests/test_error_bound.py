"""The bound on rounding errors is tight: an error of two and a half times it is refused.

The bound is written down a second time here, for one feature, from its derivation, with wide
arithmetic; a bound that were loosened anywhere would let the planted errors through.
"""

from __future__ import annotations

import numpy as np
import pytest
from conftest import rng_of

import tinygrad_bn as tg
from tinygrad_bn import closed_form

EPS = 1e-5


def allowed(x, dy, gamma: float, dtype) -> closed_form.Gradients:
    """Bound the errors by what rounding does to sums of m terms, and to the mean in float64."""
    u = np.finfo(np.promote_types(dtype, np.float32)).eps
    v = np.finfo(np.float64).eps
    x, dy = (np.asarray(a, np.longdouble) for a in (x, dy))
    m, d = len(x), np.abs(dy)
    s = np.sqrt(x.var() + EPS)
    h = np.abs((x - x.mean()) / s)
    kappa = (m + 4) * v * np.abs(x).max() / s
    r = (m + 30) * u + 4 * kappa**2
    last = np.finfo(np.float16).eps if dtype == np.float16 else 0  # the result is rounded too
    a, b = d.mean(), (d * h).mean()
    dx = (r + last) * (d + a + h * b) + kappa * (b + h * a) + kappa**2 * a
    dgamma = (r + last) * m * b + kappa * m * a
    tiny = m * float(np.finfo(dtype).smallest_subnormal)
    return closed_form.Gradients(
        abs(gamma) / s * dx + tiny, dgamma + tiny, (r + last) * m * a + tiny
    )


@pytest.mark.parametrize("size", [1.0, 1e-25])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e9, 1e12])
@pytest.mark.parametrize("m", [2, 6, 64, 1000])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_planted_errors_are_refused(dtype, m: int, offset: float, size: float) -> None:
    """For every offset, batch size and dtype; `size` is that of the cotangent."""
    rng = rng_of(dtype.__name__, m, offset, size)
    scale = 1.0 if dtype == np.float64 else max(1.0, offset * 1e-4)  # a spread that x resolves
    offset = min(offset, 1e3) if dtype == np.float16 else offset
    scale = 1.0 if dtype == np.float16 else scale
    x = (offset + scale * rng.normal(size=m)).astype(dtype)
    dy = (size * rng.uniform(0.5, 2.0, m) * rng.choice([-1, 1], m)).astype(dtype)
    gamma = float(dtype(-1.5))
    _, cache = closed_form.forward(x[:, None], [gamma], [0.25], eps=EPS)
    bound = closed_form.error_bound(dy[:, None], cache)
    expected = allowed(x, dy, gamma, dtype)
    for name, given, wanted in zip(expected._fields, bound, expected, strict=True):
        error = 2.5 * np.asarray(wanted, np.float64).reshape(-1)
        accepted = 2 * np.asarray(given, np.float64).reshape(-1)  # two results may differ so much
        assert (error > accepted).all(), f"an error in {name} would pass"
        assert (error < 3 * accepted).all(), f"the bound of {name} is tighter than rounding allows"


@pytest.mark.parametrize("normalize", [tg.layer_norm, tg.nn.LayerNorm(3), tg.batch_norm])
def test_eps_is_1e_5_by_default(normalize) -> None:
    """Seen where the variance is as large as eps: x_hat is (x - mu) / sqrt(2 eps)."""
    x = np.sqrt(1e-5) * np.array([[-1.0, 0.0, 1.0], [1.0, 0.0, -1.0]]) * np.sqrt(1.5)
    if normalize is tg.batch_norm:
        x = x.T
    expected = x / np.sqrt(2e-5)
    np.testing.assert_allclose(normalize(x).data, expected, rtol=1e-14)
