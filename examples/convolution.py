"""Batch norm in a convolutional network: per channel, per activation, and folded for inference.

Per channel is how convolutional networks do it; per activation is how the post on "Deep Learning
From Scratch" reads images. Per channel, the trained batch norms can be folded into the
convolutions before them: the same answers, in less time.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

import tinygrad_bn as tg
from examples import common
from tinygrad_bn import nn

KINDS = ("per channel", "per activation", "none")
COLOURS = dict(zip(KINDS, (common.WITH, common.THIRD, common.WITHOUT), strict=True))


class Trained(NamedTuple):
    """One kind of network: its accuracies by epoch, one row for each seed, and the last model."""

    accuracies: np.ndarray
    model: nn.Sequential
    parameters: int


class Folded(NamedTuple):
    """The per-channel network before folding and after it."""

    seconds: tuple[float, float]
    layers: tuple[int, int]
    largest_difference: float  # of the outputs, relative to the largest output
    same_answers: bool
    accuracies: tuple[float, float]


class Result(NamedTuple):
    """All kinds, and the folding of the first."""

    trained: dict[str, Trained]
    folded: Folded


def build(kind: str, rng: np.random.Generator) -> nn.Sequential:
    """Make two convolutions with poolings, and a Linear layer."""

    def norm(channels: int, size: int) -> list[nn.Module]:
        if kind == "none":
            return []
        if kind == "per channel":
            return [nn.BatchNorm(channels)]
        return [nn.BatchNorm((channels, size, size), axis=0)]

    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, generator=rng), *norm(8, 8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, generator=rng), *norm(16, 4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 10, generator=rng),
    )  # fmt: skip


def images() -> common.Data:
    """Give the digits as images (N, 1, 8, 8)."""
    data = common.digits()
    return data._replace(
        train_x=data.train_x.reshape(-1, 1, 8, 8), test_x=data.test_x.reshape(-1, 1, 8, 8)
    )


def train(data: common.Data, kind: str, seed: int, epochs: int) -> tuple[list[float], Any]:
    """Train, and look at the test accuracy after each epoch."""
    rng = np.random.default_rng(seed)
    model = build(kind, rng)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    stream = common.batches(data, 60, rng)
    accuracies = []
    for _ in range(epochs):
        for _ in range(len(data.train_x) // 60):
            common.step(model, optimizer, *next(stream))
        accuracies.append(common.accuracy(model, data))
    return accuracies, model


def fold(model: nn.Sequential, data: common.Data, repeats: int) -> Folded:
    """Fold the batch norms of a trained model, and compare."""
    models = (model.eval(), nn.fold_batch_norm(model))
    seconds: list[list[float]] = [[], []]
    outputs: list[np.ndarray] = []
    with tg.no_grad():
        for _ in range(repeats):  # in turn, so that both meet the same disturbances
            outputs = []
            for one, spent in zip(models, seconds, strict=True):
                start = time.perf_counter()
                outputs.append(one(data.test_x).data)
                spent.append(time.perf_counter() - start)
    before, after = outputs
    right = [float((o.argmax(axis=1) == data.test_y).mean()) for o in outputs]
    return Folded(
        (min(seconds[0]), min(seconds[1])),
        (len(models[0]), len(models[1])),
        float(np.abs(before - after).max() / np.abs(before).max()),
        bool((before.argmax(axis=1) == after.argmax(axis=1)).all()),
        (right[0], right[1]),
    )


def run(quick: bool, seed: int) -> Result:
    """Train all kinds for every seed, and fold the first."""
    data = images()
    seeds, epochs = (1, 2) if quick else (5, 15)
    trained = {}
    with common.progress(len(KINDS) * seeds, "convolution") as bar:
        for kind in KINDS:
            accuracies = []
            for i in range(seeds):
                by_epoch, model = train(data, kind, seed + i, epochs)
                accuracies.append(by_epoch)
                bar.update()
            count = sum(p.size for p in model.parameters())
            trained[kind] = Trained(np.array(accuracies), model, count)
    return Result(trained, fold(trained["per channel"].model, data, 5 if quick else 60))


def report(result: Result) -> str:
    """Write the accuracies of all kinds, and what folding changes."""
    rows = [
        [
            kind,
            f"{one.accuracies[:, 0].mean():.1%}",
            f"{one.accuracies[:, -1].mean():.1%}",
            f"{one.parameters:,}",
        ]
        for kind, one in result.trained.items()
    ]
    one = next(iter(result.trained.values()))
    seeds, epochs = one.accuracies.shape
    folded = result.folded
    in_ms = [f"{s * 1e3:.2f}" for s in folded.seconds]
    fold_rows = [
        ["layers", *map(str, folded.layers)],
        ["test accuracy", *(f"{a:.2%}" for a in folded.accuracies)],
        ["time for 360 images (ms)", *in_ms],
    ]
    after = f"test accuracy after {epochs} epochs"
    return (
        f"mean over {seeds} seeds\n\n"
        + common.table(["batch norm", "after 1 epoch", after, "parameters"], rows)
        + "\n\n"
        + common.table(["inference, per channel", "as trained", "folded"], fold_rows)
        + f"\n\nThe outputs differ by {folded.largest_difference:.0e} of the largest; the answers "
        f"are {'all the same' if folded.same_answers else 'NOT all the same'}, in "
        f"{1 - folded.seconds[1] / folded.seconds[0]:.0%} less time."
    )


def figure(result: Result) -> Figure:
    """Draw accuracy by epoch, and the time of inference before folding and after."""
    drawn, axes = common.panels(1, 2, 9.0, 3.3, width_ratios=(1.6, 1))
    curves, bars = axes[0]
    for kind, one in result.trained.items():
        style = {**COLOURS[kind], "label": kind if kind == "none" else f"batch norm {kind}"}
        epochs = np.arange(1, one.accuracies.shape[1] + 1)
        curves.plot(epochs, one.accuracies.mean(0), marker="o", markersize=3.5, **style)
        curves.fill_between(
            epochs, one.accuracies.min(0), one.accuracies.max(0), color=style["color"], alpha=0.13
        )
    curves.set(title="Test accuracy of a small CNN on digits", xlabel="epoch")
    curves.legend(loc="lower right")
    seconds = np.array(result.folded.seconds) * 1e3
    names = ["as trained", "folded"]
    drawn_bars = bars.bar(names, seconds, color=[common.WITH["color"], "#56B4E9"], width=0.55)
    bars.bar_label(
        drawn_bars,
        [
            f"{s:.1f} ms\n{a:.1%} right"
            for s, a in zip(seconds, result.folded.accuracies, strict=True)
        ],
        padding=3,
        fontsize=8.5,
    )
    bars.set(title="Inference, 360 images", ylabel="ms", ylim=(0, seconds.max() * 1.25))
    bars.grid(axis="x", visible=False)
    return drawn


if __name__ == "__main__":
    common.main("convolution", __doc__, run, report, figure)
