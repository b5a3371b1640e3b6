"""The recorded graph as data, and its views."""

from .data import Node
from .graph import Graph
from .recorded import graph

__all__ = ["Graph", "Node", "graph"]
