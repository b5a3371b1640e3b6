"""A graph read back from JSON.

Reading runs no code of the file: operations are found in the table of primitives by name. Each
value and parameter is checked, and each operation is computed once more to see that it fits its
inputs, so that a damaged or foreign file is a ValueError of one sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..program import Equation, Variable
from ..table import TABLE, Primitive
from . import decoding
from .data import Node, Passes
from .decoding import DamagedError, brief, is_int
from .jsonable import DTYPES, FORMAT, VERSION

Array = npt.NDArray[Any]
Parts = tuple[Array | None, ...]

KINDS = ("input", "parameter", "constant", "result", "output")


def parsed(content: bytes) -> Any:
    """Parse JSON. Raises ValueError, in one sentence, for what is none."""
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise DamagedError("the file is damaged: its brackets are nested too deeply") from None
    except ValueError as error:
        raise DamagedError(f"the file is not JSON, or it is cut off or damaged ({error})") from None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def read(data: Any) -> tuple[tuple[Node, ...], bool, Passes | None]:
    """Return the nodes of a graph, whether they have gradients, and both passes.

    Raises ValueError, in one sentence, for anything but the data of a graph.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DamagedError(f'this is no graph of tinygrad_bn: it has no "format": "{FORMAT}"')
    version, listed = data.get("version"), data.get("nodes")
    forward, has_gradients = data.get("forward"), data.get("has_gradients")
    if not is_int(version):
        raise DamagedError(f'"version" is {brief(version)}, and not a whole number')
    if version != VERSION:
        raise DamagedError(
            f"the file has version {brief(version)} of the format, but this version of "
            f"tinygrad_bn reads version {VERSION}: update tinygrad_bn, or save the graph again"
        )
    if not isinstance(listed, list) or not listed:
        raise DamagedError('"nodes" is missing, empty, or not a list')
    if not isinstance(forward, int) or not is_int(forward) or not 0 < forward <= len(listed):
        raise DamagedError(f'"forward" is {brief(forward)}, and not a number of nodes')
    if not isinstance(has_gradients, bool):
        raise DamagedError(f'"has_gradients" is {brief(has_gradients)}, and not true or false')
    if forward < len(listed) and not has_gradients:
        raise DamagedError('there is a backward pass, but "has_gradients" is false')
    nodes: list[Node] = []
    variables: list[Variable] = []
    for number, item in enumerate(listed):
        node = _Reader(number, item, nodes, variables, has_gradients).node()
        nodes.append(node)
        variables.append(
            Variable(node.shape, node.dtype, node.name, node.scope)
            if node.equation is None
            else node.equation.output
        )
    passes = _passes(data.get("passes"), tuple(nodes), forward) if has_gradients else None
    return tuple(nodes[:forward]), has_gradients, passes


def _passes(written: Any, nodes: tuple[Node, ...], forward: int) -> Passes | None:
    """Read where the gradients and their parts are among the nodes of both passes."""
    if written is None and len(nodes) == forward:  # such as the backward pass on its own
        return None
    if not isinstance(written, dict):
        raise DamagedError(f'"passes" is {brief(written)}, and not an object')
    grads, parts = (_places(key, written.get(key), len(nodes)) for key in ("grads", "parts"))
    for node, gradient in grads:
        _have_one_shape("grads", nodes[node], nodes[gradient])
    for node, position, part in parts:
        if position >= len(nodes[node].inputs):
            raise DamagedError(f'"parts" names input {position} of nodes[{node}], which has none')
        _have_one_shape("parts", nodes[nodes[node].inputs[position]], nodes[part])
    return Passes(
        nodes,
        {node: gradient for node, gradient in grads},  # noqa: C416
        {(node, k): part for node, k, part in parts},
    )


def _places(key: str, written: Any, count: int) -> list[list[int]]:
    length = 2 if key == "grads" else 3
    if not isinstance(written, list) or not all(
        [_are_places(item, count) and len(item) == length for item in written]
    ):
        raise DamagedError(f"{key!r} is not a list of {length} places of nodes each")
    return written


def _have_one_shape(key: str, one: Node, other: Node) -> None:
    if one.shape != other.shape:
        raise DamagedError(f"{key!r} says that nodes[{other.id}] belongs to nodes[{one.id}], but "
                           f"their shapes are {other.shape} and {one.shape}")  # fmt: skip


class _Reader:
    """Reads one node; its inputs are among those that were read before."""

    def __init__(
        self,
        number: int,
        item: Any,
        nodes: Sequence[Node],
        variables: Sequence[Variable],
        has_gradients: bool,
    ) -> None:
        self.number, self.item, self.nodes, self.variables = number, item, nodes, variables
        self.has_gradients = has_gradients
        if not isinstance(item, dict):
            self._refuse(f"is {brief(item)}, and not an object")

    def _refuse(self, why: str) -> NoReturn:
        raise DamagedError(f"nodes[{self.number}] {why}")

    def _get(self, key: str, expected: str, is_right: Callable[[Any], bool]) -> Any:
        if key not in self.item:
            self._refuse(f"has no {key!r}")
        value = self.item[key]
        if not is_right(value):
            self._refuse(f"has {key!r} {brief(value)}, but {expected} is expected")
        return value

    def _array(self, key: str, written: Any, shape: tuple[int, ...], dtype: Any) -> Array:
        try:
            return decoding.numbers(written, shape, dtype)
        except DamagedError as why:
            self._refuse(f"has {key!r} that {why}")

    def _param(self, key: str, written: Any) -> Any:
        try:
            return decoding.param(written)
        except DamagedError as why:
            self._refuse(f"has a parameter {brief(key)} that {why}")

    def node(self) -> Node:
        """Return the node."""
        here = self.number

        def is_text(v: Any) -> bool:
            return isinstance(v, str)

        self._get("id", f"{here}, its place,", lambda v: is_int(v) and v == here)
        kind = self._get("kind", f"one of {', '.join(KINDS)}", lambda v: is_text(v) and v in KINDS)
        name = self._get("name", "a text or null", lambda v: v is None or is_text(v))
        scope = self._get("scope", "a text", is_text)
        shape = tuple(self._get("shape", "a list of lengths", decoding.is_shape))
        dtype = DTYPES[
            self._get("dtype", "the name of a dtype", lambda v: is_text(v) and v in DTYPES)
        ]
        op = self._get(
            "op",
            "the name of a primitive, or null",
            lambda v: v is None or (is_text(v) and v in TABLE),
        )
        ids = "a list of ids of nodes before it" if op else "an empty list"
        inputs = tuple(
            self._get("inputs", ids, lambda v: _are_places(v, here) and bool(v) == bool(op))
        )
        if kind == "result" if op is None else kind in ("input", "parameter", "constant"):
            self._refuse(f"is of the kind {kind!r}, which {'a leaf' if op is None else op} is not")
        of = self._get(
            "cotangent_of",
            "the id of a node before it, or null,",
            lambda v: v is None or _are_places([v], here),
        )
        backward = self._get("backward", "true or false", lambda v: isinstance(v, bool))
        value = self._array("value", self._get("value", "", lambda v: True), shape, dtype)
        grad, seed = (self._gradient(key, shape, dtype) for key in ("grad", "seed"))
        equation: Equation | None = None
        parts: Parts = ()
        if op is not None:
            output = Variable(shape, dtype, name, scope)
            operands = [self.nodes[i] for i in inputs]
            equation = self._equation(TABLE[op], inputs, operands, output)
            parts = self._parts(operands, grad)
        weak = self._get("weak", "true or false", lambda v: isinstance(v, bool))
        return Node(
            here, kind, name, scope, value, equation, inputs, grad, parts, seed, backward, of, weak
        )

    def _gradient(self, key: str, shape: tuple[int, ...], dtype: Any) -> Array | None:
        expected = "an array or null" if self.has_gradients else "null"
        written = self._get(key, expected, lambda v: v is None or self.has_gradients)
        return None if written is None else self._array(key, written, shape, dtype)

    def _equation(
        self,
        primitive: Primitive,
        inputs: Sequence[int],
        operands: Sequence[Node],
        output: Variable,
    ) -> Equation:
        written = self._get("params", "an object", lambda v: isinstance(v, dict))
        params = {key: self._param(key, value) for key, value in written.items()}
        plain = self._get(
            "plain_numbers",
            "a list of places of single numbers among the inputs",
            lambda v: _are_places(v, len(operands)) and all([operands[k].shape == () for k in v]),
        )
        values = [x.value.item() if k in plain else x.value for k, x in enumerate(operands)]
        if not _fits(primitive, values, params, output.shape):
            shapes = ", ".join(str(x.shape) for x in operands)
            self._refuse(
                f"has inputs of shape {shapes} and params of which {primitive} does not make an "
                f"array of shape {output.shape}"
            )
        variables = [
            Variable((), x.dtype, x.name, x.scope, weak=True) if k in plain else self.variables[i]
            for k, (i, x) in enumerate(zip(inputs, operands, strict=True))
        ]
        return Equation(primitive, tuple(variables), params, output)

    def _parts(self, operands: Sequence[Node], grad: Array | None) -> Parts:
        expected = f"a list of {len(operands)} parts, or an empty one,"
        written = self._get(
            "parts", expected, lambda v: isinstance(v, list) and len(v) in (0, len(operands))
        )
        parts: list[Array | None] = []
        for k, (part, operand) in enumerate(zip(written, operands, strict=False)):
            if part is not None and (grad is None or operand.grad is None):
                self._refuse(f"has a part of a gradient for input {k}, which has no gradient")
            if part is None or part == "grad":
                parts.append(None if part is None else operand.grad)
            else:
                parts.append(self._array("parts", part, operand.shape, operand.dtype))
        return tuple(parts)


def _fits(
    primitive: Primitive, values: Sequence[Any], params: dict[str, Any], shape: tuple[int, ...]
) -> bool:
    """Return whether the primitive takes these operands and parameters and returns that shape."""
    shapes = [np.shape(value) for value in values]
    try:  # first by the shapes alone: of small arrays, something too large could be made
        if primitive.name != "reshape" and tuple(params.get("shape", shape)) != shape:
            return False
        if primitive.elementwise and np.broadcast_shapes(*shapes, params.get("shape", ())) != shape:
            return False
        if primitive.name == "matmul" and _shape_of_product(*shapes) != shape:
            return False
        with np.errstate(all="ignore"):
            made: tuple[int, ...] = np.shape(primitive.forward(*values, **params))
    except Exception:  # whatever NumPy raises for operands that do not fit
        return False
    return made == shape


def _shape_of_product(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    before = np.broadcast_shapes(a[:-2], b[:-2])
    return (*before, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))


def _are_places(value: Any, count: int) -> bool:
    return isinstance(value, list) and all([is_int(i) and 0 <= i < count for i in value])
