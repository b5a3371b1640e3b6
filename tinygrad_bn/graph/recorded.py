"""From recorded Tensors to a Graph: the equations of their program, with values and gradients.

The backward pass is recorded too: the rules run on Tensors, and what they did joins the forward
pass in one program. The graph of the forward pass, with its gradients, is the first part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..autodiff import first_cotangent, reverse_pass, topological_order
from ..program import Captured, Equation, Variable
from ..program.reading import Reader, Reading
from ..recording import within
from ..sizes import Size
from ..tensor import Tensor
from .data import Node, Passes
from .graph import Graph
from .text import cotangent as label_of_cotangent

Array = npt.NDArray[Any]

Parts = Sequence[Tensor | None]

LEARNED = ("gamma", "beta", "weight", "bias")  # what these names stand for in the sources


def graph(
    output: Tensor,
    gradient: Any = None,
    *,
    names: Mapping[str, Any] | None = None,
) -> Graph:
    """Turn what was recorded for `output` into a Graph.

    Parameters
    ----------
    output : Tensor
    gradient : array or Tensor of the shape of `output`, or True, optional
        The upstream cotangent (True: ones); every node through which it flows then carries its
        gradient. Nothing is added to any ``.grad``.
    names : mapping, optional
        Names for tensors, such as ``locals()``; what is no Tensor in it is passed over.

    Raises
    ------
    TypeError
        If `output` is not a Tensor.
    ValueError
        If `gradient` has another shape, or is given where no gradient can flow.
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"graph: a Tensor is expected, not {type(output).__name__}")
    given = {id(t): name for name, t in (names or {}).items() if isinstance(t, Tensor)}
    return graph_of([output], gradient, names=given)


def graph_of(
    outputs: Sequence[Tensor],
    gradient: Any = None,
    *,
    inputs: Sequence[Tensor] | None = None,
    names: Mapping[int, str] | None = None,
) -> Graph:
    """Turn what was recorded for several outputs into one Graph.

    `inputs` are those of a program, which are shown as such in any case. None: the leaves that
    need a gradient and belong to no module.
    """
    order = topological_order(*outputs)
    if inputs is None:
        inputs = _inputs(order)
    if gradient is None:
        read = Reader(names).read(outputs, inputs)
        return Graph(_Nodes(read, inputs, outputs).forward())
    given = gradient if isinstance(gradient, tuple) else (gradient,) * len(outputs)
    seeds = []
    for output, cotangent in zip(outputs, given, strict=True):
        cotangent = np.ones_like(output.data) if cotangent is True else cotangent
        seeds.append((output, first_cotangent(output, cotangent, "gradient").detach()))
    with within(everything=True, recording=True, anomaly=False):
        walk = list(reverse_pass(seeds, create_graph=True))
    ends = [t for _, g, parts in walk for t in (g, *parts) if t is not None]
    first = [seed for _, seed in seeds]
    read = Reader(names).read([*outputs, *ends], [*inputs, *first])
    made = _Nodes(read, inputs, outputs)
    forward = made.both(walk, seeds)
    return Graph(forward, True, made.passes(walk))


def nodes_of(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor]
) -> tuple[tuple[Node, ...], list[int]]:
    """Return the nodes of what was recorded, and the ids of the inputs and then the outputs."""
    read = Reader().read(outputs, inputs)
    made = _Nodes(read, inputs, outputs)
    made.forward()
    ids = [made.id_of(tensor) for tensor in (*inputs, *outputs)]
    return tuple(made.nodes), ids


def _inputs(order: Sequence[Tensor]) -> list[Tensor]:
    """Return the leaves that are shown as inputs.

    They need a gradient, and no module holds them. A network that is called on plain data has none
    of these; then the input is the first array that it used.
    """
    leaves = [t for t in order if t.op is None]
    free = [t for t in leaves if type(t) is Tensor]
    learned = [t for t in leaves if type(t) is not Tensor and t.requires_grad]
    inputs = [t for t in free if t.requires_grad]
    if inputs or not learned:
        return inputs
    return [t for t in free if t.size > 1][:1]


class _Nodes:
    """The nodes of a graph in the making: equations in order, each behind the leaves it uses."""

    def __init__(self, read: Reading, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        self.read = read
        self.inputs = {read.variables[t.number] for t in inputs}
        self.outputs = {read.variables[t.number] for t in outputs}
        self.nodes: list[Node] = []
        self.ids: dict[Variable, int] = {}
        self.last = max(t.number for t in outputs)  # of the forward pass
        self.walked: dict[Variable, tuple[Tensor, Sequence[Tensor | None]]] = {}
        self.seeds: dict[Variable, Array] = {}
        self.cotangent_of: dict[Variable, int] = {}
        self.backward = False

    def forward(self) -> tuple[Node, ...]:
        """Build the nodes of the forward pass."""
        for equation in self.read.equations:
            if self._number(equation.output) <= self.last:
                self._add(equation)
        for output in self.outputs:  # of a function that returns what it was given
            self._leaf(output, "")
        return tuple(self.nodes)

    def both(
        self,
        walk: Sequence[tuple[Tensor, Tensor, Parts]],
        seeds: Sequence[tuple[Tensor, Tensor]],
    ) -> tuple[Node, ...]:
        """Build the nodes of both passes; return those of the forward pass."""
        for output, seed in seeds:
            x = self._variable(output)
            self.seeds[x] = self.seeds[x] + seed.data if x in self.seeds else seed.data
        self.walked = {self.read.variables[t.number]: (g, parts) for t, g, parts in walk}
        forward = self.forward()
        self.backward = True
        for tensor, g, _ in walk:
            of, cotangent = self.ids[self.read.variables[tensor.number]], self._variable(g)
            if cotangent not in self.ids:
                self.cotangent_of.setdefault(cotangent, of)
        for _, seed in seeds:
            self._leaf(self._variable(seed), "")
        for equation in self.read.equations:
            if self._number(equation.output) > self.last:
                self._add(equation)
        return forward

    def passes(self, walk: Sequence[tuple[Tensor, Tensor, Parts]]) -> Passes:
        """List the nodes of both passes, with those of each gradient and its parts."""
        grads = {self.id_of(tensor): self.id_of(g) for tensor, g, _ in walk}
        parts = {
            (self.id_of(tensor), position): self.id_of(part)
            for tensor, _, given in walk
            for position, part in enumerate(given)
            if part is not None
        }
        return Passes(tuple(self.nodes), grads, parts)

    def id_of(self, tensor: Tensor) -> int:
        """Return the id of the node of a tensor."""
        return self._leaf(self._variable(tensor), "")

    def _variable(self, tensor: Tensor) -> Variable:
        return self.read.variables[tensor.number]

    def _number(self, x: Variable) -> int:
        return self.read.tensors[x].number

    def _add(self, equation: Equation) -> None:
        x = equation.output
        inputs = tuple([self._leaf(operand, x.scope) for operand in equation.inputs])
        self._node(x, "output" if x in self.outputs else "result", x.scope, equation, inputs)

    def _leaf(self, x: Any, scope: str) -> int:
        """Return the id of an operand: of a leaf that is new, after adding it."""
        if not isinstance(x, Variable):  # a number
            number = Variable((), np.dtype(np.float64), weak=True)
            self.read.values[number] = x.now if isinstance(x, Size) else x
            return self._node(number, "constant", scope)
        if x in self.ids:
            return self.ids[x]
        kind = "constant"
        if x in self.inputs or (isinstance(x, Captured) and x.tensor.requires_grad):
            kind = "parameter" if isinstance(x, Captured) or x.name in LEARNED else "input"
        return self._node(x, kind, x.scope)

    def _node(
        self,
        x: Variable,
        kind: str,
        scope: str,
        equation: Equation | None = None,
        inputs: tuple[int, ...] = (),
    ) -> int:
        name, of = x.label, self.cotangent_of.get(x)
        if of is not None:
            value_of = self.nodes[of]
            name = name or label_of_cotangent(value_of, self.nodes)
            scope = value_of.scope
            kind = "input" if equation is None else "result"
            kind = "output" if value_of.op is None else kind
        g, parts = self.walked.get(x, (None, ()))
        whole = [*parts, *[None] * (len(inputs) - len(parts))]
        value = self.read.values[x]
        node = Node(
            len(self.nodes), kind, name, scope,
            value if isinstance(value, np.ndarray) else np.asarray(value * 1.0),
            equation, inputs,
            grad=None if g is None else np.array(g.data),
            parts=tuple([None if part is None else part.data for part in whole]),
            seed=self.seeds.get(x),
            backward=self.backward, cotangent_of=of, weak=x.weak,
        )  # fmt: skip
        self.nodes.append(node)
        self.ids[x] = node.id
        return node.id
