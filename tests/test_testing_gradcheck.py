"""gradcheck: right gradients pass, wrong ones fail at the right place, tolerances are honest."""

from __future__ import annotations

import subprocess
import sys
import time
from random import Random
from typing import NamedTuple

import numpy as np
import pytest
from gradcheck_functions import OFFSETS, ROWS, SCALES, drawn
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn import closed_form
from tinygrad_bn.testing import gradcheck, strategies
from tinygrad_bn.testing.numerical import slope
from tinygrad_bn.testing.replay import literal

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
    "kinks elsewhere": ("complex step", lambda x: np.abs(x) * tg.relu(x), X),
    "sigmoid": ("complex step", tg.sigmoid, X),
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


SMALL = strategies.axis_layouts(max_side=3)
PLAIN = ["plain", "offset", "huge"]


@settings(max_examples=max(20, settings().max_examples // 10))
@given(strategies.batch_norm_cases(SMALL, dtypes=[np.float64], kinds=PLAIN))
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
    assert "worst at x[2, 1]: expected" in repr(report)


def test_the_closed_forms_pass_as_backwards_written_by_hand():
    for backward in (closed_form.backward_paper, closed_form.backward_compact):

        def vjp(w, x, gamma, beta, backward=backward):
            return backward(w, closed_form.forward(x, gamma, beta)[1])

        assert gradcheck(lambda x, g, b: closed_form.forward(x, g, b)[0], X, G, B, vjp=vjp)


def test_a_gradient_that_was_not_recorded_is_caught():
    report = gradcheck(lambda x: x * x.detach(), X)
    assert not report
    assert report.expected == pytest.approx(2 * report.got)
    assert report.method == "complex step"
    report = gradcheck(lambda x: x * x.detach().numpy(), X)  # which a trace cannot follow
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
        (
            lambda: gradcheck(lambda x: np.abs(x) / 0.0, X),
            "no derivative can be taken where the function is not finite",
        ),
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

THOROUGH = settings().max_examples > 1000
each_function = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
inputs = st.builds(
    drawn,
    seed=st.integers(0, 2**16),
    offset=st.sampled_from(OFFSETS),
    scale=st.sampled_from(SCALES),
    far=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)


def on_arrays_alone(function):
    def hidden(*arrays):
        if any(isinstance(a, tg.Tensor) for a in arrays):
            raise TypeError("arrays only")
        y = function(*arrays)
        return y.data if isinstance(y, tg.Tensor) else y

    return hidden


@each_function
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=2000 if THOROUGH else 5)
@given(inputs=inputs)
def test_a_right_gradient_by_hand_is_never_called_wrong(row, inputs):
    """At means of up to 10^6 deviations, deviations of 10^-6 to 10^6, in both precisions."""
    report = gradcheck(row.forward, *inputs, vjp=row.backward)
    assert report.verdict in ("right", "cannot tell"), report


@each_function
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=500 if THOROUGH else 1)
@given(inputs=inputs)
def test_nor_that_of_the_engine_nor_one_that_runs_on_arrays_alone(row, inputs):
    assert row.name == "by_feature" or gradcheck(row.forward, *inputs)
    hidden = on_arrays_alone(row.forward), on_arrays_alone(row.backward)
    assert gradcheck(row.forward, *inputs, vjp=hidden[1])
    assert gradcheck(hidden[0], *inputs, vjp=hidden[1])


@pytest.mark.parametrize("offset", [0.0, 30.0, 100.0, 300.0, 1000.0])
def test_a_right_backward_written_by_hand_is_right_also_far_from_zero(offset):
    def vjp(w, x, gamma, beta):
        s = np.sqrt(x.var(axis=0) + 1e-5)
        x_hat = (x - x.mean(axis=0)) / s
        dx_hat = w * gamma
        dx = (dx_hat - dx_hat.mean(axis=0) - x_hat * (dx_hat * x_hat).mean(axis=0)) / s
        return dx, (w * x_hat).sum(axis=0), w.sum(axis=0)

    for seed in range(40 if THOROUGH else 4):
        rng = np.random.default_rng(seed)
        x, gamma = offset + rng.normal(size=(6, 2)), rng.normal(size=2)
        assert gradcheck(ROWS["paper"].forward, x, gamma, gamma, vjp=vjp).verdict == "right"


# And always about what is wrong


def test_there_are_twenty_functions_and_sixty_mutants_of_them():
    assert len(ROWS) >= 20
    assert sum(len(row.changes) for row in ROWS.values()) >= 60


@each_function
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_mutant_is_found_within_200_examples(row):
    for mutant in row.mutants():
        find(
            inputs,
            lambda arrays, mutant=mutant: not gradcheck(row.forward, *arrays, vjp=mutant),
            settings=settings(max_examples=200, phases=[Phase.generate], database=None),
            random=Random(0),
        )


def test_a_gradient_off_by_a_thousandth_is_wrong_on_every_batch():
    row = ROWS["compact"]

    def vjp(w, x, gamma, beta):
        dx, dgamma, dbeta = row.backward(w, x, gamma, beta)
        return 1.001 * dx, dgamma, dbeta

    for seed in range(5):
        x, gamma, beta = drawn(seed, 100.0, 2.0, False, np.float64)
        if len(x) > 2:  # with two rows dx is 0 but for eps
            report = gradcheck(row.forward, x, gamma, beta, vjp=vjp)
            assert (report.verdict, report.worst_name) == ("wrong", "x")


# What cannot be told


def test_at_a_kink_it_cannot_tell_and_says_where():
    report = gradcheck(tg.relu, [[0.0], [1.0]])
    assert report
    assert report.verdict == "cannot tell"
    assert "a kink at input0[0, 0]" in repr(report)
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


def test_a_function_that_draws_random_numbers_cannot_be_judged():
    rng = np.random.default_rng(0)
    report = gradcheck(lambda x: x * rng.random(x.shape), X)
    assert report.verdict == "cannot tell"
    assert "different values for the same inputs" in repr(report)


@pytest.mark.parametrize("tie", [[2.0, 2.0, 1.0], [2.0, 2.0 + 1e-16, 1.0]])
def test_ties_inside_of_a_smooth_function_are_no_kinks(tie):
    assert gradcheck(ROWS["softmax"].forward, [tie], X[0], X[1]).verdict == "right"
    assert gradcheck(lambda x: np.max(x, axis=1), [tie]).verdict == "cannot tell"


def test_kinks_of_roots_and_jumps_cannot_be_told_either():
    assert gradcheck(lambda x: np.std(x, axis=0), np.ones((3, 2))).verdict == "cannot tell"
    assert gradcheck(lambda x: np.where(x >= 0, x + 1, x), [0.0, 1.0]).verdict == "cannot tell"
    assert gradcheck(np.abs, [0.0]).verdict == "cannot tell"


# Arithmetic of a lower precision inside


def test_float32_inside_of_a_function_of_float64_is_rounding_and_no_mistake():
    def forward(x):
        return np.tanh(x.astype(np.float32) * 1.1).astype(x.dtype)

    def backward(w, x):
        y = np.tanh(np.asarray(x, np.float32) * np.float32(1.1))
        return w * (1 - y * y) * np.float32(1.1)

    hidden = on_arrays_alone(forward), on_arrays_alone(backward)
    for seed in range(2):
        x = np.random.default_rng(seed).normal(size=(4, 3))
        for f, vjp in [(forward, backward), (forward, hidden[1]), hidden]:
            assert gradcheck(f, x, vjp=vjp)
            assert not gradcheck(f, x, vjp=lambda *a, vjp=vjp: 1.01 * vjp(*a))


# Arguments and outputs of any structure


class Pair(NamedTuple):
    a: object
    b: object


def test_arguments_are_arrays_dicts_lists_and_tuples_and_labels_are_left_alone():
    labels = np.array([0, 2, 1, 1, 0])

    def loss(x, params, labels, *, scale, power=1.0):
        z = (x @ params["w"] + params["b"][0] * scale) ** power
        z = z - np.max(z, axis=1, keepdims=True)
        return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(labels)), labels]

    params = {"w": RNG.normal(size=(3, 3)), "b": [B, "unused"]}
    report = gradcheck(loss, X, params, labels, scale=G, power=1.0)
    assert report.verdict == "right"
    assert report.checked == X.size + 9 + 3 + 3


def test_a_wrong_gradient_inside_of_a_dict_is_named():
    def f(x, params):
        return x @ params["w"].T + params["b"]

    params = {"w": RNG.normal(size=(3, 3)), "b": B}
    right = gradcheck(
        f, X, params, vjp=lambda w, x, p: (w @ p["w"], {"b": w.sum(axis=0), "w": w.T @ x})
    )
    assert right.verdict == "right"
    report = gradcheck(
        f, X, params, vjp=lambda w, x, p: [w @ p["w"], {"b": 2 * w.sum(axis=0), "w": w.T @ x}]
    )
    assert (report.verdict, report.worst_name) == ("wrong", "params['b']")


def test_outputs_are_tuples_and_dicts_each_with_a_cotangent_of_its_own():
    def f(x):
        return {"y": np.sin(x), "more": (np.sum(x * x, axis=0), np.array([1, 2]), Pair(x, "s"))}

    def vjp(w, x):
        first, labels, pair = w["more"]
        assert labels is pair.b is None
        return w["y"] * np.cos(x) + 2 * x * first + pair.a

    assert gradcheck(f, X).verdict == "right"
    assert gradcheck(f, X, vjp=vjp).verdict == "right"
    assert not gradcheck(f, X, vjp=lambda w, x: w["y"] * np.cos(x) + 2 * x * w["more"][0])


def test_gradients_may_be_given_for_all_arguments_or_for_those_with_real_numbers():
    def f(x, indices, eps, *, gamma):
        return x[indices] * gamma / (1 + eps)

    def vjp(w, x, indices, eps, *, gamma):
        dx = np.zeros_like(x)
        np.add.at(dx, indices, w * gamma / (1 + eps))
        return dx, (w * x[indices]).sum(axis=0) / (1 + eps)

    def padded(*args, **kwargs):
        dx, dgamma = vjp(*args, **kwargs)
        return dx, None, None, dgamma

    indices = np.array([0, 0, 2])
    for backward in (vjp, padded):
        assert gradcheck(f, X, indices, 1e-3, gamma=G, vjp=backward).verdict == "right"


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "vjp must return the gradient of x; it returned None"),
        ((X, X), "it returned ndarray of shape (5, 3), ndarray of shape (5, 3)"),
        (X[0], "gradients of the shapes [(3,)] for inputs of [(5, 3)]"),
        (X.astype(complex), "complex128"),
    ],
)
def test_a_vjp_that_returns_something_else_is_told_so(returned, sentence):
    report = gradcheck(lambda x: np.sin(x), X, vjp=lambda w, x: returned)
    assert report.verdict == "wrong"
    assert sentence in repr(report)


def test_a_number_is_an_input_if_there_is_no_other():
    assert gradcheck(lambda t: t * t, 3.0).checked == 1
    with pytest.raises(ValueError, match="it was given int"):
        gradcheck(lambda t: t * t, 3)
    with pytest.raises(TypeError, match="complex"):
        gradcheck(np.sin, np.array([1j]))
    with pytest.raises(TypeError, match="no array of floating-point numbers"):
        gradcheck(lambda x: "text", X)


# A tolerance of one's own


def test_a_tolerance_of_ones_own_takes_the_place_of_the_measured_one():
    def vjp(w, x):
        return 1.01 * w * np.cos(x)

    assert not gradcheck(np.sin, X, vjp=vjp)
    assert gradcheck(np.sin, X, vjp=vjp, rtol=0.02).verdict == "right"
    assert not gradcheck(np.sin, X, vjp=vjp, rtol=0.005)
    assert gradcheck(np.sin, X, vjp=vjp, atol=0.05).verdict == "right"
    rough = X.astype(np.float32)
    assert gradcheck(tg.batch_norm, rough, G, B).verdict == "right"
    assert not gradcheck(tg.batch_norm, rough, G, B, rtol=1e-12)
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="must be 0 or more"):
            gradcheck(np.sin, X, rtol=bad)


def test_a_tolerance_below_the_error_of_the_derivative_cannot_be_told():
    hidden = on_arrays_alone(lambda x: np.sin(x) ** 3)
    right = on_arrays_alone(lambda w, x: w * 3 * np.sin(x) ** 2 * np.cos(x))
    assert gradcheck(hidden, X, vjp=right, atol=1e-30).verdict == "cannot tell"


# What is printed


def cube(x, scale, labels):
    return x**3 * scale


def wrong_cube(w, x, scale, labels):
    return 3 * w * x**2 * scale, (w * x**2).sum(axis=0), None


def test_a_wrong_case_is_printed_small_as_code_that_replays_it(tmp_path):
    x, scale = X.astype(np.float32), G.astype(np.float32)
    report = gradcheck(cube, x, scale, np.arange(5), vjp=wrong_cube, seed=3)
    assert report.code in repr(report)
    assert "x = np.array([[" in report.code
    assert report.code.count("\n") < 12
    assert np.asarray(eval(report.code.split("x = ")[1].split("\n")[0])).size <= 2
    with pytest.raises(AssertionError, match="To replay it"):
        report.raise_if_wrong()
    code = report.code.replace(
        f"from {__name__} import", f"import sys; sys.path[:] = {sys.path}\nfrom {__name__} import"
    )
    (tmp_path / "replay.py").write_text(code)
    done = subprocess.run(
        [sys.executable, tmp_path / "replay.py"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(repr(report).split("\n")[0])
    expected = repr(report).split("\n")[1].split(", sure to within")[0]
    assert expected in done.stdout


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, bool])
def test_arrays_are_written_with_every_digit(dtype):
    for a in (RNG.normal(size=(2, 3)) * 1e3, np.array(0.1), np.zeros((0, 2)), np.array([-0.0])):
        a = a.astype(dtype)
        again = eval(literal(a), {"np": np})
        assert again.dtype == a.dtype
        assert again.shape == a.shape
        assert again.tobytes() == a.tobytes()


@settings(deadline=200, max_examples=2)  # the usual deadline
@given(strategies.arrays((3, 2)))
def test_the_time_of_a_check_does_not_count_towards_the_deadline(x):
    start = time.perf_counter()
    while time.perf_counter() < start + 0.4:
        gradcheck(tg.batch_norm, x)
