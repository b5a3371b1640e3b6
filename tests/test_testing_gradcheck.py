"""gradcheck: right gradients pass, wrong ones fail at the right place, tolerances are honest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import tinygrad_bn as tg
from tinygrad_bn import closed_form
from tinygrad_bn.testing import gradcheck, strategies
from tinygrad_bn.testing.numerical import slope

RNG = np.random.default_rng(5)
X, G, B = RNG.normal(size=(5, 3)), RNG.uniform(0.5, 2, 3), RNG.normal(size=3)
POSITIVE = RNG.uniform(0.5, 2.0, (2, 3))

RIGHT = {
    "polynomial": ("complex step", lambda x: x**3 - 2 * x, X),
    "quotients and roots": ("complex step", lambda x: 1 / np.sqrt(1 + x * x), X),
    "plain numpy": ("complex step", lambda x: np.exp(np.sin(x)).mean(axis=0), X),
    "powers": ("complex step", lambda x, y: x**y, POSITIVE, POSITIVE[::-1]),
    "matrices": ("complex step", lambda a, b: np.tanh(a @ b), X, RNG.normal(size=(3, 2))),
    "shapes": (
        "complex step",
        lambda x: np.concatenate([x.T, x.T], axis=1)[1:, ::2].reshape(-1),
        X,
    ),
    "batch norm": ("complex step", tg.batch_norm, X, G, B),
    "layer norm": ("complex step", tg.layer_norm, X, G, B),
    "kinks elsewhere": ("central differences", lambda x: np.abs(x) * tg.relu(x), X),
    "sigmoid": ("central differences", tg.sigmoid, X),
    "a scalar": ("complex step", lambda x: (x * x).sum(), X),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("case", RIGHT.values(), ids=RIGHT)
def test_right_gradients_pass_by_the_best_method(case, order):
    method, function, *inputs = case
    report = gradcheck(function, *inputs, order=order)
    assert report, report
    assert report.method == method
    assert report.tolerance < 1e-6


@given(strategies.batch_norm_cases(dtypes=[np.float64], kinds=["plain", "offset", "huge"]))
def test_batch_norm_passes_on_every_case_also_far_from_zero(case):
    def layer(x, gamma, beta):
        return tg.batch_norm(x, gamma, beta, axis=case.axis, eps=case.eps)

    assert gradcheck(layer, case.x, case.gamma, case.beta)


def test_float32_noise_is_no_mistake():
    assert gradcheck(tg.batch_norm, *(a.astype(np.float32) for a in (X, G, B)))


def test_a_wrong_backward_written_by_hand_fails_and_its_worst_element_is_shown():
    def vjp(w, x):
        g = 3 * w * x**2
        g[2, 1] *= 1.001
        return g

    report = gradcheck(lambda x: x**3, X, vjp=vjp)
    assert not report
    assert (report.worst_input, report.worst_element) == (0, (2, 1))
    assert report.got == pytest.approx(1.001 * report.expected)
    assert "worst at input 0, element [2, 1]: expected" in repr(report)


def test_the_closed_forms_pass_as_backwards_written_by_hand():
    for backward in (closed_form.backward_paper, closed_form.backward_compact):

        def vjp(w, x, gamma, beta, backward=backward):
            return backward(w, closed_form.forward(x, gamma, beta)[1])

        assert gradcheck(lambda x, g, b: closed_form.forward(x, g, b)[0], X, G, B, vjp=vjp)


def test_a_gradient_that_was_not_recorded_is_missed_by_the_replay_and_caught_all_the_same():
    report = gradcheck(lambda x: x * x.detach(), X)
    assert not report
    assert report.method == "central differences"


def test_a_second_order_that_is_cut_off_fails_where_the_first_is_right():
    def cut(x):
        (g,) = tg.grad((x**3).sum(), x, create_graph=True)
        return x * g.detach() * (1 / 3)  # first derivative x^2 instead of 3 x^2

    assert not gradcheck(cut, X)
    assert "of order 2 agrees" in repr(gradcheck(lambda x: x**3, X, order=2))


def test_gradients_of_the_wrong_shape_are_told():
    report = gradcheck(lambda x: x.sum(axis=0), X, vjp=lambda w, x: w)
    assert not report
    assert "gradients of the shapes [(3,)] for inputs of [(5, 3)]" in repr(report)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: gradcheck(lambda: 1), "at least one input"),
        (lambda: gradcheck(np.sin, X, order=0), "order is 0"),
        (lambda: gradcheck(np.sin, X, order=2, vjp=lambda w, x: w), "and 1 with vjp="),
        (lambda: gradcheck(lambda x: np.abs(x) / 0.0, X), "no derivative can be taken at input 0"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_use_is_a_sentence(call, sentence):
    with pytest.raises(ValueError, match="gradcheck") as error:
        call()
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("f", "derivative"),
    [(np.exp, 1.0), (np.sin, 1.0), (lambda t: (1 + t) ** 5, 5.0), (lambda t: abs(t - 0.01), -1.0)],
)
def test_the_error_bound_of_a_difference_holds(f, derivative):
    value, error = slope(lambda t: (float(f(t)), 4e-16), 0.5, 4.0, 9)
    assert abs(value - derivative) <= error < 1e-6
