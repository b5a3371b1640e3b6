"""The recorded graph as data, and its views."""

from .data import Node
from .graph import Graph
from .notebook import explore
from .recorded import graph

__all__ = ["Graph", "Node", "explore", "graph"]
