"""The explorer in a notebook: a widget where anywidget is installed, otherwise an embedded page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .graph import Graph

if TYPE_CHECKING:
    from .widget import Explorer


@dataclass(frozen=True)
class EmbeddedPage:
    """The page of a graph, for the output of a notebook's cell."""

    page: str
    height: int

    def __repr__(self) -> str:
        return "the explorer of a graph: shown in notebooks; elsewhere, graph.save('graph.html')"

    def _repr_html_(self) -> str:
        """Return a frame with the page in it. The page has no access to the notebook."""
        return (
            f'<iframe srcdoc="{escape(self.page)}" sandbox="allow-scripts" title="Explorer" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )


def explore(graph: Graph, *, height: int = 640) -> Explorer | EmbeddedPage:
    """Show a graph in a notebook as the page that ``graph.save("graph.html")`` writes.

    In Jupyter and VS Code, numbers of the leaves and the upstream gradient can be changed in the
    page, and it computes everything anew. With anywidget (``pip install 'tinygrad-bn[notebook]'``)
    the result is a widget: ``widget["x"]`` is the array that the page has now, and assigning to it
    changes the page. Otherwise the page is embedded, and its changes stay in it.

    Parameters
    ----------
    graph : Graph
    height : int
        Of the page, in pixels.

    Raises
    ------
    TypeError
        If `graph` is not a Graph.
    RuntimeError
        If there is no Graphviz engine to lay out the graph.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> x = tg.Tensor([1.0, 2.0, 6.0], requires_grad=True, name="x")
    >>> widget = tg.explore(tg.graph(tg.batch_norm(x), gradient=[1.0, 0.0, 0.0]))
    >>> widget["x"]
    array([1., 2., 6.])
    """
    if not isinstance(graph, Graph):
        raise TypeError(
            f"explore: a Graph is expected, not {type(graph).__name__}: make one of a Tensor y by "
            "tg.graph(y, gradient=dy)"
        )
    from . import explorer

    page = explorer.page(graph)
    if find_spec("anywidget") is None:
        return EmbeddedPage(page, height)
    from . import widget

    return widget.Explorer(graph, page=page, height=height)
