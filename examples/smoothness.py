"""The smoothness of the loss with batch norm and without; and noise put after batch norm.

After Santurkar et al. (2018), whom the post with the worked example follows: along the direction
of the gradient, how far the loss varies and how far the gradient changes, during training. And
their counter-experiment: noise put after batch norm, different at every step, makes the inputs of
the next layer shift again. If batch norm helped by removing that shift, training would suffer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

import tinygrad_bn as tg
from examples import common
from tinygrad_bn import nn

SIZES = (64, 100, 100, 100, 100, 10)
RATE = 0.1
REACH = np.linspace(0.25, 4.0, 8) * RATE  # how far to look along the gradient
EVERY = 10
NOISY = {"color": "#CC79A7", "linestyle": (0, (1.2, 1.2)), "label": "batch norm, then noise"}


class Look(NamedTuple):
    """What the loss is like around a step of training."""

    step: int
    lowest: float  # the loss along the gradient
    highest: float
    gradient_change: float  # the largest |g(w - t g) - g(w)|
    beta: float  # the largest of it over the distance |t g|: the effective smoothness


class Result(NamedTuple):
    """Looks by (with batch norm, seed); accuracies and shift by kind of network."""

    looks: dict[tuple[bool, int], list[Look]]
    accuracies: dict[str, np.ndarray]  # (seeds, looks)
    shifts: dict[str, float]
    every: int


class NoisyBatchNorm(nn.BatchNorm):
    """Batch norm whose results are, in training, scaled and shifted at random.

    Each unit has at every step a mean from U(-0.5, 0.5) and a scale from U(1, 1.25) of its own,
    about which those of the examples spread by 0.1.
    """

    generator = np.random.default_rng(0)

    def forward(self, x: Any) -> tg.Tensor:
        """Normalize, then disturb."""
        y = super().forward(x)
        if not self.training:
            return y
        rng, units = self.generator, y.shape[1:]
        mean = rng.uniform(-0.5, 0.5, units) + rng.uniform(-0.1, 0.1, y.shape)
        scale = rng.uniform(1, 1.25, units) + rng.normal(0, 0.1, y.shape)
        return y * scale + mean


def gradient(model: nn.Module, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Give the loss on a mini-batch, and its gradient as a single vector."""
    loss = nn.cross_entropy(model(x), y)
    gradients = tg.grad(loss, list(model.parameters()))
    return loss.item(), np.concatenate([g.data.ravel() for g in gradients])


def look(model: nn.Module, x: np.ndarray, y: np.ndarray, step: int) -> Look:
    """Walk along the gradient and back; the model is as before."""
    state = model.state_dict()
    start = {name: p.data for name, p in model.named_parameters()}
    _, here = gradient(model, x, y)
    parts = np.split(here, np.cumsum([value.size for value in start.values()])[:-1])
    losses, changes = [], []
    for t in REACH:
        for (name, p), part in zip(model.named_parameters(), parts, strict=True):
            p.data = start[name] - t * part.reshape(p.shape)
        loss, there = gradient(model, x, y)
        losses.append(loss)
        changes.append(float(np.linalg.norm(there - here)))
    model.load_state_dict(state)
    distances = REACH * np.linalg.norm(here)
    return Look(step, min(losses), max(losses), max(changes), float(max(changes / distances)))


def train_and_look(data: common.Data, normalized: bool, seed: int, steps: int) -> list[Look]:
    """Train a network of ReLUs, and look around every so many steps."""
    rng = np.random.default_rng(seed)
    model = common.network(SIZES, nn.ReLU, nn.BatchNorm if normalized else None, None, rng)
    optimizer = tg.optim.SGD(model.parameters(), lr=RATE)
    stream, looks = common.batches(data, 120, rng), []
    for number in range(steps):
        x, y = next(stream)
        if number % EVERY == 0:
            looks.append(look(model, x, y, number))
        common.step(model, optimizer, x, y)
    return looks


def train_and_test(
    data: common.Data, norm: common.Normalization, seed: int, steps: int, every: int
) -> tuple[list[float], float]:
    """Train a network of sigmoids; give its accuracies, and how far its inputs shift by step.

    The shift: by how much the mean of a unit's input differs from one step to the next, on the
    same examples, in units of its standard deviation: the mean over the units of the last hidden
    layer, the median over the steps.
    """
    rng = np.random.default_rng(seed)
    model = common.network((64, 100, 100, 100, 10), nn.Sigmoid, norm, 0.1, rng)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.5)
    stream, accuracies, shifts = common.batches(data, 60, rng), [], []
    fixed, last = data.train_x[:200], None
    for number in range(1, steps + 1):
        common.step(model, optimizer, *next(stream))
        if number % every == 0:
            accuracies.append(common.accuracy(model, data))
        if number % every < 2:  # two steps, one after the other
            state = model.state_dict()
            with tg.no_grad():
                inputs = model[:-2](fixed).data
            model.load_state_dict(state)
            if last is not None and number % every == 1:
                shifts.append(float((np.abs(inputs.mean(0) - last.mean(0)) / last.std(0)).mean()))
            last = inputs
    return accuracies, float(np.median(shifts))


def run(quick: bool, seed: int) -> Result:
    """Look at both networks of ReLUs; then train the three of sigmoids."""
    data = common.digits()
    seeds, steps, longer, every = (1, 60, 200, 50) if quick else (3, 300, 1500, 25)
    norms: dict[str, common.Normalization] = {
        "with batch norm": nn.BatchNorm, NOISY["label"]: NoisyBatchNorm, "without": None,
    }  # fmt: skip
    looks, accuracies, shifts = {}, {}, {}
    with common.progress(5 * seeds, "smoothness") as bar:
        for normalized in (True, False):
            for i in range(seeds):
                looks[normalized, i] = train_and_look(data, normalized, seed + i, steps)
                bar.update()
        for name, norm in norms.items():
            NoisyBatchNorm.generator = np.random.default_rng(seed)
            found = []
            for i in range(seeds):
                found.append(train_and_test(data, norm, seed + i, longer, every))
                bar.update()
            accuracies[name] = np.array([a for a, _ in found])
            shifts[name] = float(np.mean([s for _, s in found]))
    return Result(looks, accuracies, shifts, every)


def spread(result: Result, normalized: bool, of: str) -> np.ndarray:
    """Give one value of the looks: (seeds, steps)."""
    rows = [looks for (bn, _), looks in result.looks.items() if bn == normalized]
    if of == "range":
        return np.array([[at.highest - at.lowest for at in looks] for looks in rows])
    return np.array([[getattr(at, of) for at in looks] for looks in rows])


def report(result: Result) -> str:
    """Write the medians over the steps, and the counter-experiment."""
    rows = []
    for of, name in (
        ("range", "range of the loss along the gradient"),
        ("gradient_change", "largest change of the gradient"),
        ("beta", "effective beta-smoothness"),
    ):
        with_bn, without = (float(np.median(spread(result, bn, of))) for bn in (True, False))
        worst = [float(spread(result, bn, of).max()) for bn in (True, False)]
        rows.append([name, f"{with_bn:.3g}", f"{without:.3g}", *(f"{w:.3g}" for w in worst)])
    header = ["median (then worst) over the steps", "with BN", "without", "worst: with", "without"]
    noise = [
        [
            name,
            f"{result.shifts[name]:.3f}",
            f"{values.mean(0)[0]:.1%}",
            f"{values[:, -1].mean():.1%}",
        ]
        for name, values in result.accuracies.items()
    ]
    steps = result.every * next(iter(result.accuracies.values())).shape[1]
    accuracy = [f"accuracy after {result.every} steps", f"after {steps}"]
    return (
        common.table(header, rows)
        + "\n\n"
        + common.table(["sigmoids", "shift of the inputs by step", *accuracy], noise)
    )


def figure(result: Result) -> Figure:
    """Draw the loss and the gradient around the way of training, and the counter-experiment."""
    drawn, axes = common.panels(1, 3, 11.0, 3.3)
    losses, betas, accuracies = axes[0]
    for normalized, style in ((False, common.WITHOUT), (True, common.WITH)):
        steps = [at.step for at in result.looks[normalized, 0]]
        low, high = (spread(result, normalized, of).mean(0) for of in ("lowest", "highest"))
        losses.fill_between(steps, low, high, color=style["color"], alpha=0.35, linewidth=0)
        losses.plot(steps, high, color=style["color"], linewidth=0.9, label=style["label"])
        beta = spread(result, normalized, "beta")
        betas.plot(steps, np.median(beta, 0), **style)
        betas.fill_between(steps, beta.min(0), beta.max(0), color=style["color"], alpha=0.15)
    losses.set(title="Loss along the gradient", xlabel="step", yscale="log")
    betas.set(title="Effective β-smoothness", xlabel="step", yscale="log")
    ticks = [2, 5, 10, 20, 50]
    betas.set_yticks(ticks, [str(tick) for tick in ticks])
    betas.minorticks_off()
    looks = {"with batch norm": common.WITH, NOISY["label"]: NOISY, "without": common.WITHOUT}
    for name, values in result.accuracies.items():
        at = result.every * np.arange(1, values.shape[1] + 1)
        accuracies.plot(at, values.mean(0), **looks[name])
    accuracies.set(title="Accuracy, sigmoids, with noise", xlabel="step", ylim=(0, 1.02))
    for axis in axes[0]:
        axis.legend(fontsize=8)
    return drawn


if __name__ == "__main__":
    common.main("smoothness", __doc__, run, report, figure)
