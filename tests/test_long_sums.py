"""Sums over long axes keep growing: float16 stops at 2,048 ones, float32 at 16,777,216.

Float16 shows it cheaply. In float32 the same is seen with one large value at the start: added one
after the other, what follows is each time less than half a unit in its last place, and is lost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn import closed_form

N = 5001
LARGE = 2.0**24  # of the first cotangent; 1 more is lost in float32

# Functions of a leaf of k values whose every result depends on one of them, N times each.
REPEATED: dict[str, tuple[int, Callable]] = {
    "add": (1, lambda x: x + np.zeros((N, 1), x.dtype)),
    "add in columns": (3, lambda x: x + np.zeros((N, 3), x.dtype)),
    "add along the end": (1, lambda x: np.zeros((2, N), x.dtype) + x),
    "sub": (3, lambda x: np.zeros((N, 3), x.dtype) - x),
    "mul": (3, lambda x: x * np.ones((N, 3), x.dtype)),
    "div": (3, lambda x: np.ones((N, 3), x.dtype) / x),
    "large add": (64, lambda x: x + np.zeros((N, 64), x.dtype)),
    "large sub": (64, lambda x: np.zeros((N, 64), x.dtype) - x),
    "large mul": (64, lambda x: x * np.ones((N, 64), x.dtype)),
    "large div": (64, lambda x: np.ones((N, 64), x.dtype) / x),
    "broadcast_to": (3, lambda x: x.broadcast_to(N, 3)),
    "where": (3, lambda x: tg.where(np.ones((N, 3), bool), x, 0.0)),
    "repeat": (1, lambda x: np.repeat(x, N)),
    "tile": (3, lambda x: np.tile(x, (N, 1))),
    "index": (1, lambda x: x[np.zeros(N, int)]),
    "index of rows": (3, lambda x: x[None][np.zeros(N, int)]),
    "take_along_axis": (1, lambda x: np.take_along_axis(x, np.zeros(N, int), 0)),
    "matmul": (3, lambda x: np.ones((N, 1), x.dtype) @ np.reshape(x, (1, 3))),
}


@pytest.mark.parametrize("create_graph", [False, True], ids=["arrays", "recorded"])
@pytest.mark.parametrize(
    ("name", "dtype"),
    [*[(name, np.float16) for name in REPEATED],
     # BLAS adds the float32 products of a matmul in an order of its own, in blocks
     *[(name, np.float32) for name in REPEATED if name != "matmul"]],
)  # fmt: skip
def test_a_gradient_that_gathers_many_small_parts(name: str, dtype, create_graph: bool) -> None:
    k, f = REPEATED[name]
    x = tg.Tensor(np.ones(k, dtype), requires_grad=True)
    y = f(x)
    w = np.ones(y.shape, dtype)
    if dtype == np.float32:
        w.reshape(-1)[: max(2, k) if name.endswith("end") else k] = LARGE
    (g,) = tg.grad(y, x, w, create_graph=create_graph)
    exact = w.sum(dtype=np.float64) / k
    np.testing.assert_allclose(np.abs(g.data), exact, rtol=8 * np.finfo(dtype).eps)
    assert float(np.abs(g.data[0])) != LARGE


@pytest.mark.parametrize("m", [N, 2**15])
def test_batch_norm_and_the_closed_forms_sum_over_a_long_batch(m: int) -> None:
    """Of dy = 2^24, 1, 1, ...: adding in float32 row by row gives dbeta = 2^24."""
    rng = np.random.default_rng(m)
    x = rng.normal(size=(m, 4)).astype(np.float32)
    dy = np.ones_like(x)
    dy[0] = LARGE
    gamma, beta = np.ones(4, np.float32), np.zeros(4, np.float32)
    leaves = [tg.Tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    ours = [g.data for g in tg.grad(tg.batch_norm(*leaves), leaves, dy)]
    _, cache = closed_form.forward(x, gamma, beta)
    wide = [a.astype(np.float64) for a in (x, gamma, beta)]
    exact = closed_form.backward_compact(dy, closed_form.forward(*wide)[1])
    forms = (closed_form.backward_paper, closed_form.backward_steps, closed_form.backward_compact)
    for found in (ours, *[form(dy, cache) for form in forms]):
        for a, b in zip(found, exact, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * np.abs(b).max())
        assert (found[2] > LARGE).all()
        assert np.abs(found[2] - exact.dbeta).max() <= 8  # two units of 2^25 in the last place
