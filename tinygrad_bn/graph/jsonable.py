"""The graph as dicts and lists, for .json files (exact) and for the page of the explorer.

A .json file has every number, parameter, name and gradient, so that loading.py can read it back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import OPERAND
from ..program import Variable
from ..sizes import Size
from .data import GraphData, Node

Array = npt.NDArray[Any]

FORMAT, VERSION = "tinygrad_bn graph", 1
DTYPES = {
    name: np.dtype(name)
    for name in ("float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64",
                 "uint8", "uint16", "uint32", "uint64")
}  # fmt: skip


def graph(data: GraphData) -> dict[str, Any]:
    """Return a graph as dicts and lists: the first `forward` of the nodes are its own.

    The others are those that the backward pass adds. `passes` has the places of the gradients: in
    `grads` a node and its gradient, in `parts` a result, the position of an input, and the part.
    """
    passes = data.passes
    nodes = data.nodes if passes is None else passes.nodes
    return {
        "format": FORMAT,
        "version": VERSION,
        "has_gradients": data.has_gradients,
        "forward": len(data.nodes),
        "nodes": [_node(node, nodes) for node in nodes],
        "passes": None if passes is None else {
            "grads": [list(item) for item in passes.grads.items()],
            "parts": [[*key, node] for key, node in passes.parts.items()],
        },
    }  # fmt: skip


def _node(node: Node, nodes: Sequence[Node]) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": node.id,
        "kind": node.kind,
        "op": node.op,
        "name": node.name,
        "scope": node.scope,
        "shape": list(node.shape),
        "dtype": node.dtype.name,
        "value": numbers(node.value),
        "grad": _gradient(node.grad),
        "seed": _gradient(node.seed),
        "inputs": list(node.inputs),
        "backward": node.backward,
        "cotangent_of": node.cotangent_of,
        "weak": node.weak,
    }
    if node.equation is not None:
        operands = enumerate(node.equation.inputs)
        written |= {
            "params": {key: _param(value) for key, value in node.params.items()},
            "formula": node.formula,
            "rule": list(node.rule),
            "plain_numbers": [
                k for k, x in operands if not isinstance(x, Variable) or x.weak
            ],
            "parts": [
                _part(part, nodes[i]) for i, part in zip(node.inputs, node.parts, strict=False)
            ],
        }  # fmt: skip
    return written


def _gradient(array: Array | None) -> Any:
    return None if array is None else numbers(array)


def _part(part: Array | None, source: Node) -> Any:
    """Write a part of a gradient; often it is the whole gradient, which need not be repeated."""
    if part is not None and source.grad is not None and part.tobytes() == source.grad.tobytes():
        return "grad"
    return _gradient(part)


def _param(value: Any) -> Any:
    """Write a parameter; what JSON lacks, as a dict with the name of the type."""
    if isinstance(value, Size):
        value = value.now
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": number(value)}
    if isinstance(value, tuple):
        return {"tuple": [_param(item) for item in value]}
    if isinstance(value, list):
        return [_param(item) for item in value]
    if isinstance(value, slice):
        return {"slice": [_param(end) for end in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if value is OPERAND:
        return {"operand": True}
    if isinstance(value, np.dtype) and value.name in DTYPES:
        return {"dtype": value.name}
    if isinstance(value, type) and issubclass(value, np.generic):
        return {"type": np.dtype(value).name}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.name in DTYPES:
        array = np.asarray(value)
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {kind: numbers(array), "dtype": array.dtype.name,
                "shape": list(array.shape)}  # fmt: skip
    raise TypeError(f"a parameter of type {type(value).__name__} cannot be written as JSON")


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
