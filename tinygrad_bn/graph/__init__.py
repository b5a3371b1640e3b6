"""The recorded graph as data, and its views."""

from .graph import Graph
from .node import Node
from .recorded import graph

__all__ = ["Graph", "Node", "graph"]
