"""Graph: what was recorded, as plain data, with its views.

recorded.py alone reads programs. The views read data.py; those that bring more modules load when
they are used.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files
from .data import GraphData
from .text import table

if TYPE_CHECKING:
    import graphviz


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
            raise ValueError(
                "this graph has no backward pass: make it with a gradient, as by "
                "tg.graph(y, gradient=dy), or gradient=True for ones"
            )
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

    def to_dot(
        self,
        *,
        direction: str = "forward",
        collapse: int | Collection[str] = (),
        focus: str | int | None = None,
        radius: int = 2,
        show: Collection[str] = ("shape", "value", "gradient"),
    ) -> graphviz.Digraph:
        """Draw the graph for Graphviz: boxes are values, circles the operations between them.

        Parameters
        ----------
        direction : "forward", "backward" or "both"
            What was recorded; the backward pass as a graph of its own; or both, each cotangent
            beside its value. The last two need a graph with a gradient.
        collapse : collection of scopes, or int
            Draw each of these scopes (``"batch_norm"``, ``"net/layer1"``) as a single box; a
            number: all scopes at that depth, so that 0 leaves the outermost ones as boxes.
        focus, radius : a node's name or id, int
            Draw only the nodes that are up to `radius` operations away from this one.
        show : collection of "shape", "dtype", "value" and "gradient"

        Raises
        ------
        ValueError
            For another word than these, a scope that is not there, or no gradient to draw.
        KeyError
            If there is no node `focus`.
        """
        from . import dot

        drawn = self._in(direction)
        return dot.digraph(drawn, collapse=collapse, focus=focus, radius=radius, show=show)

    def _in(self, direction: str) -> Graph:
        if direction not in ("forward", "backward", "both"):
            raise ValueError(f"direction is 'forward', 'backward' or 'both', not {direction!r}")
        if direction == "forward":
            return self
        return self.backward if direction == "backward" else self.both

    def to_json(self) -> dict[str, Any]:
        """Return the graph as dicts and lists that the json module writes, with every number.

        NaN and the infinities, which JSON lacks, are the strings "NaN", "Infinity", "-Infinity".
        """
        from . import jsonable

        return {
            "has_gradients": self.has_gradients,
            "nodes": [jsonable.node(node) for node in self.nodes],
        }

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
