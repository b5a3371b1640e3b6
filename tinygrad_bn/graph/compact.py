"""A compact picture: values only, each with the formula that made it.

There are no circles. A result without a name that is used once stands in the formula of its user,
as ``σ² + ε`` in ``σ = √(σ² + ε)``, and so do numbers. In a picture of both passes, the backward
pass has no boxes: each arrow has a dashed one beside it, by which the gradient comes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import graphviz

from .data import Node
from .dot import Arrow, Drawing


class CompactDrawing(Drawing):
    """A drawing without circles."""

    def __init__(self, *data: Any, there_and_back: bool) -> None:
        super().__init__(*data)
        self.there_and_back = there_and_back
        self.holder = self._in_formulas()  # of each node that stands in the formula of another
        self.visible -= self.holder.keys()

    def _in_formulas(self) -> dict[int, int | None]:
        """Map each node without a box to the node in whose formula it stands; numbers, to None."""
        names, holder = self.names, dict[int, int | None]()
        uses = Counter(i for node in self.nodes for i in node.inputs)
        users = {i: node for node in self.nodes for i in node.inputs}
        has_formula = _all_users(self.nodes, names.formula)
        for node in self.nodes:
            if node.id in names.has_a_name or node.id in self.hidden or node.id not in users:
                continue
            if node.kind == "constant" and node.value.size == 1:
                if has_formula[node.id]:
                    holder[node.id] = None
            elif node.kind == "result" and uses[node.id] == 1 and node.id in names.in_place:
                user = users[node.id]
                if user.id not in self.hidden and user.scope == node.scope:
                    holder[node.id] = user.id
        return holder

    def _operation(self, picture: graphviz.Digraph, node: Node, op: str) -> None:
        """Draw no circle."""

    def _head(self, node: Node) -> str:
        head = super()._head(node)
        if node.op is None:
            return head
        formula = self.names.formula[node.id]
        if formula is None:
            return f"{head} = {node.op}(…)"
        named = node.id in self.names.has_a_name
        told = not named or formula == self.names.called[node.id].text
        return head if told else f"{head} = {escape(formula)}"

    def _arrows(self, picture: graphviz.Digraph) -> Iterator[Arrow]:
        for node in self.nodes:
            if node.op is None:
                continue
            head = self._at(node)
            for position, i in enumerate(node.inputs):
                if i not in self.there:
                    yield self._cut(picture, node, head)
                elif i not in self.holder:
                    source = self.graph.nodes[i]
                    yield self._arrow(self._at(source), head, node.backward, not source.backward)
                    if self.there_and_back and node.parts and node.parts[position] is not None:
                        color = self.look.colors["backward"]
                        back = {"dir": "back", "style": "dashed", "color": color}
                        yield self._at(source), head, back

    def _at(self, node: Node) -> str:
        while (held := self.holder.get(node.id)) is not None:
            node = self.graph.nodes[held]
        return super()._at(node)

    def _operation_at(self, node: Node) -> str:
        return self._at(node)


def _all_users(nodes: Sequence[Node], formula: Mapping[int, str | None]) -> dict[int, bool]:
    """Return for each node that is used whether all of its users have a formula."""
    found: dict[int, bool] = {}
    for node in nodes:
        for i in node.inputs:
            found[i] = found.get(i, True) and formula[node.id] is not None
    return found
