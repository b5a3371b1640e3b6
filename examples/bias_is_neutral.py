"""A bias before batch norm has no effect: it gets no gradient, and may be left out.

Batch norm subtracts the mean, and with it every constant that was added. The network is trained
on handwritten digits with its biases and without, from the same weights, beside a network without
batch norm, in which the bias does learn.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import tinygrad_bn as tg
from examples import common
from tinygrad_bn import nn

SIZES = (64, 100, 100, 100, 10)


class Training(NamedTuple):
    """One training, step by step."""

    bias_gradient: np.ndarray  # the length of the gradient of the first bias, by step
    weight_gradient: np.ndarray
    losses: np.ndarray
    parameters: int
    seconds_per_step: float  # the fastest tenth, which other programs do not disturb
    accuracy: float


class Result(NamedTuple):
    """Batch norm with biases before it and without, and a network without batch norm."""

    kept: Training
    removed: Training
    plain: Training


def build(rng: np.random.Generator, *, normalized: bool, biased: bool) -> nn.Sequential:
    """Make the network; without a bias, its first weights are the same."""
    model = common.network(SIZES, nn.Sigmoid, nn.BatchNorm if normalized else None, 0.1, rng)
    if not biased:
        for layer in list(model)[:-1]:
            if isinstance(layer, nn.Linear):
                layer.bias = None
    return model


def train(data: common.Data, seed: int, steps: int, *, normalized: bool, biased: bool) -> Training:
    """Train, and keep the lengths of the first layer's gradients."""
    rng = np.random.default_rng(seed)
    model = build(rng, normalized=normalized, biased=biased)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.5)
    seen: list[tuple[float, float, float]] = []
    stream = common.batches(data, 60, rng)
    seconds = []
    for _ in range(steps):
        x, y = next(stream)
        start = time.perf_counter()
        loss = common.step(model, optimizer, x, y)
        seconds.append(time.perf_counter() - start)
        first = model[0]
        of_bias = 0.0 if first.bias is None else float(np.linalg.norm(first.bias.grad))
        seen.append((of_bias, float(np.linalg.norm(first.weight.grad)), loss))
    bias_gradient, weight_gradient, losses = np.array(seen).T
    return Training(
        bias_gradient, weight_gradient, losses, sum(p.size for p in model.parameters()),
        float(np.percentile(seconds, 10)), common.accuracy(model, data),
    )  # fmt: skip


def run(quick: bool, seed: int) -> Result:
    """Train the three networks on the same mini-batches."""
    data, steps = common.digits(), 60 if quick else 2000
    found = []
    with common.progress(3, "bias_is_neutral") as bar:
        for normalized, biased in ((True, True), (True, False), (False, True)):
            found.append(train(data, seed, steps, normalized=normalized, biased=biased))
            bar.update()
    return Result(*found)


def drift(result: Result) -> np.ndarray:
    """Give by how much the losses with bias and without differ, by step."""
    return np.abs(result.kept.losses - result.removed.losses)


def report(result: Result) -> str:
    """Write the sizes of the gradients, and what leaving out the biases saves."""
    columns = (result.kept, result.removed, result.plain)

    def lengths(t: Training, of: str) -> str:
        values = getattr(t, of)
        return f"{np.median(values):.1e}" if values.any() else "-"

    rows = [
        ["gradient of the first bias", *(lengths(t, "bias_gradient") for t in columns)],
        ["gradient of the first weight", *(lengths(t, "weight_gradient") for t in columns)],
        ["parameters", *(f"{t.parameters:,}" for t in columns)],
        ["time of an undisturbed step (ms)", *(f"{t.seconds_per_step * 1e3:.2f}" for t in columns)],
        ["test accuracy", *(f"{t.accuracy:.1%}" for t in columns)],
    ]
    kept, removed = result.kept, result.removed
    apart = drift(result)
    header = ["median over the steps", "batch norm, biases", "batch norm, none", "no batch norm"]
    return (
        common.table(header, rows)
        + f"\n\nLeaving out the three biases saves {kept.parameters - removed.parameters} of "
        f"{kept.parameters:,} parameters ({1 - removed.parameters / kept.parameters:.1%}) and "
        f"{1 - removed.seconds_per_step / kept.seconds_per_step:.0%} of the time of a step.\n"
        f"The losses of both differ by at most {apart.max():.0e} in {len(apart)} steps: rounding."
    )


def figure(result: Result) -> Figure:
    """Draw the gradients of the bias by step, and both losses."""
    drawn, axes = common.panels(1, 2, 9.5, 3.3)
    gradients, losses = axes[0]
    steps = np.arange(1, len(result.kept.losses) + 1)
    for training, style, name in (
        (result.plain, common.WITHOUT, "without batch norm"),
        (result.kept, common.WITH, "with batch norm"),
    ):
        size = training.bias_gradient / training.weight_gradient
        gradients.semilogy(steps, size, color=style["color"], linewidth=0.8)
        gradients.text(
            steps[len(steps) // 2], np.median(size) * 12, name,
            color=style["color"],
            ha="center",
        )  # fmt: skip
    gradients.axhline(np.finfo(float).eps, color=common.GREY, linewidth=0.9, linestyle=":")
    gradients.text(steps[-1], np.finfo(float).eps * 1.6, "machine epsilon", ha="right", fontsize=8)
    gradients.set(
        title="Gradient of a bias, relative to that of its weights", xlabel="step", ylim=(1e-18, 30)
    )
    losses.plot(steps, result.kept.losses, color=common.WITH["color"], alpha=0.45, linewidth=3)
    losses.plot(steps, result.removed.losses, color="#1c242b", linewidth=0.7)
    losses.set(title="Loss with batch norm", xlabel="step", yscale="log")
    last = drift(result).max()
    losses.legend(["biases before it", f"none (never more than {last:.0e} apart)"])
    return drawn


if __name__ == "__main__":
    common.main("bias_is_neutral", __doc__, run, report, figure)
