"""The program that a page evaluates when a reader changes a number.

The page has a kernel for what each primitive computes forward. The backward pass and the closed
forms are made of the same primitives, so they are stored as equations too, and the page has no
rule of differentiation.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import closed_form, sizes
from ..arrays import OPERAND
from ..program import Variable
from ..recording import within
from ..table import TABLE
from ..tensor import Tensor
from . import closed_forms, jsonable, layout, recorded
from .closed_forms import BatchNorm, Comparison
from .data import GraphData, Node

Array = npt.NDArray[Any]

KERNELS = frozenset([
    "add", "sub", "mul", "div", "neg", "pow", "sqrt", "exp", "log", "sin", "cos", "tanh",
    "sigmoid", "relu", "leaky_relu", "sign", "abs", "maximum", "minimum", "where", "clip",
    "sum", "mean", "var", "max", "min", "matmul", "reshape", "transpose", "broadcast_to",
    "concatenate", "stack", "getitem", "scatter", "take_along_axis", "add_along_axis", "astype",
    "detach", "windows", "overlap_add", "less", "less_equal", "greater", "greater_equal",
    "equal", "not_equal", "logical_and", "logical_or", "logical_xor", "logical_not", "isnan",
    "isinf", "isfinite", "signbit", "any", "all", "count_nonzero", "argmax", "argmin",
])  # fmt: skip
"""The primitives that static/kernels.js computes."""

OF_FAMILIES = (
    "flip", "recurrence", "cumsum", "cumprod", "prod", "log1p", "log2", "log10", "expm1", "exp2",
    "one_minus_square", "direction", "hypot", "arctan2", "tan", "sinh", "cosh", "arcsin", "arccos",
    "arctan", "arcsinh", "arccosh", "arctanh", "cbrt", "logaddexp", "logaddexp2", "roll", "tril",
    "triu", "inv", "solve", "cofactor", "det", "logabsdet", "sign_of_det", "cholesky", "pinv",
    "norm", "spherical_bessel", "sinc", "floor", "ceil", "trunc", "rint", "floor_divide", "round",
    "remainder", "fmod", "fmax", "fmin", "copysign", "heaviside",
)  # fmt: skip

WITHOUT_KERNEL = {
    "argsort": "NumPy does not define the order of equal numbers",
    **dict.fromkeys(OF_FAMILIES, "the page computes what the first tables have; not the families"),
}
"""The other primitives of the table, and why. A graph with one is shown as it was recorded."""

MOST_GIVEN = 50_000  # numbers of leaves, which are stored
MOST_NUMBERS = 2_000_000  # in all, computed at each change
MOST_PRODUCTS = 20_000_000  # of two numbers, in matrix products
FEW = 200  # numbers are stored as text, more in base64


class NotLiveError(Exception):
    """Why a page cannot compute: a clause for the reader."""


def program(graph: GraphData, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return the program of a page, or ``{"not": reason}`` if the page cannot compute it."""
    try:
        return _Stored(graph, comparisons).parts()
    except NotLiveError as reason:
        return {"not": str(reason)}


class _Stored:
    """Equations between numbered variables. Those below `len(graph.nodes)` are the graph's."""

    def __init__(self, graph: GraphData, comparisons: Sequence[Comparison]) -> None:
        if graph.has_gradients and graph.passes is None:
            raise NotLiveError("its backward pass was not recorded")
        self.graph, self.comparisons = graph, comparisons
        self.nodes = graph.nodes if graph.passes is None else graph.passes.nodes
        self.equations: list[list[Any]] = []
        self.leaves: list[list[Any]] = []
        self.count = len(self.nodes)
        _check_amount(self.nodes)

    def parts(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        self._add(self.nodes, {})
        equations, self.equations = self.equations, []
        passes, graph = self.graph.passes, self.graph
        grads = {} if passes is None else passes.grads
        compared = self._compared(grads)
        editable = [node.id for node in self.nodes if node.id < len(graph) and _is_free(node)]
        return {
            "grads": [grads.get(node.id) for node in graph.nodes],
            "parts": [
                [None if passes is None else passes.parts.get((node.id, k)) for k in range(n)]
                for node in graph.nodes
                for n in [len(node.inputs)]
            ],
            "editable": editable,
            # an output whose gradient is given, not computed, and the variable of that
            "upstream": [
                [node.id, grads[node.id]]
                for node in graph.nodes
                if node.kind == "output" and node.id in grads
                and self.nodes[grads[node.id]].op is None
            ],
            "comparisons": compared,
            "equations": equations,
            "closed": self.equations,  # computed when they are asked for
            "leaves": self.leaves,
        }  # fmt: skip

    def _add(self, nodes: Sequence[Node], given: dict[int, int], first: int = 0) -> None:
        """Add the equations of nodes, numbered from `first`; those in `given` have a variable."""
        known: set[int] = set()
        for node in nodes:
            if node.id in given:
                continue
            number = first + node.id
            if node.equation is None:
                self.leaves.append([number, list(node.shape), stored(node.value)])
                if not _is_free(node):
                    known.add(node.id)
                continue
            inputs = [nodes[i] for i in node.inputs]
            _check(node, inputs)
            operands = [given.get(i, first + i) for i in node.inputs]
            operands = self._in_one_dtype(operands, inputs)
            params = _params(node, inputs, known)
            self._equation(str(node.op), operands, params, node.dtype, number)

    def _in_one_dtype(self, operands: list[int], inputs: Sequence[Node]) -> list[int]:
        """Convert Python numbers among the operands to the dtype of what they meet."""
        dtypes = [x.dtype for x in inputs if not x.weak]
        met = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
        if met.kind != "f" or met.itemsize == 8:
            return operands
        return [
            self._equation("astype", [i], {"dtype": "f"}, met) if x.weak else i
            for i, x in zip(operands, inputs, strict=True)
        ]

    def _equation(
        self, op: str, inputs: list[int], params: Any, dtype: Any, number: int | None = None
    ) -> int:
        if number is None:
            number, self.count = self.count, self.count + 1
        digits = {np.dtype(np.float32): [32], np.dtype(np.float16): [16]}.get(dtype, [])
        self.equations.append([number, op, inputs, params, *digits])
        return number

    def _compared(self, grads: dict[int, int]) -> list[dict[str, Any]]:
        """Add the closed forms of each batch norm; return the variables that are compared."""
        found: list[dict[str, Any]] = []
        forms: dict[BatchNorm, list[list[int]]] = {}
        for comparison in self.comparisons:
            norm = comparison.norm
            if norm not in forms:
                forms[norm] = self._closed_forms(norm, grads)
            position = (norm.x, norm.gamma, norm.beta).index(comparison.node)
            parts = [self._part(user, k) for user, k in norm.terms(self.graph, comparison.node)]
            total = parts[0]
            for part in parts[1:]:
                total = self._equation("add", [total, part], {}, comparison.node.dtype)
            *values, tolerance = [form[position] for form in forms[norm]]
            found.append({
                "graph": total, "forms": values, "tolerance": tolerance,
                "x": norm.x.id, "y": norm.y.id, "eps": norm.eps.id, "axis": list(norm.axis),
            })  # fmt: skip
        return found

    def _part(self, user: Node, position: int) -> int:
        assert self.graph.passes is not None
        return self.graph.passes.parts[user.id, position]

    def _closed_forms(self, norm: BatchNorm, grads: dict[int, int]) -> list[list[int]]:
        """Record the closed forms on Tensors, and add their equations."""
        given = [norm.x, norm.gamma, norm.beta, norm.eps]
        values = [*norm.arguments, norm.eps.value.reshape(())]
        with within(everything=True, recording=True, anomaly=False, scope=None):
            leaves = [Tensor(value) for value in (*values, norm.dy)]
            x, gamma, beta, eps, dy = leaves
            eps = eps.astype(np.float64)
            arguments: list[Any] = [x, gamma, beta]
            with np.errstate(all="ignore"):
                _, cache = closed_form.forward(*arguments, axis=norm.axis, eps=eps)
                results: list[Any] = [form(dy, cache) for form in closed_forms.FORMS.values()]
                bound = closed_form.error_bound(dy, cache)
                results.append([2 * of_one for of_one in bound])
        outputs = [tensor for result in results for tensor in result]
        nodes, ids = recorded.nodes_of(outputs, leaves)
        variables = [None if node is None else node.id for node in given]
        places = {
            i: variable
            for i, variable in zip(ids, [*variables, grads[norm.y.id]], strict=False)
            if variable is not None
        }
        first, self.count = self.count, self.count + len(nodes)
        _check_amount(nodes)
        self._add(nodes, places, first)
        made = [places.get(i, first + i) for i in ids[len(leaves) :]]
        return [made[k : k + 3] for k in range(0, len(made), 3)]


def _check_amount(nodes: Sequence[Node]) -> None:
    given = sum(node.value.size for node in nodes if node.op is None)
    if given > MOST_GIVEN:
        raise NotLiveError(f"it is given {given:,} numbers, and a page holds {MOST_GIVEN:,}")
    whole = sum(node.value.size for node in nodes)
    if whole > MOST_NUMBERS:
        raise NotLiveError(f"it computes {whole:,} numbers, and a page at most {MOST_NUMBERS:,}")
    products = sum(
        node.value.size * nodes[node.inputs[0]].shape[-1] for node in nodes if node.op == "matmul"
    )
    if products > MOST_PRODUCTS:
        raise NotLiveError(
            f"its matrix products take {products:,} multiplications, and a page does at most "
            f"{MOST_PRODUCTS:,}"
        )


def _is_free(node: Node) -> bool:
    """Return whether a reader may change the value of a leaf.

    A number without a name is part of the formula, as the 2 of x^2: rules depend on it.
    """
    written = node.weak or (layout.is_number(node) and node.name is None)
    return node.op is None and node.dtype.kind == "f" and not written


def _check(node: Node, inputs: Sequence[Node]) -> None:
    """Check that the page computes an operation, and that its operands lead to its value."""
    op, equation = str(node.op), node.equation
    assert equation is not None
    if TABLE.get(op) is not node.primitive or op not in KERNELS:
        raise NotLiveError(f"it has no kernel for the operation {op}")
    operands = [
        x if isinstance(x, int | float) and not isinstance(x, Variable) else given.value
        for x, given in zip(equation.inputs, inputs, strict=True)
    ]
    with np.errstate(all="ignore"):
        again = equation.primitive(*operands, **sizes.now(dict(equation.params)))
    if not np.array_equal(again, node.value, equal_nan=node.dtype.kind == "f"):
        raise NotLiveError(f"an input of {op} was given another value since it was recorded")


def _params(node: Node, inputs: Sequence[Node], known: set[int]) -> Any:
    """Return the parameters of an equation as its kernel takes them."""
    params = sizes.now(node.params)
    if node.op == "reshape":
        return {"shape": list(node.shape)}
    if node.op == "astype":
        return {"dtype": np.dtype(params["dtype"]).kind}
    if node.op in ("getitem", "scatter"):
        if not known.issuperset(node.inputs[1:]):
            raise NotLiveError(f"the index of {node.op} depends on values that may change")
        rest = iter([x.value for x in inputs[1:]])
        index = params["index"]
        if isinstance(index, tuple):
            index = tuple([next(rest) if i is OPERAND else i for i in index])
        whole = inputs[0].shape if node.op == "getitem" else node.shape
        places = np.arange(math.prod(whole)).reshape(whole)[index]
        return {"shape": list(node.shape), "places": places.ravel().tolist()}
    return {key: jsonable.param(value) for key, value in params.items() if key != "dtype"} or 0


def stored(array: Array) -> Any:
    """Return an array for the page: a list, or for many numbers their bytes in base64."""
    if array.size <= FEW:
        return jsonable.numbers(array.ravel() * 1.0)
    exact = np.float32 if array.dtype.kind == "b" or array.dtype.itemsize < 8 else np.float64
    kind = np.dtype(np.float64 if array.dtype.kind in "iu" else exact).newbyteorder("<")
    return {str(kind.itemsize): base64.b64encode(array.astype(kind).tobytes()).decode()}
