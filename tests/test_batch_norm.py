"""Batch norm composed of primitives: its gradient from the graph equals the closed forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pytorch_accuracy import data, exact

import tinygrad_bn as tg
from tinygrad_bn import closed_form

NINE = ["mean", "sub", "pow", "mean", "add", "sqrt", "div", "mul", "add"]
BACKWARDS = (
    closed_form.backward_paper,
    closed_form.backward_steps,
    closed_form.backward_compact,
)


class Case(NamedTuple):
    """A mini-batch, its parameters, and a cotangent."""

    x: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    dy: np.ndarray
    axis: tuple[int, ...] | None
    eps: float

    @property
    def axes(self) -> tuple[int, ...]:
        ndim = self.x.ndim
        return self.axis or tuple(i for i in range(ndim) if i != 1 or ndim == 1)

    def tensors(self):
        return [tg.Tensor(a, requires_grad=True) for a in (self.x, self.gamma, self.beta)]


@st.composite
def cases(draw, dtypes=("float16", "float32", "float64"), min_m=1, ndims=(1, 5)):
    """Draw a case: 1-D to 5-D, any axes, magnitudes 1e-6 to 1e6, offsets to 1e6 deviations."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=ndims[0], max_size=ndims[1])))
    axis = draw(st.none() | st.sets(st.integers(0, len(shape) - 1), min_size=1).map(tuple))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    half = dtype == np.float16  # which holds 6e-8 to 65504 only
    magnitude = 10.0 ** draw(st.integers(-2, 1) if half else st.integers(-6, 6))
    offset = draw(st.sampled_from([0.0, 1.0, 1e2] if half else [0.0, 1.0, 1e2, 1e4, 1e6]))
    eps = 10.0 ** draw(st.integers(-4 if half else -12, 0))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = magnitude * (rng.normal(size=shape) + offset)
    case = Case(x, x, x, rng.normal(size=shape), axis, eps)
    assume(np.prod([shape[i] for i in case.axes]) >= min_m)
    if draw(st.booleans()):  # the first feature is constant
        first = tuple(slice(None) if i in case.axes else 0 for i in range(len(shape)))
        x[first] = magnitude * offset
    features = tuple(n for i, n in enumerate(shape) if i not in case.axes)
    gamma, beta = rng.normal(size=features) + 0.5, rng.normal(size=features)
    arrays = (np.asarray(a).astype(dtype) for a in (x, gamma, beta, case.dy))
    return Case(*arrays, axis, eps)


def assert_within(actual, expected, tolerance):
    """Assert a bound for each element, in float64: the arrays may be float16."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    excess = np.abs(actual.astype(np.float64) - expected.astype(np.float64)) - tolerance
    assert np.max(excess, initial=0.0) <= 0


@given(cases())
def test_the_gradient_from_the_graph_is_that_of_each_closed_form(case):
    inputs = case.tensors()
    y = tg.batch_norm(*inputs, axis=case.axis, eps=case.eps)
    gradients = tg.grad(y, inputs, case.dy)
    _, cache = closed_form.forward(*case[:3], axis=case.axis, eps=case.eps)
    bounds = closed_form.error_bound(case.dy, cache)
    for backward in BACKWARDS:
        expected = backward(case.dy, cache)
        for actual, formula, bound in zip(gradients, expected, bounds, strict=True):
            assert_within(actual.data, formula, 2 * bound)


@given(cases(dtypes=("float64",), min_m=2))
def test_the_error_bound_is_too_small_to_hide_a_lost_path(case):
    """Dropping the mean's or the variance's path is far outside of the tolerance."""
    _, cache = closed_form.forward(*case[:3], axis=case.axis, eps=case.eps)
    assume(closed_form.condition(cache).max() < 1e-6)
    dy = case.dy
    bound = closed_form.error_bound(dy, cache).dx
    right = closed_form.backward_compact(dy, cache).dx
    scale = cache.gamma / cache.std
    mean = dy.mean(case.axes, keepdims=True)
    without_mean = right + scale * mean
    assert (np.abs(without_mean - right) > 2 * bound).mean() > 0.9


@given(cases(dtypes=("float32", "float64")))
def test_the_forward_pass_is_that_of_the_closed_form(case):
    y = tg.batch_norm(*case.tensors(), axis=case.axis, eps=case.eps)
    expected, cache = closed_form.forward(*case[:3], axis=case.axis, eps=case.eps)
    u = float(np.finfo(case.x.dtype).eps)
    # Five roundings of x_hat, the shift of mu, and three roundings of gamma x_hat + beta.
    x_hat = np.abs(cache.x_hat)
    wrong = 8 * u * x_hat + 2 * closed_form.condition(cache)
    shift = np.asarray(case.beta).reshape(cache.gamma.shape)
    assert_within(y.data, expected, np.abs(cache.gamma) * wrong + 4 * u * np.abs(shift))


def test_two_dimensional_input_records_exactly_the_nine_operations():
    x, gamma, beta = Case(*np.random.default_rng(0).normal(size=(3, 4, 4)), 0, None, 0)[:3]
    inputs = [tg.Tensor(a, requires_grad=True) for a in (x, gamma[0], beta[0])]
    graph = tg.graph(tg.batch_norm(*inputs))
    made = [node for node in graph.nodes if node.op]
    assert [node.op for node in made] == NINE
    assert {node.scope for node in made} == {"batch_norm"}
    assert [n.name for n in made] == [
        "mu", "x_centered", None, "var", None, "std", "x_hat", None, "y",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "axis"), [((6,), None), ((2, 3, 4), None), ((2, 3, 4, 5), 0), ((2, 2, 2, 2, 2), None)]
)
def test_other_shapes_record_the_nine_operations_and_reshapes(shape, axis):
    inputs = Case(*[np.random.default_rng(1).normal(size=shape)] * 4, axis, 0).tensors()
    features = inputs[0].data[tuple(0 if i in _axes(shape, axis) else slice(None)
                                    for i in range(len(shape)))]  # fmt: skip
    gamma, beta = (tg.Tensor(features, requires_grad=True) for _ in range(2))
    graph = tg.graph(tg.batch_norm(inputs[0], gamma, beta, axis=axis))
    assert [n.op for n in graph.nodes if n.op and n.op != "reshape"] == NINE


def _axes(shape, axis):
    return (
        (axis,) if axis is not None else [i for i in range(len(shape)) if i != 1 or len(shape) == 1]
    )


@given(cases(dtypes=("float64",)))
def test_the_gradient_of_x_sums_to_zero_over_each_feature(case):
    x, gamma, beta = case.tensors()
    (dx,) = tg.grad(tg.batch_norm(x, gamma, beta, axis=case.axis, eps=case.eps), x, case.dy)
    _, cache = closed_form.forward(*case[:3], axis=case.axis, eps=case.eps)
    bound = closed_form.error_bound(case.dy, cache).dx.sum(case.axes)
    assert (np.abs(dx.data.sum(case.axes)) <= bound).all()


@given(cases(dtypes=("float64",)), st.floats(-100, 100))
def test_shifting_x_by_a_constant_changes_neither_y_nor_its_gradient(case, shift):
    assume(np.abs(case.x).max() < 1e3)
    moved = case._replace(x=case.x + shift)
    results = []
    for each in (case, moved):
        x, gamma, beta = each.tensors()
        y = tg.batch_norm(x, gamma, beta, axis=case.axis, eps=case.eps)
        _, cache = closed_form.forward(*each[:3], axis=case.axis, eps=case.eps)
        # adding the shift rounds x itself, by another u max|x|, which error_bound's kappa covers
        results.append((tg.grad(y, x, case.dy)[0].data, closed_form.error_bound(case.dy, cache).dx))
    (dx, bound), (dx_moved, bound_moved) = results
    assert (np.abs(dx - dx_moved) <= 2 * (bound + bound_moved)).all()


@given(cases(dtypes=("float64",)), st.floats(-3, 3))
def test_the_gradient_is_linear_in_the_cotangent(case, factor):
    x, gamma, beta = case.tensors()
    y = tg.batch_norm(x, gamma, beta, axis=case.axis, eps=case.eps)
    other = np.random.default_rng(5).normal(size=case.dy.shape)
    one, two, both = (
        tg.grad(y, x, dy)[0].data for dy in (case.dy, other, case.dy + factor * other)
    )
    _, cache = closed_form.forward(*case[:3], axis=case.axis, eps=case.eps)
    size = np.abs(case.dy) + abs(factor) * np.abs(other)
    assert (np.abs(both - one - factor * two) <= 3 * closed_form.error_bound(size, cache).dx).all()


@given(cases(dtypes=("float64",), min_m=2))
def test_a_bias_before_batch_norm_gets_no_gradient(case):
    x, gamma, beta = case.tensors()
    bias = tg.Tensor(np.zeros_like(case.x.mean(case.axes, keepdims=True)), requires_grad=True)
    y = tg.batch_norm(x + bias, gamma, beta, axis=case.axis, eps=case.eps)
    (gradient,) = tg.grad(y, bias, case.dy)
    _, cache = closed_form.forward(*case[:3], axis=case.axis, eps=case.eps)
    bound = closed_form.error_bound(case.dy, cache).dx.sum(case.axes, keepdims=True)
    assert (np.abs(gradient.data) <= bound).all()


def test_gamma_equal_to_std_and_beta_equal_to_mu_give_the_identity():
    x = np.random.default_rng(2).normal(3, 2, (50, 4))
    y = tg.batch_norm(x, np.sqrt(x.var(0) + 1e-5), x.mean(0))
    np.testing.assert_allclose(y.data, x, rtol=1e-14, atol=1e-14)


def test_with_given_statistics_it_is_the_affine_map_of_inference():
    rng = np.random.default_rng(3)
    x, gamma, beta, mean = (rng.normal(size=s) for s in [(5, 3, 2, 2), 3, 3, 3])
    var = rng.uniform(0.5, 2, 3)
    inputs = [tg.Tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    y = tg.batch_norm(*inputs, mean=mean, var=var)
    a = gamma / np.sqrt(var + 1e-5)
    expected = a[:, None, None] * x + (beta - a * mean)[:, None, None]
    np.testing.assert_allclose(y.data, expected, rtol=1e-13, atol=1e-13)
    dy = rng.normal(size=x.shape)
    np.testing.assert_allclose(tg.grad(y, inputs[0], dy)[0].data, a[:, None, None] * dy, rtol=1e-14)


COMPOSITIONS = {
    "mean of squares": lambda x: np.mean((x - np.mean(x, axis=0)) ** 2, axis=0),
    "E[x^2] - mu^2": lambda x: np.mean(x**2, axis=0) - np.mean(x, axis=0) ** 2,
    "np.var": lambda x: np.var(x, axis=0),
    "sums": lambda x: np.sum(np.square(x - np.sum(x, axis=0) / len(x)), axis=0) / len(x),
    "matmul": lambda x: (
        np.sum((x - np.matmul(np.full((len(x),) * 2, 1 / len(x)), x)) ** 2, axis=0) / len(x)
    ),
}


@pytest.mark.parametrize("variance", COMPOSITIONS.values(), ids=COMPOSITIONS)
def test_every_composition_of_the_same_function_gives_the_same_gradients(variance):
    rng = np.random.default_rng(4)
    x, gamma = rng.normal(size=(7, 3)), rng.normal(size=3)
    dy, v = rng.normal(size=(2, 7, 3))
    found = []
    for normalize in (
        lambda x: (x - np.mean(x, axis=0)) / np.sqrt(variance(x) + 1e-3),
        lambda x: tg.batch_norm(x, eps=1e-3),
    ):
        leaf = tg.Tensor(x, requires_grad=True)
        (dx,) = tg.grad(normalize(leaf) * gamma, leaf, dy, create_graph=True)
        found.append([dx.data, tg.grad(dx, leaf, v)[0].data])
    for ours, theirs in zip(*found, strict=True):  # the values are of size 1, m is 7
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)


def test_the_second_derivative_is_that_of_the_closed_form():
    """d/dx of <v, backward_compact(dy)>: the closed form itself, differentiated numerically."""
    rng = np.random.default_rng(6)
    x, gamma, beta = rng.normal(size=(6, 2)), rng.normal(size=2), rng.normal(size=2)
    dy, v = rng.normal(size=(2, 6, 2))

    def along_v(x):
        _, cache = closed_form.forward(x, gamma, beta)
        return (closed_form.backward_compact(dy, cache).dx * v).sum()

    leaf = tg.Tensor(x, requires_grad=True)
    (dx,) = tg.grad(tg.batch_norm(leaf, gamma, beta), leaf, dy, create_graph=True)
    (second,) = tg.grad(dx, leaf, v)
    h = 1e-5
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        numeric = (along_v(x + step) - along_v(x - step)) / (2 * h)
        # central differences: h^2 times a third derivative of size 10, and u / h
        assert second.data[place] == pytest.approx(numeric, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("value", [7e6, 7e9, 0.1, -3e-8])
@pytest.mark.parametrize("rows", [1, 6, 1000])
def test_a_constant_float32_feature_gives_exactly_beta(value, rows):
    x = tg.Tensor(np.full((rows, 2), value, np.float32), requires_grad=True)
    beta = np.array([0.3, -2.0], np.float32)
    y = tg.batch_norm(x, np.array([5.0, 7.0], np.float32), beta)
    assert y.dtype == np.float32
    assert (y.data == beta).all()


def test_a_single_value_for_each_feature_gives_beta_and_no_gradient():
    x, beta = np.random.default_rng(7).normal(size=(2, 1, 4))
    leaf = tg.Tensor(x, requires_grad=True)
    y = tg.batch_norm(leaf, 2 * beta[0], beta[0])
    assert (y.data == beta).all()
    assert (tg.grad(y, leaf, x)[0].data == 0).all()


RECORDED = json.loads((Path(__file__).parent / "data/pytorch_accuracy.json").read_text())["errors"]


@pytest.mark.parametrize("record", RECORDED, ids=lambda r: f"{r['shape']}-{r['offset']:g}")
def test_float32_is_at_least_as_accurate_as_pytorch(record):
    x = data(tuple(record["shape"]), record["offset"])
    error = np.abs(tg.batch_norm(x).data - exact(x)).max()
    assert error <= record["largest_error"]


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e6])
def test_float32_accuracy_does_not_depend_on_the_offset(offset):
    x = data((256, 8), offset)
    # x - mu, the division and std are each rounded once: three half units of |x_hat| < 4.
    assert np.abs(tg.batch_norm(x).data - exact(x)).max() < 3 * 4 * np.finfo(np.float32).eps / 2


def test_float16_is_computed_wide_enough_for_large_deviations():
    x = np.array([[-400.0], [0.0], [400.0]], np.float16)  # 400^2 is beyond float16
    y = tg.batch_norm(x)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y.data.ravel(), [-1.2247, 0, 1.2247], rtol=2**-10)


@given(cases(dtypes=("float64",), ndims=(2, 2)))
def test_layer_norm_is_batch_norm_of_the_transpose(case):
    x = tg.Tensor(case.x, requires_grad=True)
    gamma, beta = case.x[0], case.dy[0]
    y = tg.layer_norm(x, gamma, beta, eps=case.eps)
    turned = tg.batch_norm(x.T, eps=case.eps).T * gamma + beta
    np.testing.assert_array_equal(y.data, turned.data)
    one, other = (tg.grad(each, x, case.dy)[0].data for each in (y, turned))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(other).max())


@pytest.mark.parametrize(
    ("shape", "axis", "gamma"),
    [((4, 3), None, (1, 3)), ((4, 3), None, ()), ((2, 3, 4, 4), None, (1, 3, 1, 1)),
     ((2, 3, 4, 4), None, (3, 1, 1)), ((4, 4), 1, (4,)), ((2, 3, 4), 0, (3, 4))],
)  # fmt: skip
def test_gamma_may_have_one_value_a_feature_or_any_shape_that_broadcasts(shape, axis, gamma):
    rng = np.random.default_rng(9)
    x, g = rng.normal(size=shape), tg.Tensor(rng.normal(size=gamma), requires_grad=True)
    y = tg.batch_norm(x, g, axis=axis)
    spread = g.data[:, None] if gamma == (4,) else g.data
    np.testing.assert_allclose(y.data, tg.batch_norm(x, axis=axis).data * spread, rtol=1e-15)
    assert tg.grad(y, g, x)[0].shape == gamma


X = np.random.default_rng(10).normal(size=(4, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tg.batch_norm(X, eps=-1e-5), ["eps", "at least 0", "-1e-05"]),
        (lambda: tg.batch_norm(X, eps=np.nan), ["eps", "nan"]),
        (lambda: tg.batch_norm(X, eps=np.inf), ["eps", "inf"]),
        (lambda: tg.batch_norm(X[:0]), ["at least one value", "(0, 3)"]),
        (lambda: tg.batch_norm(X, np.ones(4)), ["gamma", "(4,)", "(3,)", "(4, 3)"]),
        (lambda: tg.batch_norm(X, None, np.ones((2, 4, 3))), ["beta", "(2, 4, 3)", "(3,)"]),
        (lambda: tg.batch_norm(X, mean=np.zeros(3)), ["both mean and var"]),
        (lambda: tg.batch_norm(X, mean=np.zeros(3), var=-np.ones(3)), ["var", "negative"]),
        (lambda: tg.batch_norm(X, axis=2), ["batch_norm", "axis 2", "2 dimensions"]),
        (lambda: tg.batch_norm(X, axis=(0, 0)), ["axis", "twice"]),
        (lambda: tg.batch_norm(3.0), ["single number"]),
        (lambda: tg.layer_norm(X, np.ones(4)), ["gamma", "(4,)", "(3,)"]),
        (lambda: closed_form.forward(X, np.ones(4), np.ones(3)), ["gamma", "(4,)", "(3,)"]),
        (lambda: closed_form.forward(X[:0], np.ones(3), np.ones(3)), ["(0, 3)", "no value"]),
    ],
)
def test_wrong_use_is_one_clear_sentence(call, words):
    with pytest.raises(ValueError, match=r"\w") as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_closed_form_imports_numpy_and_nothing_of_this_package():
    source = Path(closed_form.__file__).read_text()
    imports = {
        line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))
    }
    assert imports == {"__future__", "math", "typing", "numpy", "numpy.typing"}
