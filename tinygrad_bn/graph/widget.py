"""The explorer as a widget: the page in a frame, and its numbers as traits that Python shares.

It needs anywidget. The widget is built once; a change of a trait reaches the page by a message.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from . import jsonable
from .data import Node
from .graph import Graph

Array = npt.NDArray[Any]


class Explorer(anywidget.AnyWidget):
    """A graph's page in a notebook, whose numbers are read and set by name.

    ``widget["x"]`` is the value of a leaf as the page has it now, ``widget.upstream`` the upstream
    gradient of the output. Assigning changes the page. ``widget.observe(f, "values")`` calls f at
    each change.
    """

    _esm = (resources.files(__package__) / "static" / "widget.js").read_text(encoding="utf-8")
    page = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(640).tag(sync=True)
    # "3" is the value of node 3, "d3" its upstream gradient: what was changed, as nested lists
    values = traitlets.Dict().tag(sync=True)

    def __init__(self, graph: Graph, **traits: Any) -> None:
        super().__init__(**traits)
        self.graph = graph

    def __getitem__(self, name: str | int) -> Array:
        """Return the value of a node by its name or id: of a leaf, as the page has it now."""
        node = self.graph[name]
        return self._read(str(node.id), node.value)

    def __setitem__(self, name: str | int, value: npt.ArrayLike) -> None:
        """Set the value of a leaf; ValueError if it is a result, or of another shape."""
        node = self.graph[name]
        if node.op is not None:
            raise ValueError(f"{node.path} is the result of {node.op}: only a leaf can be set")
        self._write(str(node.id), value, node)

    @property
    def upstream(self) -> Array:
        """The upstream gradient; ValueError if the graph has none."""
        node = self._output()
        assert node.grad is not None
        return self._read(f"d{node.id}", node.grad)

    @upstream.setter
    def upstream(self, value: npt.ArrayLike) -> None:
        node = self._output()
        self._write(f"d{node.id}", value, node)

    def _output(self) -> Node:
        node = self.graph.nodes[-1]
        if node.grad is None:
            raise ValueError("this graph has no gradient: give one to tg.graph")
        return node

    def _read(self, key: str, saved: Array) -> Array:
        numbers: Any = self.values.get(key, saved)  # NaN and infinities come as strings
        read: Array = np.array(numbers, dtype=object).astype(saved.dtype).reshape(saved.shape)
        return read

    def _write(self, key: str, value: npt.ArrayLike, node: Node) -> None:
        new = np.asarray(value, dtype=node.dtype)
        if new.shape != node.shape:
            raise ValueError(f"{node.path} has shape {node.shape}, but {new.shape} came")
        self.values = {**self.values, key: jsonable.numbers(new)}
