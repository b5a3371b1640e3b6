"""The graph as dicts and lists: what a .json file holds, and the explorer's page."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .data import Node


def node(node: Node) -> dict[str, Any]:
    """Give a node with every number that it holds."""
    return {
        "id": node.id,
        "kind": node.kind,
        "op": node.op,
        "name": node.name,
        "scope": node.scope,
        "shape": list(node.shape),
        "dtype": str(node.dtype),
        "value": numbers(node.value),
        "grad": None if node.grad is None else numbers(node.grad),
        "inputs": list(node.inputs),
        "params": {key: param(value) for key, value in node.params.items()},
        "formula": node.formula,
        "rule": list(node.rule),
    }


def numbers(array: npt.NDArray[Any]) -> Any:
    """Give an array as nested lists; NaN and infinities as words."""
    if np.isfinite(array).all():
        return array.tolist()
    return _worded(array.tolist())


def _worded(value: Any) -> Any:
    return [_worded(item) for item in value] if isinstance(value, list) else number(value)


def number(value: float) -> float | str:
    """Give a number; if JSON lacks it, as a word."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def param(value: Any) -> Any:
    """Give a parameter of an operation: numbers as they are, what JSON lacks as text."""
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype.kind in "biu" else numbers(value)
    if isinstance(value, tuple | list):
        return [param(item) for item in value]
    if isinstance(value, bool | int | str | None):
        return value
    if isinstance(value, float):
        return number(value)
    return str(value)


def written(data: Any) -> str:
    """Write JSON that is valid everywhere."""
    return json.dumps(data, allow_nan=False, separators=(",", ":"))
