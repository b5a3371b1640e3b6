"""The graph as text: a table with a line for each node, and numbers kept short."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .data import Node

BROADCASTING = {"add", "sub", "mul", "div", "pow", "maximum", "minimum", "where", "broadcast_to"}


def number(value: float, digits: int = 4) -> str:
    """Write a number with that many digits, and no zeros that say nothing."""
    return f"{value:.{digits}g}"


def numbers(array: npt.NDArray[Any], width: int = 40, digits: int = 4) -> str:
    """Write an array on a line: its values if they fit, otherwise what they are like."""
    flat = np.asarray(array).ravel()
    if flat.size == 0:
        return "empty"
    for fewer in range(digits, 2, -1) if flat.size * 2 - 1 <= width else ():
        line = ", ".join(number(float(value), fewer) for value in flat)
        if len(line) <= width:
            return line
    if (flat == flat[0]).all():
        return f"all {number(float(flat[0]), digits)}"
    low, high = number(float(flat.min()), 3), number(float(flat.max()), 3)
    with np.errstate(invalid="ignore", over="ignore"):
        mean, std = (number(float(f(flat, dtype=np.float64)), 3) for f in (np.mean, np.std))
    full = f"{low} to {high}, mean {mean}, std {std}"
    return full if len(full) <= width else f"{low} to {high}"


def shape(dims: tuple[int, ...]) -> str:
    """Write a shape as Python does."""
    return str(dims)


def call(node: Node, nodes: Sequence[Node]) -> str:
    """Write the operation of a node as a call, or say what kind of leaf it is."""
    if node.op is None:
        return node.kind
    params = [
        f"{key}={_brief(value)}"
        for key, value in node.params.items()
        if key != "keepdims" and value is not None
    ]
    return f"{node.op}({', '.join(operands(node, nodes) + params)})"


def label(node: Node) -> str:
    """Give the name of a node, the number that a constant is, or else its id."""
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


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Set rows in columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(w) for cell, w in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def expression(node: Node, nodes: Sequence[Node]) -> str:
    """Give the name of a node, or for a nameless result the short formula that it is."""
    if node.name is None and node.formula:
        formula = filled_in(node.formula, operands(node, nodes))
        if len(formula) <= 20:
            return f"({formula})" if " " in formula else formula
    return label(node)


def cotangent(node: Node, nodes: Sequence[Node]) -> str:
    """Name the cotangent of a node: ``dx_hat``, ``d(var + eps)``."""
    of = expression(node, nodes)
    return f"d{of}" if node.name or of.startswith("(") else f"d({of})"


def operands(node: Node, nodes: Sequence[Node]) -> list[str]:
    """Give the labels of the inputs of a node."""
    return [label(nodes[i]) for i in node.inputs]


def backward_rule(node: Node, position: int, nodes: Sequence[Node]) -> str:
    """Write the rule for one input with the names in it, and a sum where broadcasting is undone."""
    names = [expression(nodes[i], nodes) for i in node.inputs]
    rule = filled_in(node.rule[position], names, cotangent(node, nodes))
    source = nodes[node.inputs[position]]
    repeated = source.shape != node.shape and node.op in BROADCASTING
    return f"Σ {rule}" if repeated else rule


def filled_in(formula: str, operands: Sequence[str], g: str = "g") -> str:
    """Put the operands in the place of a and b in a formula or rule, the cotangent in that of g."""
    names = {**dict(zip("ab", operands, strict=False)), "g": g}
    filled = re.sub(r"\b[abg]\b", lambda letter: names.get(letter[0], letter[0]), formula)
    return re.sub(r"\^\((\d+)-1\)", lambda n: "" if n[1] == "2" else f"^{int(n[1]) - 1}", filled)
