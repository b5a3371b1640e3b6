"""The graph as text: a table with one line for each node, and arrays in short form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..writing import aligned, number, numbers, shape
from .data import Node


def call(node: Node, nodes: Sequence[Node]) -> str:
    """Write the operation of a node as a call; for a leaf, return its kind."""
    if node.op is None:
        return node.kind
    params = [
        f"{key}={_brief(value)}"
        for key, value in node.params.items()
        if key != "keepdims" and value is not None
    ]
    return f"{node.op}({', '.join(operands(node, nodes) + params)})"


def label(node: Node) -> str:
    """Return the name of a node; without a name, the number of a scalar constant or the id."""
    if node.name is not None:
        return node.name
    if node.kind == "constant" and node.value.size == 1:
        return number(float(node.value.reshape(())))
    return f"#{node.id}"


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    if isinstance(value, slice):
        parts = [value.start, value.stop, *([value.step] if value.step is not None else [])]
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(value, tuple):
        inner = ", ".join(_brief(item) for item in value)
        return inner if len(value) == 1 else f"({inner})"
    return str(value)


def table(nodes: Sequence[Node], has_gradients: bool, width: int = 100) -> str:
    """Write all nodes as a table of at most `width` characters."""
    scoped = any(node.scope for node in nodes)
    head = ["id", "name", "operation", *(["scope"] if scoped else []), "shape", "value"]
    rows = []
    for node in nodes:
        row = [str(node.id).rjust(len(str(len(nodes)))), node.name or "", call(node, nodes)]
        rows.append([*row, *([node.scope] if scoped else []), shape(node.shape)])
    used = sum(max(len(r[i]) for r in [head, *rows]) + 2 for i in range(len(head) - 1))
    columns = 2 if has_gradients else 1
    room = max(12, (width - used - 2 * (columns - 1)) // columns)
    for row, node in zip(rows, nodes, strict=True):
        row.append(numbers(node.value, room))
        if has_gradients:
            row.append("-" if node.grad is None else numbers(node.grad, room))
    if has_gradients:
        head.append("gradient")
    return aligned([head, *rows])


def expression(node: Node, nodes: Sequence[Node]) -> str:
    """Return the name of a node; without a name, its formula if that is short, or its label."""
    if node.name is None and node.formula:
        formula = filled_in(node.formula, operands(node, nodes))
        if len(formula) <= 20:
            return f"({formula})" if " " in formula else formula
    return label(node)


def cotangent(node: Node, nodes: Sequence[Node]) -> str:
    """Return the name of the cotangent of a node: ``dx_hat``, ``d(var + eps)``."""
    of = expression(node, nodes)
    return f"d{of}" if node.name or of.startswith("(") else f"d({of})"


def operands(node: Node, nodes: Sequence[Node]) -> list[str]:
    """Return the labels of the inputs of a node."""
    return [label(nodes[i]) for i in node.inputs]


def backward_rule(node: Node, position: int, nodes: Sequence[Node]) -> str:
    """Write the rule for one input with its names, and with Σ where broadcasting is undone."""
    names = [expression(nodes[i], nodes) for i in node.inputs]
    rule = filled_in(node.rule[position], names, cotangent(node, nodes))
    source = nodes[node.inputs[position]]
    primitive = node.primitive
    repeated = source.shape != node.shape and primitive is not None and primitive.elementwise
    return f"Σ {rule}" if repeated else rule


def filled_in(formula: str, operands: Sequence[str], g: str = "g") -> str:
    """Replace a and b in a formula or rule by the operands, and g by the cotangent."""
    names = {**dict(zip("ab", operands, strict=False)), "g": g}
    filled = re.sub(r"\b[abg]\b", lambda letter: names.get(letter[0], letter[0]), formula)
    return re.sub(r"\^\((\d+)-1\)", lambda n: "" if n[1] == "2" else f"^{int(n[1]) - 1}", filled)
