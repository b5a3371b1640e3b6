"""gradcheck: right gradients pass, wrong ones fail at the right place, tolerances are honest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


# Never wrong about what is right


def by_hand(backward):
    def vjp(w, x, gamma, beta):
        return backward(w, closed_form.forward(x, gamma, beta)[1])

    return lambda x, gamma, beta: closed_form.forward(x, gamma, beta)[0], vjp


def of_a_course(x, gamma, beta):
    m = x.shape[0]
    mu = 1.0 / m * np.sum(x, axis=0)
    centered = x - mu
    var = 1.0 / m * np.sum(centered**2, axis=0)
    return gamma * (centered / np.sqrt(var + 1e-5)) + beta


def root_mean_square_norm(x, gamma, beta):
    return x / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-5) * gamma + beta


def group_norm(x, gamma, beta):
    groups = x.reshape(x.shape[0], -1)[:, : x.shape[1] // 2 + 1]
    mean, var = groups.mean(axis=1, keepdims=True), groups.var(axis=1, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-5) * gamma + beta


def softmax(x, gamma, beta):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) * gamma


NEVER_WRONG = {
    "batch norm": (tg.batch_norm, None),
    "of a course": (of_a_course, None),
    "paper": by_hand(closed_form.backward_paper),
    "steps": by_hand(closed_form.backward_steps),
    "compact": by_hand(closed_form.backward_compact),
    "relu": (lambda x, g, b: tg.relu(tg.batch_norm(x, g, b)), None),
    "leaky relu": (lambda x, g, b: tg.leaky_relu(tg.batch_norm(x, g, b)), None),
    "largest": (lambda x, g, b: np.max(tg.batch_norm(x, g, b), axis=1), None),
    "rms norm": (root_mean_square_norm, None),
    "group norm": (group_norm, None),
    "layer norm": (tg.layer_norm, None),
    "softmax": (softmax, None),
    "tanh": (lambda x, g, b: np.tanh(x * g + b), None),
    "sigmoid": (lambda x, g, b: tg.sigmoid(x * g) + b, None),
    "abs": (lambda x, g, b: np.abs(x) * g + b, None),
    "polynomial": (lambda x, g, b: x**3 * g - b * x, None),
    "clip": (lambda x, g, b: np.clip(x * g, -1, 1) + b, None),
    "var": (lambda x, g, b: np.var(x, axis=0) * g + b, None),
    "std": (lambda x, g, b: np.std(x, axis=0) * g + b, None),
    "maximum": (lambda x, g, b: np.maximum(x * g, b), None),
}


@pytest.mark.parametrize("case", NEVER_WRONG.values(), ids=NEVER_WRONG)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=max(10, settings().max_examples // 3))
@given(
    shape=st.tuples(st.integers(2, 5), st.integers(1, 3)),
    offset=st.sampled_from([0.0, 1.0, 30.0, 1e2, 1e3, 1e4, 1e5, 1e6]),
    scale=st.integers(-6, 6),
    far=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**16),
)
def test_a_right_gradient_is_never_called_wrong(case, shape, offset, scale, far, dtype, seed):
    """At means of up to 10^6 deviations, deviations of 10^-6 to 10^6, in both precisions."""
    function, vjp = case
    rng = np.random.default_rng(seed)
    size = 10.0**scale
    x = offset * (size if far else 1.0) + size * rng.normal(size=shape)
    inputs = [a.astype(dtype) for a in (x, rng.normal(size=shape[1]), rng.normal(size=shape[1]))]
    report = gradcheck(function, *inputs, vjp=vjp)
    assert report.verdict in ("right", "cannot tell"), report


@pytest.mark.parametrize("offset", [0.0, 30.0, 100.0, 300.0, 1000.0])
def test_a_right_backward_written_by_hand_is_right_also_far_from_zero(offset):
    def vjp(w, x, gamma, beta):
        s = np.sqrt(x.var(axis=0) + 1e-5)
        x_hat = (x - x.mean(axis=0)) / s
        dx_hat = w * gamma
        dx = (dx_hat - dx_hat.mean(axis=0) - x_hat * (dx_hat * x_hat).mean(axis=0)) / s
        return dx, (w * x_hat).sum(axis=0), w.sum(axis=0)

    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, gamma = offset + rng.normal(size=(6, 2)), rng.normal(size=2)
        assert gradcheck(of_a_course, x, gamma, gamma, vjp=vjp).verdict == "right"


# And always about what is wrong

WRONG_BACKWARDS = {
    "mean dropped": lambda dy, x_hat, g, s, m: g / s * (dy - x_hat * (dy * x_hat).mean(0)),
    "variance dropped": lambda dy, x_hat, g, s, m: g / s * (dy - dy.mean(0)),
    "both dropped": lambda dy, x_hat, g, s, m: g / s * dy,
    "sign of the mean": lambda dy, x_hat, g, s, m: (
        g / s * (dy + dy.mean(0) - x_hat * (dy * x_hat).mean(0))
    ),
    "sign of the variance": lambda dy, x_hat, g, s, m: (
        g / s * (dy - dy.mean(0) + x_hat * (dy * x_hat).mean(0))
    ),
    "gamma forgotten": lambda dy, x_hat, g, s, m: (
        (dy - dy.mean(0) - x_hat * (dy * x_hat).mean(0)) / s
    ),
    "variance for deviation": lambda dy, x_hat, g, s, m: (
        g / s**2 * (dy - dy.mean(0) - x_hat * (dy * x_hat).mean(0))
    ),
    "m - 1": lambda dy, x_hat, g, s, m: (
        g / s * (dy - dy.mean(0) - x_hat * (dy * x_hat).sum(0) / (m - 1))
    ),
    "sum for mean": lambda dy, x_hat, g, s, m: (
        g / s * (dy - dy.sum(0) - x_hat * (dy * x_hat).mean(0))
    ),
    "mean over all": lambda dy, x_hat, g, s, m: (
        g / s * (dy - dy.mean() - x_hat * (dy * x_hat).mean(0))
    ),
    "off by a thousandth": lambda dy, x_hat, g, s, m: (
        1.001 * g / s * (dy - dy.mean(0) - x_hat * (dy * x_hat).mean(0))
    ),
}


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("backward", WRONG_BACKWARDS.values(), ids=WRONG_BACKWARDS)
def test_a_wrong_backward_is_called_wrong_on_every_batch(backward, offset):
    def vjp(w, x, gamma, beta):
        s = np.sqrt(x.var(axis=0) + 1e-5)
        x_hat = (x - x.mean(axis=0)) / s
        return backward(w, x_hat, gamma, s, len(x)), (w * x_hat).sum(axis=0), w.sum(axis=0)

    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, gamma = offset + 2 * rng.normal(size=(5, 3)), rng.uniform(0.5, 2, 3)
        report = gradcheck(of_a_course, x, gamma, gamma, vjp=vjp)
        assert report.verdict == "wrong", report
        assert report.worst_input == 0


# What cannot be told


def test_at_a_kink_it_cannot_tell_and_says_where():
    report = gradcheck(tg.relu, [[0.0], [1.0]])
    assert report
    assert report.verdict == "cannot tell"
    assert "a kink at input 0, element [0, 0]" in repr(report)
    assert gradcheck(tg.relu, [[0.5], [1.0]]).verdict == "right"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_where_rounding_leaves_no_digits_it_cannot_tell():
    x = np.full((4, 1), 1e5, np.float32) + np.array([[0.0], [0.0], [0.0], [0.0]], np.float32)
    ones = np.ones(1, np.float32)
    noisy = gradcheck(
        lambda x, g, b: tg.relu(tg.batch_norm(x, g, b)), x + np.float32(0.01), ones, ones * 0
    )
    assert noisy.verdict != "wrong"
    near = 4096 + 0.001 * np.random.default_rng(0).normal(size=(4, 1))
    report = gradcheck(lambda x: tg.relu(tg.batch_norm(x)), near)
    assert report.verdict != "wrong"
