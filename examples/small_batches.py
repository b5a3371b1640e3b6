"""Batch norm with few examples per mini-batch, beside layer norm and no normalization.

With few examples the statistics of a mini-batch say little about the data. Two faults may follow:
training is noisy, and the running statistics used in inference are. The statistics gathered over
an epoch after training (the population statistics of the paper) are free of the second, so they
tell the faults apart. Layer norm looks at one example at a time and does not care.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import tinygrad_bn as tg
from examples import common
from tinygrad_bn import nn

SIZES = (64, 50, 50, 10)
KINDS = ("batch norm, running", "batch norm, population", "layer norm", "none")
STYLES = {
    "batch norm, running": {"color": "#56B4E9", "linewidth": 5, "alpha": 0.6},
    "batch norm, population": {"color": common.WITH["color"], "linestyle": "-", "marker": "o"},
    "layer norm": {**common.THIRD, "marker": "^"},
    "none": {"color": common.WITHOUT["color"], "linestyle": (0, (4, 1.5)), "marker": "D"},
}


OWN = "batch norm, each batch by itself"


class Result(NamedTuple):
    """The test accuracies by (kind, batch size): one for each seed."""

    accuracies: dict[tuple[str, int], list[float]]
    epochs: int
    rate: float


def train(
    data: common.Data, norm: common.Normalization, size: int, rate: float, seed: int, epochs: int
) -> nn.Sequential:
    """Train on so many epochs of mini-batches of one size."""
    rng = np.random.default_rng(seed)
    model = common.network(SIZES, nn.ReLU, norm, None, rng)
    optimizer = tg.optim.SGD(model.parameters(), lr=rate)
    stream = common.batches(data, size, rng)
    for _ in range(epochs * (len(data.train_x) // size)):
        common.step(model, optimizer, *next(stream))
    return model


def accuracy_in_training_mode(model: nn.Sequential, data: common.Data, size: int) -> float:
    """Give the accuracy where test examples are normalized in mini-batches, as in training."""
    whole = len(data.test_x) // size * size
    with tg.no_grad():
        answers = [model(x).data.argmax(axis=1) for x in data.test_x[:whole].reshape(-1, size, 64)]
    return float((np.concatenate(answers) == data.test_y[:whole]).mean())


def run(quick: bool, seed: int) -> Result:
    """Train every kind with every batch size and seed."""
    data, rate = common.digits(), 0.05
    sizes, seeds, epochs = ((2, 64), 1, 2) if quick else ((2, 4, 8, 16, 32, 64, 128), 3, 5)
    accuracies: dict[tuple[str, int], list[float]] = {
        (k, s): [] for k in (*KINDS, OWN) for s in sizes
    }
    norms: dict[str, common.Normalization] = {
        "batch norm": nn.BatchNorm, "layer norm": nn.LayerNorm, "none": None,
    }  # fmt: skip
    # a step costs nearly the same for every size, so the bar counts steps
    work = {size: len(data.train_x) // size for size in sizes}
    with common.progress(sum(work.values()) * seeds * len(norms) * epochs, "small_batches") as bar:
        for size in sizes:
            for i in range(seeds):
                for name, norm in norms.items():
                    model = train(data, norm, size, rate, seed + i, epochs)
                    bar.update(work[size] * epochs)
                    right = common.accuracy(model, data)
                    if name != "batch norm":
                        accuracies[name, size].append(right)
                        continue
                    accuracies["batch norm, running", size].append(right)
                    right = accuracy_in_training_mode(model, data, size)
                    accuracies[OWN, size].append(right)
                    stream = common.batches(data, size, np.random.default_rng(seed + i))
                    one_epoch = [next(stream)[0] for _ in range(work[size])]
                    nn.population_statistics(model, one_epoch)
                    right = common.accuracy(model, data)
                    accuracies["batch norm, population", size].append(right)
    return Result(accuracies, epochs, rate)


def mean(result: Result, kind: str, size: int) -> float:
    """Give the mean accuracy over the seeds."""
    return float(np.mean(result.accuracies[kind, size]))


def sizes_of(result: Result) -> list[int]:
    """List the batch sizes of a result."""
    return sorted({size for _, size in result.accuracies})


def report(result: Result) -> str:
    """Write the accuracy of every kind by batch size."""
    rows = [
        [size, *(f"{mean(result, kind, size):.1%}" for kind in (*KINDS, OWN))]
        for size in sizes_of(result)
    ]
    seeds = len(next(iter(result.accuracies.values())))
    return (
        f"test accuracy after {result.epochs} epochs, learning rate {result.rate:g}, "
        f"mean over {seeds} seeds\n\n" + common.table(["batch size", *KINDS, OWN], rows)
    )


def figure(result: Result) -> Figure:
    """Draw the accuracy by batch size."""
    drawn, axes = common.panels(1, 1, 6.4, 3.8)
    axis, sizes = axes[0, 0], sizes_of(result)
    for kind in KINDS:
        values = np.array([result.accuracies[kind, size] for size in sizes])
        axis.plot(sizes, values.mean(1), label=kind, markersize=4.5, **STYLES[kind])
        axis.fill_between(
            sizes, values.min(1), values.max(1), color=STYLES[kind]["color"], alpha=0.12
        )
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.set(title=f"Test accuracy after {result.epochs} epochs", xlabel="examples per mini-batch")
    axis.legend(loc="lower right")
    return drawn


if __name__ == "__main__":
    common.main("small_batches", __doc__, run, report, figure)
