"""compare_with_torch: the same values and gradients agree, others are found and named."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pydoc import render_doc

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn.testing import compare_with_torch

RNG = np.random.default_rng(0)
X, G, B = RNG.normal(size=(6, 3)), RNG.uniform(0.5, 2, 3), RNG.normal(size=3)
needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="compares with PyTorch, of the extra bench"
)


def batch_norm_of_torch(x, gamma, beta):
    torch = pytest.importorskip("torch")
    return torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True)


@needs_torch
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_batch_norm_is_that_of_pytorch(dtype, offset):
    arrays = [a.astype(dtype) for a in (X + offset, G, B)]
    report = compare_with_torch(tg.batch_norm, batch_norm_of_torch, *arrays)
    assert report.verdict == "right", report
    assert "the value or gradient agrees in all 42 elements (PyTorch)" in repr(report)


@needs_torch
def test_wrong_values_and_wrong_gradients_are_found_and_named():
    wrong = compare_with_torch(
        lambda x, g, b: tg.batch_norm(x, g, b, eps=1e-3), batch_norm_of_torch, X, G, B
    )
    assert wrong.verdict == "wrong"

    def vjp(w, x, gamma, beta):
        return np.zeros_like(x), np.zeros_like(gamma), w.sum(axis=0)

    def forward(x, gamma, beta):
        return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * gamma + beta

    report = compare_with_torch(forward, batch_norm_of_torch, X, G, B, vjp=vjp)
    assert report.worst_name in ("x", "gamma")
    assert "compare_with_torch(forward, x, gamma, beta, torch_fn=" not in report.code
    assert "print(compare_with_torch(forward, batch_norm_of_torch, x, gamma, beta" in report.code


@needs_torch
def test_labels_stay_integers_and_a_loss_agrees():
    torch = pytest.importorskip("torch")
    labels = np.array([0, 2, 1, 1, 0, 2])
    report = compare_with_torch(
        lambda x, labels: tg.nn.cross_entropy(x, labels), torch.nn.functional.cross_entropy,
        X, labels,
    )  # fmt: skip
    assert report.verdict == "right", report
    with pytest.raises(ValueError, match="those of the PyTorch function"):
        compare_with_torch(np.sin, lambda x: torch.sin(x)[:2], X)


def test_without_pytorch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match="needs PyTorch: pip install torch"):
        compare_with_torch(np.sin, np.sin, X)


def test_help_lists_what_is_there():
    text = render_doc(tg.testing)
    for name in tg.testing.__all__:
        assert name in text
    assert "gradcheck(fn" in text.replace("\b", "")
