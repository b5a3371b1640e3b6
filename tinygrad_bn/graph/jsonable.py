"""The graph as dicts and lists, for .json files and for the page of the explorer."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .data import Node


def node(node: Node) -> dict[str, Any]:
    """Return a node as a dict, with all of its numbers."""
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
    """Return an array as nested lists; NaN and infinities are written as strings."""
    if np.isfinite(array).all():
        return array.tolist()
    return _worded(array.tolist())


def _worded(value: Any) -> Any:
    return [_worded(item) for item in value] if isinstance(value, list) else number(value)


def number(value: float) -> float | str:
    """Return a number; NaN and infinities, which JSON lacks, as strings."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def param(value: Any) -> Any:
    """Return a parameter of an operation as a JSON value; types that JSON lacks, as strings."""
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
    """Write data as standard JSON. Raises ValueError for NaN and infinities."""
    return json.dumps(data, allow_nan=False, separators=(",", ":"))
