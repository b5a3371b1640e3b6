"""A network of three layers as networks within networks, and what each of them is fed.

What layer 1 gives is the input of a network of two layers, and what layer 2 gives that of a
network of one. One normalizes the input of a network, so one may normalize the inputs of these
too, at every step, for every mini-batch: the picture with which the Udacity notebook introduces
batch norm. Shown are the inputs of the inner networks during training, with batch norm and
without.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import graphviz
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import tinygrad_bn as tg
from examples import common
from tinygrad_bn import nn
from tinygrad_bn.graph.render import rendered

RATE = 0.5
INNER = {"net2": "the two-layer network", "net1": "the one-layer network"}


class Inputs(NamedTuple):
    """What the inner networks are fed, every so many steps, on the test digits."""

    steps: list[int]
    percentiles: dict[str, np.ndarray]  # by network: (looks, 3), of all units and examples
    mean_and_std: dict[str, np.ndarray]  # (looks, 2): of each unit, averaged over the units
    accuracy: float


class Result(NamedTuple):
    """Both trainings, and the recorded graph of the network with batch norm."""

    inputs: dict[bool, Inputs]
    graph: tg.Graph


def build(normalized: bool, rng: np.random.Generator) -> nn.Sequential:
    """Nest the networks: layer 1 and a network of layer 2 and a network of layer 3."""

    def layer(n_in: int, n_out: int, *activation: nn.Module) -> nn.Sequential:
        norm = [nn.BatchNorm(n_in)] if normalized and n_in != 64 else []
        linear = nn.Linear(n_in, n_out, generator=rng)
        return nn.Sequential(*norm, linear, *activation)

    net1 = nn.Sequential({"layer3": layer(100, 10)})
    net2 = nn.Sequential({"layer2": layer(100, 100, nn.Tanh()), "net1": net1})
    net3 = nn.Sequential({"layer1": layer(64, 100, nn.Tanh()), "net2": net2})
    net3.label = "net3"
    return net3


def fed(model: nn.Sequential, x: np.ndarray) -> dict[str, np.ndarray]:
    """Compute what the inner networks multiply by their first weights, in training mode."""
    found = {}
    with tg.no_grad():
        for name in INNER:
            layer, model_inside = model
            x = layer(x).data
            norm = model_inside[0][0]
            found[name] = norm(x).data if isinstance(norm, nn.BatchNorm) else x
            model = model_inside
    return found


def train(data: common.Data, normalized: bool, seed: int, steps: int, every: int) -> Inputs:
    """Train, and look at the inputs every so many steps."""
    rng = np.random.default_rng(seed)
    model = build(normalized, rng)
    optimizer = tg.optim.SGD(model.parameters(), lr=RATE)
    stream = common.batches(data, 60, rng)
    at: list[int] = []
    percentiles: dict[str, list[np.ndarray]] = {name: [] for name in INNER}
    moments: dict[str, list[tuple[float, float]]] = {name: [] for name in INNER}
    for number in range(steps + 1):
        if number % every == 0:
            at.append(number)
            state = model.state_dict()
            for name, inputs in fed(model, data.test_x).items():
                percentiles[name].append(np.percentile(inputs, [15, 50, 85]))
                moments[name].append((float(inputs.mean()), float(inputs.std(0).mean())))
            model.load_state_dict(state)  # looking is not training: the statistics stay
        common.step(model, optimizer, *next(stream))
    return Inputs(
        at,
        {name: np.array(values) for name, values in percentiles.items()},
        {name: np.array(values) for name, values in moments.items()},
        common.accuracy(model, data),
    )


def run(quick: bool, seed: int) -> Result:
    """Train both networks; record the graph of one."""
    data = common.digits()
    steps, every = (100, 20) if quick else (1500, 15)
    inputs = {}
    with common.progress(2, "networks_within_networks") as bar:
        for normalized in (True, False):
            inputs[normalized] = train(data, normalized, seed, steps, every)
            bar.update()
    model = build(True, np.random.default_rng(seed))
    return Result(inputs, tg.graph(model(tg.Tensor(data.train_x[:60], name="x"))))


def report(result: Result) -> str:
    """Write mean and standard deviation of the inputs at the start and at the end."""
    rows = []
    for name, words in INNER.items():
        for normalized in (True, False):
            (mean, std), (last_mean, last_std) = result.inputs[normalized].mean_and_std[name][
                [0, -1]
            ]
            style = common.WITH if normalized else common.WITHOUT
            rows.append(
                [f"{words}, {style['label']}", f"{mean:.2f}", f"{last_mean:.2f}", f"{std:.2f}",
                 f"{last_std:.2f}", f"x {last_std / std:.1f}"]
            )  # fmt: skip
    header = ["inputs of", "mean: first", "last", "std: first", "last", "grows"]
    reached = " and ".join(f"{result.inputs[bn].accuracy:.1%}" for bn in (True, False))
    return (
        common.table(header, rows)
        + f"\n\nTest accuracy after {result.inputs[True].steps[-1]} steps, with batch norm and "
        f"without: {reached}."
    )


def drawing(graph: tg.Graph) -> graphviz.Digraph:
    """Draw a recorded graph with a box for each layer and a frame for each network."""
    picture = graphviz.Digraph()
    picture.attr("graph", rankdir="LR", dpi="220", fontname="Helvetica", nodesep="0.2")
    picture.attr("node", shape="box", style="filled,rounded", fillcolor="#d6e6f5", color="#3b4752")
    picture.attr("node", fontname="Helvetica", fontsize="11")
    picture.attr("edge", fontname="Helvetica", fontsize="9", color="#6b7885", arrowsize="0.7")
    box = [_layer(node.scope) for node in graph.nodes]
    parts: dict[str, dict[str, None]] = {path: {} for path in box if path}
    for node, path in zip(graph.nodes, box, strict=True):
        if path and node.op:
            parts[path][node.scope.removeprefix(path + "/").split("/")[0]] = None
    _frames(picture, "", parts)
    picture.node("x", "x", fillcolor="#ffffff")
    picture.node("y", "y", fillcolor="#ffffff")
    edges = {(box[i], path): i for n, path in zip(graph.nodes, box, strict=True) for i in n.inputs}
    edges["x", box[0]] = graph["x"].id
    edges[box[-1], "y"] = len(graph) - 1
    for (start, end), i in edges.items():
        if start != end:
            picture.edge(start, end, label=" × ".join(map(str, graph.nodes[i].shape)))
    return picture


def _layer(scope: str) -> str:
    """Give the path of the layer that a scope is in, or an empty string."""
    parts = scope.split("/")
    depth = next((i for i, part in enumerate(parts) if part.startswith("layer")), None)
    return "" if depth is None else "/".join(parts[: depth + 1])


def _frames(picture: graphviz.Digraph, inside: str, parts: dict[str, dict[str, None]]) -> None:
    for path in parts:
        first, *rest = path.removeprefix(inside).split("/")
        if not rest:
            picture.node(path, f"{first}\n{', '.join(parts[path])}")
    nested = [p for p in parts if "/" in p.removeprefix(inside)]
    if nested:
        name = nested[0].removeprefix(inside).split("/")[0]
        with picture.subgraph(name=f"cluster_{name}") as frame:
            frame.attr(label=name, labeljust="l", style="rounded,dashed", color="#6b7885")
            _frames(frame, f"{inside}{name}/", {p: parts[p] for p in nested})


def figure(result: Result) -> Figure:
    """Draw the networks, and below them the percentiles of their inputs by step."""
    drawn, axes = common.panels(2, 2, 9.6, 5.6, height_ratios=(0.62, 1))
    for axis in axes[0]:
        axis.remove()
    top = drawn.add_subplot(axes[0, 0].get_gridspec()[0, :])
    top.imshow(plt.imread(io.BytesIO(rendered(drawing(result.graph).source, "png"))))
    top.set_axis_off()
    top.set_title("Networks within a network, as recorded (every layer folded)")
    for axis, (name, words) in zip(axes[1], INNER.items(), strict=True):
        for normalized, style in ((False, common.WITHOUT), (True, common.WITH)):
            inputs = result.inputs[normalized]
            low, middle, high = inputs.percentiles[name].T
            axis.fill_between(
                inputs.steps, low, high, color=style["color"], alpha=0.13, linewidth=0
            )
            axis.plot(inputs.steps, middle, **style)
            for curve in (low, high):
                axis.plot(inputs.steps, curve, **{**style, "label": None, "linewidth": 1.0})
        axis.set(title=f"{name}: what {words} is fed", xlabel="step")
        axis.set_ylim(-1.9, 1.6)
    axes[1, 0].legend(
        ncols=2,
        loc="lower right",
        title="15th, 50th, 85th percentile",
        fontsize=8,
        title_fontsize=8,
    )
    return drawn


if __name__ == "__main__":
    common.main("networks_within_networks", __doc__, run, report, figure)
