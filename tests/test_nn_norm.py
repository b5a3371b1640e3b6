"""BatchNorm as a layer: statistics, modes, population statistics, and folding for inference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn import closed_form, nn

EPS = np.finfo(float).eps


def trained(*layers: nn.Module, shape: tuple[int, ...], seed: int = 0) -> nn.Sequential:
    """A network whose batch norms have seen a few batches and have uneven gamma and beta."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(*layers)
    for p in model.parameters():
        p.data = rng.normal(0.5, 1.0, p.shape)
    for _ in range(4):
        model(rng.normal(1.0, 2.0, (16, *shape)))
    return model.eval()


# Training


@given(
    st.lists(st.integers(1, 3), max_size=3),
    st.integers(1, 4),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_training_gives_the_closed_form_and_its_gradients(tail, channels, each, seed) -> None:
    rng = np.random.default_rng(seed)
    shape = (5, channels, *tail)
    features = shape[1:] if each else channels
    layer = nn.BatchNorm(features, axis=0 if each else None)
    assert layer.gamma.shape == layer.running_var.shape == (shape[1:] if each else (channels,))
    layer.gamma.data = rng.normal(size=layer.gamma.shape)
    layer.beta.data = rng.normal(size=layer.beta.shape)
    x, dy = tg.Tensor(rng.normal(size=shape), requires_grad=True), rng.normal(size=shape)
    out = layer(x)
    out.backward(dy)

    axis = 0 if each else None
    y, cache = closed_form.forward(x.data, layer.gamma.data, layer.beta.data, axis=axis)
    expected = closed_form.backward_steps(dy, cache)
    bound = closed_form.error_bound(dy, cache)
    np.testing.assert_allclose(out.data, y, rtol=0, atol=1e4 * EPS)
    found = (x.grad, layer.gamma.grad, layer.beta.grad)
    for gradient, of, error in zip(found, expected, bound, strict=True):
        assert (np.abs(gradient - of) <= 2 * error).all()


@pytest.mark.parametrize("unbiased", [True, False])
def test_running_statistics_follow_their_rule_batch_by_batch(unbiased) -> None:
    layer = nn.BatchNorm(1, momentum=0.25, unbiased=unbiased)
    mean, var = 0.0, 1.0
    for batch in ([1.0, 3.0], [0.0, 0.0, 6.0], [5.0, 5.0, 5.0, 9.0]):
        layer(np.array(batch)[:, None])
        mean = 0.75 * mean + 0.25 * np.mean(batch)
        var = 0.75 * var + 0.25 * np.var(batch, ddof=int(unbiased))
        assert layer.running_mean.item() == pytest.approx(mean, rel=1e-15)
        assert layer.running_var.item() == pytest.approx(var, rel=1e-15)
    assert layer.num_batches_tracked.item() == 3


def test_the_rule_of_source_2_from_its_zero_start() -> None:
    rng = np.random.default_rng(0)
    layer = nn.BatchNorm(3, momentum=0.1, unbiased=False)
    layer.running_var.data = np.zeros(3)
    mean, var = np.zeros(3), np.zeros(3)
    for _ in range(5):
        x = rng.normal(size=(4, 3))
        layer(x)
        mean = 0.9 * mean + (1 - 0.9) * x.mean(axis=0)
        var = 0.9 * var + (1 - 0.9) * x.var(axis=0)
    np.testing.assert_allclose(layer.running_mean.data, mean, atol=20 * EPS)
    np.testing.assert_allclose(layer.running_var.data, var, atol=20 * EPS)


def test_without_momentum_the_running_statistics_are_plain_averages() -> None:
    x = np.random.default_rng(0).normal(size=(6, 8, 2))
    layer = nn.BatchNorm(2, momentum=None)
    for batch in x:
        layer(batch)
    np.testing.assert_allclose(layer.running_mean.data, x.mean(axis=(0, 1)), atol=20 * EPS)
    np.testing.assert_allclose(layer.running_var.data, x.var(axis=1, ddof=1).mean(0), atol=20 * EPS)


def test_inference_is_the_affine_map_and_leaves_the_statistics_alone() -> None:
    model = trained(nn.BatchNorm(3, eps=1e-3), shape=(3, 4, 2))
    before = model.state_dict()
    x = np.random.default_rng(1).normal(size=(1, 3, 4, 2))
    scale, shift = (v.reshape(1, 3, 1, 1) for v in model[0].affine())
    np.testing.assert_allclose(model(x).data, scale * x + shift, atol=100 * EPS)
    assert all((model.state_dict()[name] == value).all() for name, value in before.items())


def test_affine_without_gamma_and_beta_still_normalizes() -> None:
    model = trained(nn.BatchNorm(3, affine=False), shape=(3,))
    scale, shift = model[0].affine()
    x = np.random.default_rng(1).normal(size=(2, 3))
    np.testing.assert_allclose(model(x).data, scale * x + shift, atol=100 * EPS)
    assert not list(model.parameters())


def test_float32_stays_float32_throughout() -> None:
    model = nn.Sequential(nn.Linear(4, 3, dtype=np.float32), nn.BatchNorm(3, dtype=np.float32))
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    assert model(x).dtype == model.eval()(x).dtype == np.float32
    assert {
        value.dtype.name for name, value in model.state_dict().items() if "num" not in name
    } == {"float32"}
    assert nn.fold_batch_norm(model)(x).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.BatchNorm(3)(np.ones((1, 3))), "more than one value per feature in training"),
        (lambda: nn.BatchNorm(3)(np.ones((4, 2))), r"shape \(3,\); those of x, of shape \(4, 2\)"),
        (lambda: nn.BatchNorm(3)(np.ones(3)), "2 to 5 axes"),
        (lambda: nn.BatchNorm(3)(np.ones((2, 3, 1, 1, 1, 1))), "2 to 5 axes"),
        (lambda: nn.BatchNorm((3, 4), axis=0)(np.ones((2, 4, 3))), r"shape \(3, 4\)"),
        (lambda: nn.BatchNorm(3, momentum=1.5), "momentum is the weight of the new batch"),
        (lambda: nn.BatchNorm(0), "num_features must be an integer of at least 1"),
        (lambda: nn.BatchNorm(3, eps=-1.0)(np.ones((2, 3))), "eps must be finite"),
        (lambda: nn.LayerNorm(3)(np.ones((2, 4))), "last axes of shape"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_batch_that_is_refused_is_not_counted() -> None:
    layer = nn.BatchNorm(3, eps=-1.0)
    with pytest.raises(ValueError, match="eps"):
        layer(np.ones((2, 3)))
    assert layer.num_batches_tracked.item() == 0


# Population statistics


@given(st.lists(st.integers(2, 9), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_population_statistics_weigh_batches_of_any_sizes(sizes, seed) -> None:
    rng = np.random.default_rng(seed)
    batches = [rng.normal(rng.normal(), 2.0, (m, 3)) for m in sizes]
    model = nn.Sequential(nn.BatchNorm(3))
    nn.population_statistics(model, batches)
    pooled = sum(((b - b.mean(0)) ** 2).sum(0) for b in batches) / sum(m - 1 for m in sizes)
    every = np.concatenate(batches)
    np.testing.assert_allclose(model[0].running_mean.data, every.mean(0), atol=100 * EPS)
    np.testing.assert_allclose(model[0].running_var.data, pooled, rtol=100 * EPS)
    if len(set(sizes)) == 1:  # then it is source 1's formula
        m = sizes[0]
        formula = m / (m - 1) * np.mean([b.var(axis=0) for b in batches], axis=0)
        np.testing.assert_allclose(model[0].running_var.data, formula, rtol=100 * EPS)


def test_population_statistics_are_gathered_behind_normalized_layers() -> None:
    # the second layer must see what the first gives in training, not in inference
    rng = np.random.default_rng(0)
    batches = [rng.normal(3.0 * k, 1.0, (8, 4)) for k in range(3)]
    model = nn.Sequential(nn.BatchNorm(4), nn.Linear(4, 2, generator=rng), nn.BatchNorm(2))
    model[1].weight.requires_grad = False
    nn.population_statistics(model, iter(batches))
    seen = [model[1](nn.BatchNorm(4)(batch)).data for batch in batches]
    expected = 8 / 7 * np.mean([s.var(axis=0) for s in seen], axis=0)
    np.testing.assert_allclose(model[2].running_var.data, expected, rtol=100 * EPS)


def test_population_statistics_leave_modes_counts_and_parameters_as_they_were() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm(3), nn.Dropout(0.5)).eval()
    model[2].train()
    before = model.state_dict()
    nn.population_statistics(model, [np.random.default_rng(0).normal(size=(4, 3))])
    assert [module.training for module in model] == [False, False, True]
    assert not model.training
    changed = {n for n, v in model.state_dict().items() if (v != before[n]).any()}
    assert changed == {"1.running_mean", "1.running_var"}


def test_population_statistics_that_fail_change_nothing() -> None:
    model = nn.Sequential(nn.BatchNorm(3)).eval()
    before = model.state_dict()
    for batches, message in (
        ([], r"no batch reached the layers \['0'\]"),
        ([np.random.default_rng(0).normal(size=(4, 3)), np.ones((1, 3))], "more than one value"),
    ):
        with pytest.raises(ValueError, match=message):
            nn.population_statistics(model, batches)
    assert all((model.state_dict()[n] == v).all() for n, v in before.items())
    assert not model.training
    model.train()(np.random.default_rng(0).normal(size=(4, 3)))
    assert model[0].num_batches_tracked.item() == 1
    with pytest.raises(ValueError, match="no BatchNorm layer"):
        nn.population_statistics(nn.Sequential(nn.ReLU()), [np.ones((2, 3))])


# Folding


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_folding_keeps_the_results_and_drops_the_layers(bias, affine) -> None:
    conv = nn.Conv2d(2, 4, 3, padding=1, groups=2, bias=bias)
    dense = nn.Linear(4 * 3 * 3, 5, bias=bias)
    model = trained(
        conv, nn.BatchNorm(4, affine=affine), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Sequential(dense, nn.BatchNorm(5, affine=affine)), nn.Sigmoid(), shape=(2, 6, 6),
    )  # fmt: skip
    before = model.state_dict()
    folded = nn.fold_batch_norm(model)
    assert not any(isinstance(module, nn.BatchNorm) for module in folded.modules())
    x = np.random.default_rng(5).normal(size=(3, 2, 6, 6))
    np.testing.assert_allclose(folded(x).data, model(x).data, rtol=0, atol=1e3 * EPS)
    assert all((model.state_dict()[n] == v).all() for n, v in before.items())


def test_a_batch_norm_that_is_no_map_per_output_stays() -> None:
    model = trained(
        nn.BatchNorm(2),  # nothing before it
        nn.Conv2d(2, 3, 3),
        nn.BatchNorm((3, 4, 4), axis=0),  # every activation by itself
        nn.ReLU(),
        nn.BatchNorm(3),  # after a nonlinearity
        shape=(2, 6, 6),
    )
    folded = nn.fold_batch_norm(model)
    assert len(folded) == 5
    x = np.random.default_rng(5).normal(size=(3, 2, 6, 6))
    np.testing.assert_array_equal(folded(x).data, model(x).data)


def test_a_layer_used_twice_is_folded_only_where_its_batch_norm_follows() -> None:
    shared = nn.Linear(3, 3)
    model = trained(shared, nn.BatchNorm(3), nn.Tanh(), shared, shape=(3,))
    x = np.random.default_rng(5).normal(size=(4, 3))
    folded = nn.fold_batch_norm(model)
    assert len(folded) == 3
    np.testing.assert_allclose(folded(x).data, model(x).data, rtol=0, atol=1e3 * EPS)


def test_two_batch_norms_in_a_row_fold_into_one_layer() -> None:
    model = trained(nn.Linear(3, 2), nn.BatchNorm(2), nn.BatchNorm(2), shape=(3,))
    folded = nn.fold_batch_norm(model)
    assert len(folded) == 1
    x = np.random.default_rng(5).normal(size=(4, 3))
    np.testing.assert_allclose(folded(x).data, model(x).data, rtol=0, atol=1e3 * EPS)


def test_the_running_variance_keeps_its_digits_far_from_zero() -> None:
    """In float32 a mean of 10^6 deviations, rounded, would be off by 0.03 deviations."""
    x = (np.random.default_rng(0).normal(size=(256, 3)) + 1e6).astype(np.float32)
    layer = tg.nn.BatchNorm(3, momentum=1.0, unbiased=False, dtype=np.float32)
    layer(x)
    exact = x.astype(np.float64).var(axis=0)
    # the differences are exact or rounded once, squared, and averaged in float64
    eps = np.finfo(np.float32).eps
    np.testing.assert_allclose(layer.running_var.data, exact, rtol=4 * eps)
