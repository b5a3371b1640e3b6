"""Optimizers: their steps by hand, that training learns, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn import nn, optim


def steps(optimizer: optim.Optimizer, p: tg.Tensor, gradients: list[float]) -> list[float]:
    seen = []
    for g in gradients:
        p.grad = np.array([g])
        optimizer.step()
        seen.append(float(p.data[0]))
    return seen


def test_sgd_by_hand() -> None:
    p = nn.Parameter([1.0])
    # v: 1, 0.5 + 2 = 2.5, 1.25 + 0 = 1.25
    assert steps(optim.SGD([p], lr=0.1, momentum=0.5), p, [1.0, 2.0, 0.0]) == pytest.approx(
        [0.9, 0.65, 0.525], rel=1e-15
    )


def test_weight_decay_pulls_to_zero_by_hand() -> None:
    p = nn.Parameter([2.0])
    assert steps(optim.SGD([p], lr=0.5, weight_decay=0.5), p, [1.0, 0.0]) == [1.0, 0.75]


def test_adam_by_hand() -> None:
    p = nn.Parameter([1.0])
    # t = 1: both corrections undo the factors, the step is lr g/|g|. t = 2 with g = 3 after 1:
    # m = (0.5 (0.5) + 0.5 (3)) / 0.75, v = (0.75 (0.25) + 0.25 (9)) / 0.4375
    m, v = 1.75 / 0.75, 2.4375 / 0.4375
    expected = [0.9, 0.9 - 0.1 * m / np.sqrt(v)]
    optimizer = optim.Adam([p], lr=0.1, betas=(0.5, 0.75), eps=0.0)
    assert steps(optimizer, p, [1.0, 3.0]) == pytest.approx(expected, rel=1e-14)


def test_a_parameter_without_gradient_stays_and_dtypes_stay() -> None:
    p, q = nn.Parameter([1.0], dtype=np.float32), nn.Parameter([2.0])
    for kind in (optim.SGD, optim.Adam):
        optimizer = kind([p, q], lr=0.5)
        p.grad = np.array([1.0], np.float32)
        optimizer.step()
        assert p.dtype == np.float32
        assert q.item() == 2.0
        optimizer.zero_grad()
        assert p.grad is None


def test_changing_a_gradient_in_place_does_not_reach_the_momentum() -> None:
    p = nn.Parameter([1.0])
    optimizer = optim.SGD([p], lr=1.0, momentum=1.0)
    p.grad = np.array([0.25])
    optimizer.step()
    p.grad *= 0
    optimizer.step()
    assert p.item() == 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=2.0),
        lambda p: optim.SGD(p, lr=0.2, momentum=0.9, weight_decay=1e-4),
        lambda p: optim.Adam(p, lr=0.05),
    ],
)
def test_training_separates_two_rings(make) -> None:
    rng = np.random.default_rng(0)
    angle, ring = rng.uniform(0, 2 * np.pi, 200), rng.integers(0, 2, 200)
    x = (1 + ring)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    model = nn.Sequential(
        nn.Linear(2, 16, generator=rng),
        nn.BatchNorm(16),
        nn.Tanh(),
        nn.Linear(16, 2, generator=rng),
    )
    optimizer = make(model.parameters())
    losses = []
    for _ in range(120):
        optimizer.zero_grad()
        loss = nn.cross_entropy(model(x), ring)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert (model.eval()(x).data.argmax(axis=1) == ring).mean() > 0.97


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: optim.SGD([]), ValueError, "no parameters"),
        (lambda p: optim.SGD(p), TypeError, "not a Tensor"),
        (lambda p: optim.SGD([p, 1.0]), TypeError, "holds a float"),
        (lambda p: optim.SGD([p * 2]), ValueError, "only leaf Tensors"),
        (lambda p: optim.SGD([tg.Tensor(1.0)]), ValueError, "only leaf Tensors"),
        (lambda p: optim.SGD([p, p]), ValueError, "twice"),
        (lambda p: optim.SGD([p], lr=-1.0), ValueError, "lr must be finite and at least 0"),
        (lambda p: optim.SGD([p], momentum=np.nan), ValueError, "momentum must be"),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, "betas must be"),
        (lambda p: optim.Adam([p], weight_decay=-1), ValueError, "weight_decay must be"),
    ],
)
def test_what_cannot_be_optimized_is_told_in_a_sentence(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make(nn.Parameter([1.0]))
