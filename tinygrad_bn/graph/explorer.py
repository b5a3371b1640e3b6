"""The explorer: an .html file that shows a graph and its differentiation step by step.

The page needs no network. A strict content security policy forbids network access, and allows only
the script and the style of the page, identified by their hashes. The graph is stored in the page as
data, and is shown only as text.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import writing
from . import closed_forms, derived, dot, jsonable, layout, live, mathml, ranks, text
from .data import GraphData, Node

SCRIPTS = (
    "tensors.js", "kernels.js", "live.js", "formulas.js", "placing.js", "drawing.js", "camera.js",
    "panel.js", "steps.js", "tour.js", "search.js", "editing.js", "explorer.js",
)  # fmt: skip
MOST_NUMBERS = 30_000  # in a page; of the tensors that are too large, a sample is stored
FACTS = (np.min, np.max, np.mean, np.std)
BINS = 24


def page(graph: GraphData) -> str:
    """Return the page as HTML."""
    files = resources.files(__package__) / "static"
    style = (files / "explorer.css").read_text(encoding="utf-8")
    script = "".join((files / name).read_text(encoding="utf-8") for name in SCRIPTS)
    content = jsonable.written(data(graph)).replace("<", "\\u003c")
    parts = {
        "title": escape(dot.clean(_question(graph))),
        "policy": f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'",
        "style": style,
        "script": script,
        "data": content,
    }
    template = (files / "explorer.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda slot: parts[slot[1]], template)


def _hash(source: str) -> str:
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def data(graph: GraphData) -> dict[str, Any]:
    """Return the data that the page shows."""
    where = layout.paths(graph.nodes)
    numbers: dict[layout.Path, int] = {(): 0}
    for path in where:
        for depth in range(1, len(path) + 1):
            numbers.setdefault(path[:depth], len(numbers))
    pack = _Packer(_largest_shown(graph))
    comparisons = closed_forms.comparisons(graph)
    return {
        "hasGradients": graph.has_gradients,
        "nodes": [_node(node, graph, numbers[where[node.id]], pack) for node in graph.nodes],
        "scopes": [
            {"name": path[-1] if path else "", "parent": numbers[path[:-1]] if path else None}
            for path in numbers
        ],
        "layouts": layout.laid_out(graph.nodes, where, numbers),
        "comparisons": [
            {
                "scope": c.norm.scope,
                "node": c.node.id,
                "shape": list(c.from_graph.shape),
                "graph": pack(c.from_graph),
                "forms": [
                    {
                        "name": form,
                        "value": pack(gradient),
                        "difference": jsonable.number(c.differences[form]),
                    }
                    for form, gradient in c.in_closed_form.items()
                ],
                "tolerance": jsonable.number(c.closest_tolerance),
                "finite": c.is_finite,
                "agrees": c.agrees,
            }
            for c in comparisons
        ],
        "derived": derived.steps() if comparisons else [],
        "live": live.program(graph, comparisons),
        "card": ranks.CARD,
        "number": ranks.NUMBER,
        "folded": ranks.FOLDED,
    }


def _question(graph: GraphData) -> str:
    """Return the question that a page answers, as its title."""
    output = graph.nodes[-1]
    y = _title(output, graph.nodes) if output.name else "the result"
    leaves = [node for kind in ("input", "parameter") for node in graph.nodes if node.kind == kind]
    if output.backward:  # from the upstream cotangent
        leaves = [node for node in leaves if node.backward] or leaves
    if output.op is None or not leaves:
        return f"{_title(output, graph.nodes)}: a computational graph"
    x = _title(leaves[0], graph.nodes) if leaves[0].name else f"the {leaves[0].kind}"
    if not graph.has_gradients or output.backward:
        return f"How does {x} become {y}?"
    return f"How does a change of {x} reach {y}, and back?"


def _node(node: Node, graph: GraphData, scope: int, pack: _Packer) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "kind": node.kind,
        "name": node.name,
        "title": _title(node, graph.nodes),
        "in": scope,
        "scope": node.scope,
        "shape": list(node.shape),
        "dtype": str(node.dtype),
        "value": pack(node.value),
        "brief": _brief(node.value, 17),
        "grad": None if node.grad is None else pack(node.grad),
        "gradBrief": None if node.grad is None else _brief(node.grad, 15),
        "inputs": list(node.inputs),
        "backward": node.backward,
    }
    if layout.is_number(node):
        shown["small"] = True
    if node.weak:
        shown["weak"] = True
    if node.op is None:
        return shown
    single = {i for i in node.inputs if len(graph.terms(graph.nodes[i])) == 1}
    shown |= {
        "op": node.op,
        "symbol": dot.SYMBOLS.get(node.op, node.op),
        "call": text.call(node, graph.nodes),
        "params": {key: jsonable.param(value) for key, value in node.params.items()},
        "formula": mathml.tree(node.latex or ""),
        "rules": [mathml.tree(latex) for latex in node.rule_latex],
        "parts": [
            # a single part is the whole gradient, which is stored already
            None if part is None else "grad" if i in single else pack(part)
            for i, part in zip(node.inputs, node.parts, strict=True)
        ],
        "elementwise": bool(node.primitive and node.primitive.elementwise),
    }
    return shown


def _title(node: Node, nodes: Sequence[Node]) -> str:
    """Return the title of a node for its card: its name, or a short description."""
    if node.name is not None:
        return dot.symbol(node.name) or ""
    if layout.is_number(node):
        return writing.number(float(node.value.reshape(())))
    if node.op is None or node.formula is None:
        return node.kind
    names = [
        dot.symbol(nodes[i].name)
        or (_title(nodes[i], nodes) if layout.is_number(nodes[i]) else "…")
        for i in node.inputs
    ]
    names = [f"({name})" if " " in name else name for name in names]
    title = text.filled_in(node.formula, names).replace("^2", "²")
    return title if len(title) <= 15 and "…" not in title else f"{node.op} #{node.id}"


def _brief(array: npt.NDArray[Any], width: int) -> str:
    """Write an array so that it fits on a card: its values, their range, or their largest size."""
    words = writing.numbers(array, width)
    if len(words) > width + 2:
        words = f"up to ±{writing.number(float(np.abs(array).max()), 3)}"
    return words.replace("-", "−")


def _largest_shown(graph: GraphData) -> int:
    """Return the largest size of which a page can have all tensors with all their numbers."""
    arrays = [a for node in graph.nodes for a in (node.value, node.grad, *node.parts)]
    sizes, counts = np.unique([a.size for a in arrays if a is not None], return_counts=True)
    fitting = sizes[np.cumsum(sizes * counts) <= MOST_NUMBERS]
    return max(16, int(fitting.max(initial=0)))


class _Packer:
    """Convert arrays for the page: all values, or for a large array statistics and a sample."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, array: npt.NDArray[Any]) -> Any:
        if array.size <= self.most:
            return jsonable.numbers(array.ravel())
        sample = np.atleast_2d(array[(0,) * (array.ndim - 2)])[:4, :4]
        finite = array[np.isfinite(array)].astype(np.float64)
        with np.errstate(all="ignore"):
            facts = np.array([f(finite) for f in FACTS] if finite.size else [0.0] * len(FACTS))
            low, high = facts[:2]
            span = high / 2 - low / 2  # half of the range, since the range itself may overflow
            at = (finite / 2 - low / 2) / span if span else np.zeros(finite.size)
        counts = np.bincount(np.minimum(at * BINS, BINS - 1).astype(int), minlength=BINS)
        return {
            "size": array.size,
            "sample": jsonable.numbers(sample),
            "facts": jsonable.numbers(facts),
            "notFinite": int(array.size - finite.size),
            "counts": counts.tolist(),
        }
