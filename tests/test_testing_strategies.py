"""The strategies: what they draw is what they say, and failures shrink to something readable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

import tinygrad_bn as tg
from tinygrad_bn import closed_form
from tinygrad_bn.testing import strategies


@given(strategies.batch_norm_cases())
def test_cases_fit_together(case):
    features = tuple(n for i, n in enumerate(case.x.shape) if i not in case.axis)
    assert case.gamma.shape == case.beta.shape == features
    assert case.dy.shape == case.x.shape
    assert {a.dtype for a in (case.x, case.gamma, case.beta, case.dy)} == {case.dtype}
    assert np.isfinite(case.x).all()
    assert np.abs(case.gamma).min(initial=9) >= 0.5
    assert tg.batch_norm(case.x, case.gamma, case.beta, axis=case.axis, eps=case.eps).data.size


@given(strategies.batch_norm_cases(dtypes=[np.float64], kinds=["plain", "huge"]))
def test_with_such_cotangents_dx_is_not_zero(case):
    _, cache = closed_form.forward(case.x, case.gamma, case.beta, axis=case.axis, eps=case.eps)
    if cache.m > 2:
        assert np.abs(closed_form.backward_compact(case.dy, cache).dx).max() > 0


def test_ones_and_the_batch_itself_are_blind_cotangents():
    x = np.array([[0.0, 1.0], [1.0, 3.0], [5.0, 2.0], [2.0, 0.0]])
    for blind in (np.ones_like(x), x, 3 * x - 2, np.zeros_like(x)):
        assert strategies.is_blind(blind, x, (0,))
    assert not strategies.is_blind(x**2, x, (0,))


WANTED = {
    "a constant feature": lambda c: c.x.shape[0] > 2 and np.ptp(c.x[:, -1]) == 0 < np.ptp(c.x),
    "a nearly constant feature": lambda c: 0 < np.var(c.x[:, 0]) < 1e-4 and np.abs(c.x).min() > 0.5,
    "a huge offset": lambda c: c.x.min() > 300 * np.std(c.x) > 0,
    "a huge scale": lambda c: np.std(c.x) > 1000,
    "a tiny scale": lambda c: 0 < np.abs(c.x).max() < 0.01,
    "repeated examples": lambda c: len(c.x) > 3 and np.ptp(c.x[:-1]) == 0 < np.ptp(c.x),
    "one row": lambda c: c.x.shape[0] == 1,
    "one column": lambda c: c.x.shape[1] == 1 < c.x.shape[0],
    "columns first": lambda c: c.x.flags.f_contiguous and not c.x.flags.c_contiguous,
    "a view": lambda c: not (c.x.flags.f_contiguous or c.x.flags.c_contiguous),
    "negative strides": lambda c: min(c.x.strides) < 0,
    "float32": lambda c: c.dtype == np.float32,
}


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED)
def test_every_edge_is_drawn(wanted):
    two_axes = strategies.axis_layouts(ndims=[2])
    only_draw = settings(max_examples=3000, phases=[Phase.generate])
    assert wanted(find(strategies.batch_norm_cases(two_axes), wanted, settings=only_draw))


@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
def test_every_number_of_axes_and_unusual_axes_are_drawn(ndim):
    layouts = strategies.axis_layouts()
    shape, axis = find(layouts, lambda drawn: len(drawn[0]) == ndim)
    assert shape == (1,) * ndim
    assert axis == tuple(i for i in range(ndim) if i != 1 or ndim == 1)
    find(layouts, lambda drawn: len(drawn[0]) == 4 and drawn[1] == (0,))


def test_failures_shrink_to_small_whole_numbers_in_a_plain_layout():
    case = find(
        strategies.batch_norm_cases(strategies.axis_layouts(ndims=[2])),
        lambda case: case.x.shape[0] > 2 and np.ptp(case.x) > 2,
        settings=settings(phases=[Phase.generate, Phase.shrink]),
    )
    assert case.x.shape == (3, 1)
    assert case.x.dtype == np.float64
    assert case.x.flags.c_contiguous
    assert sorted(case.x.ravel()) == [0, 0, 3]
    assert case.gamma.tolist() == [1.0]


@given(strategies.broadcastable(3))
def test_operands_broadcast(operands):
    assert len(operands) == 3
    np.broadcast_shapes(*(operand.shape for operand in operands))
