"""What batch norm does to a sigmoid whose inputs are distributed as N(-6, 1).

The worked example of the Compiègne report: there the sigmoid is flat, hardly any gradient passes,
and the layer before it does not learn; after batch norm the inputs lie where the sigmoid bends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import tinygrad_bn as tg
from examples import common
from tinygrad_bn import nn


class Side(NamedTuple):
    """What one of the two networks shows: before batch norm, or after it."""

    inputs: np.ndarray  # of the sigmoid
    mean_derivative: float
    gradient: float  # root mean square of what reaches the layer before, for a cotangent of 1
    weight_gradient: float  # length of the gradient of that layer's weights

    def share(self, low: float, high: float) -> float:
        """Give the share of the sigmoid's inputs between two values."""
        return float(((self.inputs >= low) & (self.inputs <= high)).mean())


class Result(NamedTuple):
    """The sigmoid fed directly, and through batch norm."""

    before: Side
    after: Side


def look(x: np.ndarray, cotangent: np.ndarray, normalized: bool) -> Side:
    """Send x through a Linear layer and a sigmoid, and the cotangent back."""
    layer = nn.Linear(x.shape[1], 1)
    layer.weight.data = np.full((1, x.shape[1]), x.shape[1] ** -0.5)  # of length 1: z has std 1
    layer.bias.data = np.array([-6.0])
    z = layer(x)
    inputs = nn.BatchNorm(1)(z) if normalized else z
    y = tg.sigmoid(inputs)
    dz, dw = tg.grad(y, [z, layer.weight], grad_output=cotangent)
    return Side(
        inputs.data.ravel(),
        float((y.data * (1 - y.data)).mean()),
        float(np.sqrt((dz.data**2).mean() / (cotangent**2).mean())),
        float(np.linalg.norm(dw.data)),
    )


def run(quick: bool, seed: int) -> Result:
    """Compare both on the same inputs and the same cotangent."""
    rng = np.random.default_rng(seed)
    count = 2_000 if quick else 100_000
    x, cotangent = rng.normal(size=(count, 10)), rng.normal(size=(count, 1))
    with common.progress(2, "saturation") as bar:
        sides = []
        for normalized in (False, True):
            sides.append(look(x, cotangent, normalized))
            bar.update()
    return Result(*sides)


def report(result: Result) -> str:
    """Write both columns, and what the second gains."""
    before, after = result
    rows = [
        ["mean of the sigmoid's inputs", *(f"{s.inputs.mean():.2f}" for s in result), ""],
        ["share of them in [-8, -4]", *(f"{s.share(-8, -4):.1%}" for s in result), ""],
        ["share of them in [-2, 2]", *(f"{s.share(-2, 2):.1%}" for s in result), ""],
        ["share of them in [-1, 1]", *(f"{s.share(-1, 1):.1%}" for s in result), ""],
    ]
    for name, a, b in (
        ("mean derivative of the sigmoid", before.mean_derivative, after.mean_derivative),
        ("gradient that reaches the layer before", before.gradient, after.gradient),
        ("gradient of that layer's weights", before.weight_gradient, after.weight_gradient),
    ):
        rows.append([name, f"{a:.4g}", f"{b:.4g}", f"x {b / a:.0f}"])
    return common.table(["", "N(-6, 1)", "after batch norm", "gain"], rows)


def figure(result: Result) -> Figure:
    """Draw the normal density with its shares, and the sigmoid with both distributions."""
    drawn, axes = common.panels(1, 2, 9.5, 3.4, width_ratios=(1, 1.35))
    density, sigmoid = axes[0]
    z = np.linspace(-4, 4, 401)
    p = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    blue = common.WITH["color"]
    density.plot(z, p, color=blue)
    for limit, alpha in ((2, 0.18), (1, 0.35)):
        inside = np.abs(z) <= limit
        density.fill_between(z[inside], p[inside], color=blue, alpha=alpha, linewidth=0)
    for limit, height in ((1, 0.20), (2, 0.025)):
        density.annotate(
            "", (-limit, height), (limit, height),
            arrowprops={"arrowstyle": "<->", "color": "#1c242b", "linewidth": 0.9},
        )  # fmt: skip
        share = result.after.share(-limit, limit)
        density.text(0, height + 0.008, f"{share:.1%}", ha="center", fontsize=8.5)
    density.set(title="After batch norm: N(0, 1)", xlabel="input of the sigmoid", ylim=(0, 0.43))
    density.set_yticks([])

    z = np.linspace(-10.5, 5, 601)
    y = 1 / (1 + np.exp(-z))
    sigmoid.plot(z, y, color="#1c242b")
    sigmoid.plot(z, y * (1 - y), color="#1c242b", linewidth=1.2, linestyle=":")
    for side, style, name, place, align in (
        (result.before, common.WITHOUT, "before", (-6, 0.445), "center"),
        (result.after, common.WITH, "after batch norm", (1.05, 0.345), "left"),
    ):
        bins = np.linspace(-10.5, 5, 94)
        height, _ = np.histogram(side.inputs, bins, density=True)
        sigmoid.stairs(height, bins, fill=True, color=style["color"], alpha=0.35, label=name)
        sigmoid.text(
            *place, f"{name}\nmean slope {side.mean_derivative:.4f}",
            ha=align, color=style["color"], fontsize=8.5,
        )  # fmt: skip
    sigmoid.text(3.1, 0.90, "σ", fontsize=11)
    sigmoid.text(2.75, 0.085, "σ′", fontsize=11)
    sigmoid.set(title="The sigmoid, its derivative, and its inputs", xlabel="input of the sigmoid")
    sigmoid.set_xlim(-10.5, 5)
    return drawn


if __name__ == "__main__":
    common.main("saturation", __doc__, run, report, figure)
