"""What one step of gradient descent does to a deep chain, and what its gradient predicts.

Without nonlinearities a deep network is a product, y = x W1 W2 ... Wd. The gradient of each
weight supposes that the others stay; but a step changes all of them, and the products of the
changes (the post has alpha^3 g1 g2 g3 for three weights) grow with the depth where the weights
are above 1. With batch norm after every layer, a layer's scale does not reach the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import tinygrad_bn as tg
from examples import common

DEPTHS = (3, 5, 7, 10, 15, 20, 25, 30)
SCALE = 1.2  # each W is an orthogonal matrix times this: every weight of the chain is above 1
RATE = 0.02


class Step(NamedTuple):
    """One step: the change of y that the gradient predicts, and the one that came."""

    start: float
    predicted: float
    actual: float

    @property
    def ratio(self) -> float:
        """How many times the predicted change came."""
        return self.actual / self.predicted


class Result(NamedTuple):
    """The steps by (with batch norm, depth): one for each seed."""

    steps: dict[tuple[bool, int], list[Step]]


def chain(
    x: np.ndarray, weights: list[tg.Tensor], readout: np.ndarray, normalized: bool
) -> tg.Tensor:
    """Multiply x by all weights; give the mean of the results along each example's readout."""
    h = tg.Tensor(x)
    for w in weights:
        h = h @ w
        if normalized:
            h = tg.batch_norm(h)
    y: tg.Tensor = (h * readout).sum(axis=1).mean()
    return y


def one_step(x: np.ndarray, classes: np.ndarray, depth: int, normalized: bool, seed: int) -> Step:
    """Take one step down the gradient of y, with all weights at once."""
    rng = np.random.default_rng(seed)
    size = x.shape[1]
    weights = [
        tg.Tensor(SCALE * np.linalg.qr(rng.normal(size=(size, size)))[0], requires_grad=True)
        for _ in range(depth)
    ]
    readout = (rng.normal(size=(3, size)) / np.sqrt(size))[classes]
    y = chain(x, weights, readout, normalized)
    gradients = tg.grad(y, weights)
    for w, g in zip(weights, gradients, strict=True):
        w.data = w.data - RATE * g.data
    with tg.no_grad():
        after = chain(x, weights, readout, normalized)
    predicted = -RATE * sum(float((g.data**2).sum()) for g in gradients)
    return Step(y.item(), predicted, after.item() - y.item())


def run(quick: bool, seed: int) -> Result:
    """Take the step at every depth."""
    data = common.wine()
    depths, seeds = ((3, 15), 3) if quick else (DEPTHS, 25)
    steps: dict[tuple[bool, int], list[Step]] = {}
    with common.progress(2 * len(depths) * seeds, "exploding_chain") as bar:
        for normalized in (True, False):
            for depth in depths:
                steps[normalized, depth] = []
                for i in range(seeds):
                    one = one_step(data.train_x, data.train_y, depth, normalized, seed + i)
                    steps[normalized, depth].append(one)
                    bar.update()
    return Result(steps)


def median(result: Result, normalized: bool, depth: int, of: str) -> float:
    """Give the median over the seeds of the size of a value."""
    return float(np.median([abs(getattr(s, of)) for s in result.steps[normalized, depth]]))


def depths_of(result: Result) -> list[int]:
    """List the depths of a result."""
    return sorted({depth for _, depth in result.steps})


def report(result: Result) -> str:
    """Write predicted and actual changes by depth."""
    rows = []
    for depth in depths_of(result):
        row: list[object] = [depth]
        for normalized in (False, True):
            row += [
                f"{median(result, normalized, depth, of):.2g}"
                for of in ("predicted", "actual", "ratio")
            ]
        rows.append(row)
    header = ["depth", "predicted", "actual", "ratio", "with BN: predicted", "actual", "ratio"]
    return (
        f"size of the change of y in one step of rate {RATE:g}, weights {SCALE:g} times "
        f"orthogonal;\nmedian over {len(next(iter(result.steps.values())))} seeds\n\n"
        + common.table(header, rows)
    )


def figure(result: Result) -> Figure:
    """Draw predicted and actual change by depth."""
    drawn, axes = common.panels(1, 2, 9.2, 3.5)
    changes, ratios = axes[0]
    depths = depths_of(result)
    for normalized, style in ((False, common.WITHOUT), (True, common.WITH)):
        colour, name = style["color"], style["label"]
        for of, look, text in (("predicted", ":", "predicted"), ("actual", "-", "actual")):
            values = [median(result, normalized, depth, of) for depth in depths]
            changes.semilogy(
                depths,
                values,
                look,
                color=colour,
                marker="o",
                markersize=3,
                label=f"{text}, {name}",
            )
        spread = np.array([[abs(s.ratio) for s in result.steps[normalized, d]] for d in depths])
        ratios.semilogy(depths, np.median(spread, 1), marker="o", markersize=3, **style)
        low, high = np.percentile(spread, [15, 85], axis=1)
        ratios.fill_between(depths, low, high, color=colour, alpha=0.15, linewidth=0)
    ratios.axhline(1, color=common.GREY, linewidth=0.8, linestyle=":")
    changes.set(title="Change of y in one step (size)", xlabel="depth of the chain")
    ratios.set(title="Actual / predicted change", xlabel="depth of the chain")
    changes.legend(fontsize=8)
    ratios.legend()
    return drawn


if __name__ == "__main__":
    common.main("exploding_chain", __doc__, run, report, figure)
