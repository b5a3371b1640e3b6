"""Layers without windows, losses, initial values."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn import nn


def test_linear_is_its_formula_for_any_leading_axes() -> None:
    layer = nn.Linear(4, 3, generator=0)
    x = np.random.default_rng(0).normal(size=(2, 5, 4))
    expected = np.einsum("nli,oi->nlo", x, layer.weight.data) + layer.bias.data
    np.testing.assert_allclose(layer(x).data, expected, atol=1e-15)
    assert layer(x[0, 0]).shape == (3,)


def test_dropout_keeps_the_expectation_and_repeats_with_its_seed() -> None:
    x = np.ones((200, 500))
    dropped = nn.Dropout(0.3, generator=0)(x).data
    assert set(np.unique(dropped)) == {0.0, 1 / 0.7}
    # the mean of n values that are 0 or 1/q has standard deviation sqrt(p / (q n)) = 0.002
    assert dropped.mean() == pytest.approx(1.0, abs=4 * np.sqrt(0.3 / 0.7 / x.size))
    np.testing.assert_array_equal(dropped, nn.Dropout(0.3, generator=0)(x).data)
    assert (nn.Dropout(1.0)(x).data == 0).all()
    np.testing.assert_array_equal(nn.Dropout(0.3).eval()(x).data, x)


def test_flatten_joins_the_axes_it_is_told_to() -> None:
    x = np.arange(48.0).reshape(2, 3, 4, 2)
    np.testing.assert_array_equal(nn.Flatten()(x).data, x.reshape(2, 24))
    np.testing.assert_array_equal(nn.Flatten(0, 1)(x).data, x.reshape(6, 4, 2))
    np.testing.assert_array_equal(nn.Flatten(-2)(x).data, x.reshape(2, 3, 8))


def test_activations_are_their_formulas() -> None:
    x = np.array([-800.0, -1.5, 0.0, 2.0, 800.0])
    np.testing.assert_allclose(nn.Tanh()(x).data, np.tanh(x))
    np.testing.assert_allclose(nn.ReLU()(x).data, [0, 0, 0, 2, 800])
    np.testing.assert_allclose(nn.LeakyReLU(0.1)(x).data, [-80, -0.15, 0, 2, 800])
    sigmoid = [0, 1 / (1 + np.exp(1.5)), 0.5, 1 / (1 + np.exp(-2)), 1]
    np.testing.assert_allclose(nn.Sigmoid()(x).data, sigmoid)


def test_layer_norm_does_not_depend_on_the_batch() -> None:
    layer = nn.LayerNorm((3, 4))
    x = np.random.default_rng(0).normal(size=(6, 3, 4))
    np.testing.assert_array_equal(layer(x).data[2:3], layer(x[2:3]).data)
    assert not list(nn.LayerNorm(3, elementwise_affine=False).parameters())


# Losses


def test_cross_entropy_is_its_formula_and_its_gradient_is_softmax_minus_one_hot() -> None:
    rng = np.random.default_rng(0)
    logits, target = (
        tg.Tensor(rng.normal(size=(5, 3)), requires_grad=True),
        np.array([0, 2, 1, 1, 0]),
    )
    loss = nn.cross_entropy(logits, target)
    softmax = np.exp(logits.data) / np.exp(logits.data).sum(axis=1, keepdims=True)
    assert loss.item() == pytest.approx(-np.log(softmax[np.arange(5), target]).mean(), rel=1e-14)
    loss.backward()
    np.testing.assert_allclose(logits.grad, (softmax - np.eye(3)[target]) / 5, atol=1e-16)


def test_cross_entropy_is_finite_for_huge_logits_with_its_gradient() -> None:
    logits = tg.Tensor([[1e300, -1e300, 0.0]], requires_grad=True)
    with tg.detect_anomaly():
        loss = nn.cross_entropy(logits, [1])
        loss.backward()
    assert loss.item() == 2e300
    np.testing.assert_array_equal(logits.grad, [[1.0, -1.0, 0.0]])


def test_mse_is_its_formula() -> None:
    x = tg.Tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    loss = nn.mse(x, [[1.0, 0.0], [2.0, 1.0]])
    loss.backward()
    assert loss.item() == (0 + 4 + 1 + 16) / 4
    np.testing.assert_array_equal(x.grad, [[0.0, 1.0], [0.5, 2.0]])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.cross_entropy(np.ones((2, 3)), [0, 3]), ValueError, "classes 0 to 2"),
        (lambda: nn.cross_entropy(np.ones((2, 3)), [0, -1]), ValueError, "classes -1 to 0"),
        (lambda: nn.cross_entropy(np.ones((2, 3)), [0]), ValueError, r"\(2, 3\) and \(1,\)"),
        (lambda: nn.cross_entropy(np.ones((0, 3)), []), ValueError, "m > 0"),
        (lambda: nn.cross_entropy(np.ones((1, 3)), [0.0]), TypeError, "class numbers"),
        (lambda: nn.mse([1.0, 2.0], [[1.0], [2.0]]), ValueError, "must have the same shape"),
        (lambda: nn.Linear(4, 3)(np.ones((2, 5))), ValueError, "takes 4 features"),
        (lambda: nn.Linear(4, 0), ValueError, "out_features must be an integer"),
        (lambda: nn.Dropout(1.5), ValueError, "must be a probability"),
        (lambda: nn.Flatten(2)(np.ones((2, 3))), ValueError, "does not fit"),
        (lambda: nn.init.calculate_gain("swish"), ValueError, "no gain is known for 'swish'"),
        (lambda: nn.init.xavier_normal_(tg.Tensor([1.0])), ValueError, "at least two axes"),
        (lambda: nn.init.normal_(tg.Tensor([1.0]), std=-1.0), ValueError, "std must be"),
        (
            lambda: nn.init.kaiming_normal_(tg.Tensor([[1.0]]), mode="fan"),
            ValueError,
            "mode must be",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


# Initial values

FAN_IN, FAN_OUT = 200 * 6, 100 * 6
STARTS = {
    "xavier": (nn.init.xavier_normal_, nn.init.xavier_uniform_, {}, 2 / (FAN_IN + FAN_OUT)),
    "xavier for tanh": (
        nn.init.xavier_normal_,
        nn.init.xavier_uniform_,
        {"gain": nn.init.calculate_gain("tanh")},
        25 / 9 * 2 / (FAN_IN + FAN_OUT),
    ),
    "he": (
        nn.init.kaiming_normal_,
        nn.init.kaiming_uniform_,
        {"nonlinearity": "relu"},
        2 / FAN_IN,
    ),
    "he, fan_out, leaky": (
        nn.init.kaiming_normal_,
        nn.init.kaiming_uniform_,
        {"mode": "fan_out", "a": 0.5},
        2 / 1.25 / FAN_OUT,
    ),
}


@pytest.mark.parametrize("name", STARTS)
def test_initial_values_have_their_variance_and_repeat_with_their_seed(name) -> None:
    normal, uniform, settings, var = STARTS[name]
    w = nn.Parameter(np.zeros((100, 200, 2, 3)), dtype=np.float32)
    # a sample variance of n values spreads by sqrt(2/n) of itself at most (less if uniform)
    spread = 5 * np.sqrt(2 / w.size)
    for start in (normal, uniform):
        first = start(w, **settings, generator=7).numpy()
        assert first.dtype == np.float32
        assert first.var() == pytest.approx(var, rel=spread)
        assert abs(first.mean()) < 5 * np.sqrt(var / w.size)
        np.testing.assert_array_equal(start(w, **settings, generator=7).data, first)
    assert np.abs(first).max() <= np.sqrt(3 * var) * (1 + 1e-6)


@pytest.mark.parametrize(
    "layer", [nn.Linear(9, 500, generator=1), nn.Conv2d(4, 500, 3, generator=1)]
)
def test_layers_start_uniform_over_one_by_root_fan_in(layer) -> None:
    bound = 1 / np.sqrt(nn.init.fans(layer.weight)[0])
    for p in layer.parameters():
        assert 0.99 * bound < np.abs(p.data).max() <= bound
