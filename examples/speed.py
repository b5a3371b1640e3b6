"""The steps that a network of sigmoids needs to learn, with batch norm and without.

The first experiment of Ioffe and Szegedy (2015), on handwritten digits: three layers of 100
sigmoid units, mini-batches of 60, small random Gaussian weights. The paper reports "14 times fewer
steps" for a large image network; this one is small, so its factor is its own.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

import tinygrad_bn as tg
from examples import common
from tinygrad_bn import nn

RATES = (0.1, 0.5, 2.0)
SHOWN_RATE = 0.5
GOAL = 0.90
EVERY = 10  # steps between two looks at the test accuracy
STD = 0.1
SIZES = (64, 100, 100, 100, 10)


class Training(NamedTuple):
    """What was seen of one training, every EVERY steps."""

    steps: list[int]
    accuracy: list[float]
    percentiles: list[np.ndarray]  # 15th, 50th, 85th of the inputs of one sigmoid
    seconds_per_step: float  # the fastest tenth, which other programs do not disturb

    @property
    def steps_to_goal(self) -> int | None:
        """The first step at which the test accuracy was at the goal; None if it never was."""
        reached = (s for s, a in zip(self.steps, self.accuracy, strict=True) if a >= GOAL)
        return next(reached, None)


class Result(NamedTuple):
    """The trainings by (with batch norm, learning rate): one for each seed."""

    trainings: dict[tuple[bool, float], list[Training]]
    limit: int


def train(
    data: common.Data, normalized: bool, rate: float, seed: int, limit: int, at_least: int
) -> Training:
    """Train until the goal is reached, at least so many steps and at most `limit`."""
    rng = np.random.default_rng(seed)
    norm = nn.BatchNorm if normalized else None
    model = common.network(SIZES, nn.Sigmoid, norm, STD, rng)
    optimizer = tg.optim.SGD(model.parameters(), lr=rate)
    to_last_sigmoid = model[:-2]
    seen = Training([], [], [], 0.0)
    seconds = []
    for number, (x, y) in enumerate(common.batches(data, 60, rng), start=1):
        start = time.perf_counter()
        common.step(model, optimizer, x, y)
        seconds.append(time.perf_counter() - start)
        if number % EVERY:
            continue
        seen.steps.append(number)
        seen.accuracy.append(common.accuracy(model, data))
        inputs = common.infer(to_last_sigmoid, data.test_x)[:, 0]
        seen.percentiles.append(np.percentile(inputs, [15, 50, 85]))
        if number >= limit or (number >= at_least and seen.steps_to_goal):
            break
    return seen._replace(seconds_per_step=float(np.percentile(seconds, 10)))


def run(quick: bool, seed: int) -> Result:
    """Train for every learning rate and seed, with batch norm and without."""
    data = common.digits()
    limit, seeds, shown = (1500, 1, 100) if quick else (6000, 5, 2000)
    rates = (0.5, 2.0) if quick else RATES
    trainings: dict[tuple[bool, float], list[Training]] = {}
    with common.progress(2 * len(rates) * seeds, "speed") as bar:
        for normalized in (True, False):
            for rate in rates:
                trainings[normalized, rate] = []
                for i in range(seeds):
                    at_least = shown if rate == SHOWN_RATE else 0
                    one = train(data, normalized, rate, seed + i, limit, at_least)
                    trainings[normalized, rate].append(one)
                    bar.update()
    return Result(trainings, limit)


def median_steps(result: Result, normalized: bool, rate: float) -> float:
    """Give the median over the seeds of the steps to the goal; infinity for never."""
    trainings = result.trainings[normalized, rate]
    return float(np.median([t.steps_to_goal or np.inf for t in trainings]))


def rates_of(result: Result) -> list[float]:
    """List the learning rates of a result."""
    return [rate for normalized, rate in result.trainings if normalized]


def best(result: Result, normalized: bool) -> float:
    """Give the median steps to the goal at the learning rate where they are fewest."""
    return min(median_steps(result, normalized, rate) for rate in rates_of(result))


def report(result: Result) -> str:
    """Write the steps to the goal for each learning rate, and the factors between them."""

    def steps(normalized: bool, rate: float) -> str:
        reached = [t.steps_to_goal for t in result.trainings[normalized, rate]]
        shown = [f"more than {result.limit}" if s is None else str(s) for s in reached]
        ends = sorted(shown, key=lambda s: (len(s), s))
        median = median_steps(result, normalized, rate)
        middle = f"{median:.0f}" if np.isfinite(median) else ends[-1]
        return middle if ends[0] == ends[-1] else f"{middle} ({ends[0]} to {ends[-1]})"

    rows = []
    for rate in rates_of(result):
        with_bn, without = (median_steps(result, bn, rate) for bn in (True, False))
        factor = f"{without / with_bn:.0f}" if np.isfinite(without) else "-"
        rows.append([f"{rate:g}", steps(True, rate), steps(False, rate), factor])
    seconds = {
        bn: np.median(
            [t.seconds_per_step for r in rates_of(result) for t in result.trainings[bn, r]]
        )
        for bn in (True, False)
    }
    seeds = len(next(iter(result.trainings.values())))
    factor = best(result, False) / best(result, True)
    lines = common.table(["learning rate", "with batch norm", "without", "factor"], rows)
    return (
        f"steps until {GOAL:.0%} of the test digits are right (seen every {EVERY} steps);\n"
        f"median over {seeds} seeds (lowest to highest)\n\n{lines}\n\n"
        f"Each at its best learning rate: {factor:.0f} times fewer steps with batch norm (the paper"
        " has 14,\nfor another network). A step takes "
        f"{seconds[True] * 1e3:.1f} ms with it and {seconds[False] * 1e3:.1f} ms without, so the "
        f"time is {factor * seconds[False] / seconds[True]:.0f} times less."
    )


def figure(result: Result) -> Figure:
    """Draw accuracy by step, and the percentiles of one sigmoid's inputs by step."""
    drawn, axes = common.panels(1, 3, 10.5, 3.2, width_ratios=(1.25, 1, 1))
    left, *others = axes[0]
    for normalized, style in ((True, common.WITH), (False, common.WITHOUT)):
        trainings = result.trainings[normalized, SHOWN_RATE]
        length = min(len(t.steps) for t in trainings)
        curves = np.array([t.accuracy[:length] for t in trainings])
        steps = trainings[0].steps[:length]
        left.plot(steps, curves.mean(0), **style)
        left.fill_between(steps, curves.min(0), curves.max(0), color=style["color"], alpha=0.15)
    left.axhline(GOAL, color=common.GREY, linewidth=0.8, linestyle=":")
    left.set(title=f"Test accuracy (learning rate {SHOWN_RATE:g})", xlabel="step", ylim=(0, 1.02))
    left.legend(loc="lower right")
    for axis, normalized in zip(others, (True, False), strict=True):
        style = common.WITH if normalized else common.WITHOUT
        shown: Any = result.trainings[normalized, SHOWN_RATE][0]
        low, middle, high = np.array(shown.percentiles).T
        axis.fill_between(shown.steps, low, high, color=style["color"], alpha=0.2, linewidth=0)
        axis.plot(shown.steps, middle, color=style["color"])
        for curve in (low, high):
            axis.plot(shown.steps, curve, color=style["color"], linewidth=0.8)
        for curve, text in ((low, "15th"), (middle, "50th"), (high, "85th\npercentile")):
            axis.annotate(
                text, (shown.steps[-1], np.mean(curve[-20:])), xytext=(4, 0), va="center",
                textcoords="offset points", fontsize=7.5, color="#3b4752", annotation_clip=False,
            )  # fmt: skip
        axis.set(title=f"A sigmoid's inputs, {style['label']}", xlabel="step")
    others[0].sharey(others[1])
    return drawn


if __name__ == "__main__":
    common.main("speed", __doc__, run, report, figure)
