"""Draw the pictures of the README and the docs: ``python docs/pictures/draw.py``.

They are made beside this file, of the worked example of source 4 (six numbers), so that every
number in them can be followed by hand. The engine is the one of the extra ``render``; another
Graphviz may set them a little differently.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tinygrad_bn as tg

HERE = Path(__file__).parent


def six_numbers() -> tg.Graph:
    """Give the graph of the batch norm of 1, 4, 6, 8, 10, 9, with an upstream cotangent."""
    x = tg.Tensor([[1.0], [4.0], [6.0], [8.0], [10.0], [9.0]], requires_grad=True, name="x")
    gamma = tg.Tensor([2.0], requires_grad=True, name="gamma")
    beta = tg.Tensor([10.0], requires_grad=True, name="beta")
    y = tg.batch_norm(x, gamma, beta)
    return tg.graph(y, gradient=np.array([[1.0], [0.5], [-1.0], [2.0], [0.0], [-0.5]]))


def network(layers: int = 4) -> tg.Graph:
    """Give the graph of a small network, each layer in a scope of its own."""
    rng = np.random.default_rng(0)
    h = tg.Tensor(rng.normal(size=(16, 4)), name="x")
    for number in range(1, layers + 1):
        with tg.scope(f"layer{number}"):
            weight = tg.Tensor(rng.normal(size=(4, 4)), requires_grad=True, name="weight")
            gamma = tg.Tensor(np.ones(4), requires_grad=True, name="gamma")
            beta = tg.Tensor(np.zeros(4), requires_grad=True, name="beta")
            h = tg.relu(tg.batch_norm(h @ weight, gamma, beta))
    loss = (h * h).mean()
    loss.name = "loss"
    return tg.graph(loss, gradient=True)


def main() -> None:
    """Draw them all."""
    graph = six_numbers()
    mostly_folded = ["layer1", "layer2", "layer4", "layer3/batch_norm"]
    made = [
        graph.save(HERE / "batch_norm.svg"),
        graph.save(HERE / "both_passes.svg", direction="both", collapse=1),
        graph.save(HERE / "backward.svg", direction="backward"),
        graph.save(HERE / "focus.svg", focus="x_hat", radius=1),
        network().save(HERE / "network.svg", collapse=mostly_folded),
    ]
    print(*(f"Wrote {path.name}" for path in made), sep="\n")


if __name__ == "__main__":
    main()
