"""Draw every picture of the README and the documentation, by the library's own views.

    python docs/make_pictures.py

writes docs/pictures/*.svg. It needs a Graphviz engine (the program dot, or the extra ``render``;
another engine may set them a little differently). Most show the worked example of source 4, six
numbers, so that every number can be followed by hand.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import graphviz
import numpy as np

import tinygrad_bn as tg

PACKAGE = Path(tg.__file__).parent
PICTURES = Path(__file__).parent / "pictures"

SIX_NUMBERS = [[1.0], [4.0], [6.0], [8.0], [10.0], [9.0]]
DY = np.array([[1.0], [-2.0], [0.5], [3.0], [-1.0], [0.0]])


def leaf(data: object, name: str) -> tg.Tensor:
    """Make an input that needs a gradient."""
    return tg.Tensor(data, requires_grad=True, name=name)


def four_operations() -> tg.Graph:
    """Draw the square of a line's distance from a target (page 2)."""
    w, x, b, t = leaf(2.0, "w"), leaf(3.0, "x"), leaf(1.0, "b"), leaf(5.0, "t")
    p = w * x
    s = p + b
    e = s - t
    L = e**2  # noqa: N806 (its name on the page)
    return tg.graph(L, gradient=True, names=locals())


def nine_operations() -> tg.Graph:
    """Draw the nine operations on the six numbers (page 5)."""
    x, gamma, beta = leaf(SIX_NUMBERS, "x"), leaf([2.0], "gamma"), leaf([10.0], "beta")
    return tg.graph(tg.batch_norm(x, gamma, beta, eps=0.0), gradient=DY)


def both_passes() -> graphviz.Digraph:
    """Draw forward and backward in one picture, small enough for a slide (the guide)."""
    return nine_operations().to_dot(direction="both", compact=True)


def three_paths() -> graphviz.Digraph:
    """Draw the routes of the gradient from y to x in three groups (page 6)."""
    graph = tg.graph(tg.batch_norm(leaf(SIX_NUMBERS, "x"), [2.0]), gradient=DY)
    groups = graph.paths("x").split("var", "mu")
    return graph.to_dot(compact=True, paths=groups)


def gradient_of_batch_norm() -> graphviz.Digraph:
    """Draw the gradient as a graph (page 11)."""
    x = leaf(SIX_NUMBERS, "x")
    with tg.scope("forward"):
        y = tg.batch_norm(x)
    with tg.scope("backward"):
        (dx,) = tg.grad(y, x, tg.Tensor(DY, name="dy"), create_graph=True)
    graph = tg.graph(dx, names={"dx": dx})
    return graph.to_dot(compact=True, show=["shape", "value"])


def layer() -> tg.Graph:
    """Draw the layer of the guide to drawing."""
    x, w = leaf([[1.0, 2.0], [3.0, 5.0]], "x"), leaf([[1.0], [-1.0]], "w")
    with tg.scope("layer"):
        z = x @ w
        y = tg.relu(z + 2.0)
    return tg.graph(y, gradient=np.array([[1.0], [-0.5]]), names=locals())


def network(layers: int = 4) -> graphviz.Digraph:
    """Draw a small network, each layer in a scope, all folded but one (README and guide)."""
    rng = np.random.default_rng(0)
    h = tg.Tensor(rng.normal(size=(16, 4)), name="x")
    for number in range(1, layers + 1):
        with tg.scope(f"layer{number}"):
            weight = leaf(rng.normal(size=(4, 4)), "weight")
            gamma, beta = leaf(np.ones(4), "gamma"), leaf(np.zeros(4), "beta")
            h = tg.relu(tg.batch_norm(h @ weight, gamma, beta))
    loss = (h * h).mean()
    loss.name = "loss"
    folded = ["layer1", "layer2", "layer4", "layer3/batch_norm"]
    return tg.graph(loss, gradient=True).to_dot(collapse=folded)


def imports() -> graphviz.Digraph:
    """Draw which file imports which; what follows by way of others is left out."""
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"}
    known = {room: set[str]() for room in sorted(rooms)}
    for path in sorted(PACKAGE.rglob("*.py")):
        if room_of(path) in known:
            known[room_of(path)] |= imported(path, rooms) - {room_of(path)}
    picture = graphviz.Digraph("Which file imports which", comment="Files and folders as boxes.")
    picture.attr("graph", rankdir="TB", ranksep="0.4", nodesep="0.2", bgcolor="transparent")
    picture.attr(
        "node", shape="box", style="rounded,filled", fillcolor="#d6e6f5", fontname="Helvetica",
        margin="0.08,0.05",
    )  # fmt: skip
    picture.attr("edge", color="#6b7885", arrowsize="0.6")
    for room in known:
        picture.node(room)
        through_others = {far for near in known[room] for far in reachable(near, known)}
        for other in sorted(known[room] - through_others):
            picture.edge(room, other)
    return picture


def room_of(path: Path) -> str:
    """Name a file, or the folder that it is in."""
    inside = path.relative_to(PACKAGE)
    return f"{inside.parts[0]}/" if len(inside.parts) > 1 else inside.stem


def imported(path: Path, rooms: set[str]) -> set[str]:
    """List the rooms that a file imports, those for type checkers alone left out."""
    depth = len(path.relative_to(PACKAGE).parts)
    found: set[str] = set()
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.ImportFrom) and statement.level == depth:
            names = [statement.module] if statement.module else [n.name for n in statement.names]
            for name in names:
                first = name.split(".")[0]
                found |= {first, f"{first}/"} & rooms
    return found


def reachable(start: str, known: dict[str, set[str]]) -> set[str]:
    """List what a room imports, directly or by way of others."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        for room in known[ahead.pop()] - found:
            found.add(room)
            ahead.append(room)
    return found


DRAWN: list[Callable[[], tg.Graph | graphviz.Digraph]] = [
    four_operations, nine_operations, both_passes, three_paths, gradient_of_batch_norm, layer,
    network, imports,
]  # fmt: skip


def main() -> None:
    """Draw them all."""
    for draw in DRAWN:
        drawn = draw()
        picture = drawn.to_dot() if isinstance(drawn, tg.Graph) else drawn
        path = PICTURES / f"{draw.__name__}.svg"
        path.write_bytes(tg.render(picture))
        print(f"Wrote {path.name}")


if __name__ == "__main__":
    main()
