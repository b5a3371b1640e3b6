"""Learning rates and initial weights that work, with batch norm and without.

Three layers of 100 sigmoid units on handwritten digits, trained for a fixed number of steps over a
grid of learning rates and standard deviations of the initial weights. The paper claims that batch
norm allows much higher learning rates and less careful initialisation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import tinygrad_bn as tg
from examples import common
from tinygrad_bn import nn

SIZES = (64, 100, 100, 100, 10)
RATES = (0.01, 0.1, 0.5, 2.0, 10.0, 50.0)
STDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
GOOD = 0.9


class Result(NamedTuple):
    """Final test accuracy by (learning rate, standard deviation): with batch norm, and without."""

    rates: tuple[float, ...]
    stds: tuple[float, ...]
    steps: int
    seeds: int
    accuracies: dict[bool, np.ndarray]

    def good(self, normalized: bool) -> float:
        """Give the share of the grid that ends with at least GOOD of the test digits right."""
        return float((self.accuracies[normalized] >= GOOD).mean())


def train(
    data: common.Data, normalized: bool, rate: float, std: float, seed: int, steps: int
) -> float:
    """Train for so many steps; give the test accuracy, and chance for a network that overflowed."""
    rng = np.random.default_rng(seed)
    model = common.network(SIZES, nn.Sigmoid, nn.BatchNorm if normalized else None, std, rng)
    optimizer = tg.optim.SGD(model.parameters(), lr=rate)
    stream = common.batches(data, 60, rng)
    for _ in range(steps):
        if not np.isfinite(common.step(model, optimizer, *next(stream))):
            return 0.1
    return common.accuracy(model, data)


def run(quick: bool, seed: int) -> Result:
    """Train over the grid."""
    data = common.digits()
    rates, stds = ((0.1, 10.0), (0.03, 1.0)) if quick else (RATES, STDS)
    steps, seeds = (100, 1) if quick else (300, 2)
    shape = (len(rates), len(stds))
    accuracies = {True: np.zeros(shape), False: np.zeros(shape)}
    name = "learning_rates_and_initialisation"
    with common.progress(2 * len(rates) * len(stds) * seeds, name) as bar:
        for normalized, grid in accuracies.items():
            for i, j in np.ndindex(shape):
                for k in range(seeds):
                    one = train(data, normalized, rates[i], stds[j], seed + k, steps)
                    grid[i, j] += one / seeds
                    bar.update()
    return Result(rates, stds, steps, seeds, accuracies)


def report(result: Result) -> str:
    """Write both grids, and how much of each is good."""
    parts = [f"test accuracy after {result.steps} steps, mean over {result.seeds} seeds"]
    for normalized, grid in result.accuracies.items():
        rows = [
            [f"{rate:g}", *(f"{a:.0%}" for a in row)]
            for rate, row in zip(result.rates, grid, strict=True)
        ]
        name = "with batch norm: rate" if normalized else "without: rate"
        parts.append(common.table([name, *(f"std {std:g}" for std in result.stds)], rows))
    parts.append(
        f"At least {GOOD:.0%} on {result.good(True):.0%} of the grid with batch norm, on "
        f"{result.good(False):.0%} without. Best: {result.accuracies[True].max():.1%} and "
        f"{result.accuracies[False].max():.1%}."
    )
    return "\n\n".join(parts)


def figure(result: Result) -> Figure:
    """Draw both grids as heatmaps."""
    drawn, axes = common.panels(1, 2, 9.2, 3.7, sharey=True)
    for axis, (normalized, grid) in zip(axes[0], result.accuracies.items(), strict=True):
        axis.grid(visible=False)
        image = axis.imshow(grid, vmin=0.1, vmax=1, cmap="cividis", origin="lower", aspect="auto")
        for (i, j), value in np.ndenumerate(grid):
            axis.text(
                j, i, f"{value:.0%}", ha="center", va="center", fontsize=8,
                color="black" if value > 0.6 else "white",
            )  # fmt: skip
        axis.set_xticks(range(len(result.stds)), [f"{std:g}" for std in result.stds])
        axis.set_yticks(range(len(result.rates)), [f"{rate:g}" for rate in result.rates])
        axis.set(
            title="With batch norm" if normalized else "Without",
            xlabel="standard deviation of the initial weights",
        )
    axes[0, 0].set_ylabel("learning rate")
    drawn.colorbar(image, ax=axes, label=f"test accuracy after {result.steps} steps")
    return drawn


if __name__ == "__main__":
    common.main("learning_rates_and_initialisation", __doc__, run, report, figure)
