"""The layers, the loss and the optimizers compute what PyTorch computed for the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from pytorch_cases import (
    BATCH_NORMS,
    CONVOLUTIONS,
    LAYER_NORMS,
    OPTIMIZERS,
    POOLINGS,
    REFERENCE,
    STEPS,
)

import tinygrad_bn as tg
from tinygrad_bn import nn

with np.load(REFERENCE) as file:
    RECORD = {name: file[name] for name in file.files}

PYTORCHS = {"gamma": "weight", "beta": "bias"}


def assert_same(actual: np.ndarray, name: str, *, amplified: float = 1.0) -> None:
    """Compare in float64. The sums here have fewer than 200 terms of size about 1, so rounding
    is below 200 eps of the largest value; training amplifies it (`amplified`)."""
    expected = RECORD[name]
    assert actual.shape == expected.shape
    tolerance = 200 * np.finfo(float).eps * amplified * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance, err_msg=name)


def pytorchs(name: str) -> str:
    *path, last = name.split(".")
    return ".".join([*path, PYTORCHS.get(last, last)])


def set_parameters(name: str, layer: nn.Module) -> None:
    for own, parameter in layer.named_parameters():
        parameter.data = RECORD[f"{name}.{pytorchs(own)}"]


def assert_runs_the_same(name: str, layer: nn.Module) -> None:
    set_parameters(name, layer)
    layer.zero_grad()
    x = tg.Tensor(RECORD[f"{name}.x"], requires_grad=True)
    y = layer(x)
    y.backward(RECORD[f"{name}.dy"])
    assert_same(y.data, f"{name}.y")
    assert_same(x.grad, f"{name}.dx")
    for own, parameter in layer.named_parameters():
        assert_same(parameter.grad, f"{name}.d{pytorchs(own)}")


@pytest.mark.parametrize("i", range(len(CONVOLUTIONS)))
def test_conv2d_and_its_gradients(i: int) -> None:
    c_in, c_out, kernel, stride, padding, groups, bias, _ = CONVOLUTIONS[i]
    layer = nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=bias)
    assert_runs_the_same(f"conv{i}", layer)


@pytest.mark.parametrize("i", range(len(POOLINGS)))
def test_poolings_and_their_gradients(i: int) -> None:
    kernel, stride, padding, _ = POOLINGS[i]
    assert_runs_the_same(f"max{i}", nn.MaxPool2d(kernel, stride, padding))
    assert_runs_the_same(f"avg{i}", nn.AvgPool2d(kernel, stride, padding))


@pytest.mark.parametrize("i", range(len(BATCH_NORMS)))
def test_batch_norm_its_gradients_and_running_statistics(i: int) -> None:
    shape, momentum, eps, affine = BATCH_NORMS[i]
    layer = nn.BatchNorm(shape[1], eps=eps, momentum=momentum, affine=affine)
    for batch in range(3):
        assert_runs_the_same(f"bn{i}.{batch}", layer)
        for name, buffer in layer.named_buffers():
            assert_same(buffer.data, f"bn{i}.{batch}.{name}")
    assert_runs_the_same(f"bn{i}.eval", layer.eval())


@pytest.mark.parametrize("i", range(len(LAYER_NORMS)))
def test_layer_norm_and_its_gradients(i: int) -> None:
    assert_runs_the_same(f"ln{i}", nn.LayerNorm(LAYER_NORMS[i][1]))


def test_cross_entropy_and_its_gradient() -> None:
    logits = tg.Tensor(RECORD["loss.logits"], requires_grad=True)
    loss = nn.cross_entropy(logits, RECORD["loss.target"])
    loss.backward()
    assert_same(loss.data, "loss.value")
    assert_same(logits.grad, "loss.dlogits")


@pytest.mark.parametrize("i", range(len(OPTIMIZERS)))
def test_training_goes_the_same_way_step_by_step(i: int) -> None:
    net = nn.Sequential(nn.Linear(5, 6, bias=False), nn.BatchNorm(6), nn.Tanh(), nn.Linear(6, 4))
    names = {own: pytorchs(own) if "1." in own else own for own in net.state_dict()}
    net.load_state_dict({own: RECORD[f"train{i}.start.{name}"] for own, name in names.items()})
    kind, settings = OPTIMIZERS[i]
    optimizer = getattr(tg.optim, kind)(net.parameters(), **settings)
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = nn.cross_entropy(net(RECORD[f"train{i}.x"][step]), RECORD[f"train{i}.labels"][step])
        loss.backward()
        optimizer.step()
        assert_same(loss.data, f"train{i}.loss{step}", amplified=1e3)
    for own, name in names.items():
        assert_same(net.state_dict()[own], f"train{i}.end.{name}", amplified=1e3)
