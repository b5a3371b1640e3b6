"""Graph: what was recorded, as plain data, with its views.

recorded.py alone reads programs. The views read data.py; those that bring more modules load when
they are used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files
from .data import GraphData
from .look import DIRECTIONS, Look
from .paths import Route, Routes, routes
from .text import table

if TYPE_CHECKING:
    import graphviz

NO_BACKWARD = (
    "this graph has no backward pass: make it with a gradient, as by tg.graph(y, gradient=dy), "
    "or gradient=True for ones"
)


@dataclass(frozen=True, eq=False)
class Graph(GraphData):
    """Nodes in topological order: inputs before results, the output last.

    >>> import tinygrad_bn as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> g = tg.graph((x * x).sum(), gradient=True)
    >>> [(node.op, node.inputs) for node in g.nodes]
    [(None, ()), ('mul', (0, 0)), ('sum', (1,))]
    >>> g["x"].grad
    array([2., 4.])
    >>> print(g)
    id  name  operation        shape  value  gradient
     0  x     input            (2,)   1, 2   2, 4
     1        mul(x, x)        (2,)   1, 4   1, 1
     2        sum(#1, axis=0)  ()     5      1
    """

    def __str__(self) -> str:
        return table(self.nodes, self.has_gradients)

    def table(self, width: int = 100) -> str:
        """Write the graph as a table, a line a node, at most `width` characters wide."""
        return table(self.nodes, self.has_gradients, width)

    @cached_property
    def both(self) -> Graph:
        """The graph of both passes: the forward nodes, and the operations that the rules did.

        ValueError if the graph carries no gradient.
        """
        if self.passes is None:
            raise ValueError(NO_BACKWARD)
        return Graph(self.passes.nodes, True, self.passes)

    @cached_property
    def backward(self) -> Graph:
        """The backward pass as a graph of its own, with the values that it uses as constants.

        >>> import tinygrad_bn as tg
        >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
        >>> [node.op for node in tg.graph((x * x).sum(), gradient=True).backward.nodes if node.op]
        ['reshape', 'broadcast_to', 'mul', 'mul', 'add']
        """
        used = {i for node in self.both.nodes if node.backward for i in node.inputs}
        kept = [node for node in self.both.nodes if node.backward or node.id in used]
        place = {node.id: i for i, node in enumerate(kept)}
        return Graph(tuple(node.moved(place) for node in kept))

    def paths(self, to: str | int, *, most: int = 1000) -> Routes:
        """List the routes by which the gradient flows from the outputs back to the node `to`.

        Each ``Route`` has its ``steps`` (a result and the position of the input taken), its
        ``nodes``, and its ``contribution``: the upstream gradient, to which the backward rules of
        the steps were applied. The contributions add up to the gradient of the node.

        Parameters
        ----------
        to : a node's name, path or id
        most : int
            The largest number of routes to list. A graph may have exponentially many, so they are
            counted before.

        Raises
        ------
        ValueError
            If the graph carries no gradient, if none flows to the node, or for more than `most`
            routes.
        KeyError
            If there is no node `to`.

        Examples
        --------
        >>> import tinygrad_bn as tg
        >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
        >>> for route in tg.graph(x * tg.sin(x), gradient=True).paths("x"):
        ...     print(route, route.contribution.round(3))
        #2 → x [0.841 0.909]
        #2 → #1 → x [ 0.54  -0.832]
        """
        if not self.has_gradients:
            raise ValueError(f"paths: {NO_BACKWARD}")
        return routes(self, self[to], most)

    def to_dot(
        self,
        *,
        direction: str = "forward",
        compact: bool = False,
        collapse: int | Collection[str] = (),
        focus: str | int | None = None,
        radius: int = 2,
        show: Collection[str] = ("shape", "value", "gradient"),
        rankdir: str = "TB",
        colors: Mapping[str, str] | None = None,
        labels: Mapping[str | int, str] | None = None,
        paths: Sequence[Route] | Mapping[str, Sequence[Route]] = (),
    ) -> graphviz.Digraph:
        """Draw the graph for Graphviz: boxes are values, circles the operations between them.

        ``tg.render`` turns the picture into SVG, PNG or PDF, ``save`` writes it to a file.

        Parameters
        ----------
        direction : "forward", "backward" or "both"
            What was recorded (the default); the backward pass as a graph of its own; or both, each
            cotangent beside its value. The last two need a graph with a gradient.
        compact : bool
            Draw no circles: each box has the formula of its value, with results that have no name
            in it. Both passes have one box for each value then, and arrows there and back.
        collapse : collection of scopes, or int
            Draw each of these scopes (``"batch_norm"``, ``"net/layer1"``) as a single box; a
            number: all scopes at that depth, so that 0 leaves the outermost ones as boxes.
        focus, radius : a node's name or id, int
            Draw only the nodes that are up to `radius` operations away from this one (2).
        show : collection of "shape", "dtype", "value" and "gradient"
            What a box says of its value; all but the dtype by default.
        rankdir : "TB", "LR", "BT" or "RL"
            From top to bottom (the default), from left to right, and so on.
        colors : mapping
            A colour, as ``"#rrggbb"`` or a name that Graphviz knows, for any of the fills "input",
            "parameter", "constant", "result", "output" (kinds of values), "operation", "scope",
            "box" (a collapsed scope), and for "backward", "text", "quiet" (small text) and "line".
        labels : mapping from names, paths or ids of nodes to text
            What to call these nodes in the picture, also in formulas.
        paths : routes, or a mapping from names to groups of routes
            Draw routes of the gradient, as ``paths`` lists them and ``Routes.split`` groups them,
            each group in its colour and line style, with its sum in the legend. At most 12 groups,
            of one node; not for direction "backward" and "both".

        Raises
        ------
        ValueError
            For another word than these, what is no colour, a scope that is not there, routes that
            do not fit, or no gradient to draw.
        KeyError
            If there is no node `focus`, or none of that name in `labels`.

        Examples
        --------
        >>> import tinygrad_bn as tg
        >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
        >>> picture = tg.graph((x * x).sum()).to_dot(rankdir="LR", labels={"x": "input"})
        >>> "rankdir=LR" in picture.source, "input" in picture.source
        (True, True)
        """
        drawn = self._in(direction)
        if paths and direction != "forward":
            raise ValueError(
                "paths: the routes of a gradient are drawn over the forward pass: leave direction"
                f" {direction!r} out"
            )
        from . import drawing

        there_and_back = compact and direction == "both"
        return drawing.digraph(
            self if there_and_back else drawn,
            title=drawing.title(direction, self.nodes[-1]),
            kind=drawing.kind(compact, there_and_back),
            look=Look.of(show, rankdir, colors or {}),
            collapse=collapse,
            focus=focus,
            radius=radius,
            labels=labels or {},
            paths=paths,
        )

    def _in(self, direction: str) -> Graph:
        if direction not in DIRECTIONS:
            raise ValueError(f"direction is 'forward', 'backward' or 'both', not {direction!r}")
        if direction == "forward":
            return self
        return self.backward if direction == "backward" else self.both

    def to_json(self) -> dict[str, Any]:
        """Return the graph as dicts and lists that the json module writes, with every number.

        NaN and the infinities, which JSON lacks, are the strings "NaN", "Infinity", "-Infinity".
        ``from_json`` makes the same graph of it.
        """
        from . import jsonable

        return jsonable.graph(self)

    @classmethod
    def from_json(cls, data: Any) -> Graph:
        """Return the graph that ``to_json`` wrote: its values, gradients and views are the same.

        Raises ValueError, in one sentence, for the data of anything else, of another version, or
        damaged. Nothing in the data is executed.

        >>> import tinygrad_bn as tg
        >>> x = tg.Tensor([1.0, -0.0], requires_grad=True, name="x")
        >>> g = tg.graph((x * x).sum(), gradient=True)
        >>> str(tg.Graph.from_json(g.to_json())) == str(g)
        True
        """
        from . import loading

        return cls(*loading.read(data))

    @classmethod
    def load(cls, path: str | Path) -> Graph:
        """Read a graph from a .json file that ``save`` wrote (see ``from_json``).

        Raises ValueError, in one sentence with the name of the file, if it is no such file or
        damaged; OSError if it cannot be read.
        """
        from . import decoding, loading

        path = Path(path)
        try:
            return cls.from_json(loading.parsed(path.read_bytes()))
        except decoding.DamagedError as error:
            raise ValueError(f"{path.name}: {error}") from None

    def save(self, path: str | Path, **options: Any) -> Path:
        """Write the graph to a file, in the format of its ending.

        .svg, .png, .pdf: a picture. .dot: its source. These take the options of ``to_dot``.
        .html: the explorer, one file that needs no network; it takes ``direction``.
        .json: the data, as ``to_json`` has it.

        The file appears whole or not at all. ValueError for another ending; RuntimeError, naming
        both ways to get it, if there is no Graphviz engine; OSError if it cannot be written.
        """
        from . import explorer, jsonable, render

        path = Path(path)
        ending = path.suffix.lower()
        if ending not in (".html", ".json"):
            return render.save(self.to_dot(**options).source, path)
        shown = self._in(options.pop("direction", "forward")) if ending == ".html" else self
        if options:
            taken = "the option direction alone" if ending == ".html" else "no options"
            raise TypeError(f"a {ending} file takes {taken}, but {', '.join(options)} came")
        content = explorer.page(shown) if ending == ".html" else jsonable.written(self.to_json())
        files.write(path, content.encode())
        return path

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show itself in a notebook: the picture, large graphs with their scopes as boxes."""
        from . import render

        shown = {"text/plain": str(self)}
        try:
            source = self.to_dot(collapse=() if len(self) <= 100 else 0).source
            shown["image/svg+xml"] = render.rendered(source, "svg").decode()
        except RuntimeError:  # no Graphviz engine: the table says the same
            pass
        return shown
