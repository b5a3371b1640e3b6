"""What the experiments share: data, a network and its training, the table, the figure's style.

An experiment has three functions: ``run(quick, seed)`` computes, ``report(result)`` writes the
table, ``figure(result)`` draws. ``main`` puts them behind a command line.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

try:
    import matplotlib
    from sklearn.datasets import load_digits, load_wine
    from sklearn.model_selection import train_test_split
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm
except ImportError as error:
    print(
        f"the experiments need {error.name}: pip install -e '.[examples]' in the clone",
        file=sys.stderr,
    )
    raise SystemExit(2) from None
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import tinygrad_bn as tg
from tinygrad_bn import nn
from tinygrad_bn.graph.render import write

Array = np.ndarray
Normalization = Callable[[int], nn.Module] | None

# Okabe and Ito's colours, which colour-blind readers tell apart; line styles differ as well
WITH = {"color": "#0072B2", "linestyle": "-", "label": "with batch norm"}
WITHOUT = {"color": "#D55E00", "linestyle": (0, (4, 1.5)), "label": "without"}
THIRD = {"color": "#009E73", "linestyle": (0, (1.2, 1.2))}
GREY = "#6b7885"
STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e3e8ec",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.color": "#3b4752",
    "ytick.color": "#3b4752",
    "legend.frameon": False,
    "lines.linewidth": 1.7,
}


class Data(NamedTuple):
    """Inputs and classes, for training and for testing."""

    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array


def digits() -> Data:
    """Load 1,797 handwritten digits of 8 x 8 pixels from 0 to 1; every fifth is for testing."""
    bunch = load_digits()
    return _split(bunch.data / 16, bunch.target)


def wine() -> Data:
    """Load 178 wines of 3 kinds; each of the 13 measurements standardized."""
    bunch = load_wine()
    return _split((bunch.data - bunch.data.mean(0)) / bunch.data.std(0), bunch.target)


def _split(x: Array, y: Array) -> Data:
    train_x, test_x, train_y, test_y = train_test_split(
        x, y, test_size=0.2, stratify=y, random_state=0
    )
    return Data(train_x, train_y, test_x, test_y)


def batches(data: Data, size: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Yield mini-batches for ever, in a new order in each epoch; a smaller last one is left out."""
    while True:
        order = rng.permutation(len(data.train_x))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            yield data.train_x[chosen], data.train_y[chosen]


def network(
    sizes: Sequence[int],
    activation: Callable[[], nn.Module],
    normalization: Normalization,
    std: float | None,
    rng: np.random.Generator,
) -> nn.Sequential:
    """Stack Linear layers, each but the last with a normalization (if any) and an activation.

    The weights start from N(0, std^2), by He's rule where `std` is None; the biases from 0.
    """
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        if layers:
            layers.append(activation())
        layer = nn.Linear(n_in, n_out, generator=rng)
        if std is None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
        else:
            nn.init.normal_(layer.weight, std=std, generator=rng)
        layer.bias.data = np.zeros(n_out)
        layers.append(layer)
        if normalization and n_out != sizes[-1]:
            layers.append(normalization(n_out))
    return nn.Sequential(*layers)


def step(model: nn.Module, optimizer: tg.optim.Optimizer, x: Array, y: Array) -> float:
    """Take one step of training; give the loss before it."""
    loss = nn.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def infer(model: nn.Module, x: Array) -> Array:
    """Compute the output in inference mode, and leave the model in training mode."""
    with tg.no_grad():
        output: Array = model.eval()(x).data
    model.train()
    return output


def accuracy(model: nn.Module, data: Data) -> float:
    """Give the share of test examples that are classified rightly, in inference mode."""
    return float((infer(model, data.test_x).argmax(axis=1) == data.test_y).mean())


def progress(total: int, what: str) -> tqdm:
    """Show a progress bar; it goes when it is full."""
    return tqdm(total=total, desc=what, leave=False, dynamic_ncols=True)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Set rows in columns: the first at the left, the others at the right."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True)]
        ).rstrip()
        for line in lines
    )


def panels(rows: int, columns: int, width: float, height: float, **options: Any) -> Any:
    """Make a figure of several axes in the common style: (figure, array of axes)."""
    plt.rcParams.update(STYLE)
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)
    for axis in axes.flat:
        axis.tick_params(length=3)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all."""
    content = io.BytesIO()
    options = {"pil_kwargs": {"optimize": True}} if path.suffix == ".png" else {}
    figure.savefig(content, format=path.suffix[1:], **options)
    plt.close(figure)
    write(path, content.getvalue())


def main(
    name: str,
    about: str,
    run: Callable[[bool, int], Any],
    report: Callable[[Any], str],
    figure: Callable[[Any], Figure],
) -> None:
    """Run an experiment from the command line."""
    parser = argparse.ArgumentParser(
        prog=f"python -m examples.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a small version, in seconds")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument(
        "--out", type=Path, default=Path(f"{name}.png"), help="the figure (default %(default)s)"
    )
    given = parser.parse_args()
    if given.seed < 0:
        parser.error(f"--seed must be at least 0, not {given.seed}")
    if given.out.suffix not in (".png", ".svg", ".pdf"):
        parser.error(f"--out {given.out} must end in .png, .svg or .pdf")
    if not given.out.parent.is_dir():
        parser.error(f"--out: there is no directory {given.out.parent}")
    with threadpool_limits(1):  # matrices this small are multiplied fastest by one thread
        result = run(given.quick, given.seed)
    print(report(result))
    try:
        drawn = figure(result)
    except RuntimeError as error:  # a Graphviz engine is missing
        parser.error(str(error))
    save(drawn, given.out)
    print(f"\nfigure: {given.out}")
