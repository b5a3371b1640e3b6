"""A program evaluated on Tensors, which get its names and scopes: so it is recorded once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..recording import MODE, Scope, within
from ..tensor import Tensor
from .data import Captured, Equation, ProgramData, Variable
from .tracing import leaf


def on_tensors(program: ProgramData, values: Mapping[Variable, Any]) -> list[Any]:
    """Evaluate a program on Tensors, and return its outputs."""
    known = dict(values)
    scopes = _Scopes(program.captured, MODE.get().scope)
    for v in program.captured:
        known[v] = v.tensor
    for c in program.constants:
        known[c] = leaf(c.value, c.name, needs_grad=False)
        known[c].made_in = scopes[c.scope]

    def compute(equation: Equation, operands: list[Any], params: Mapping[str, Any]) -> Any:
        with within(scope=scopes[equation.output.scope]):
            out = equation.primitive(*operands, **params)
        if isinstance(out, Tensor) and equation.output.name is not None:
            out.name = equation.output.name
        return out

    return program.results(program.outputs, known, compute)


class _Scopes(dict[str, "Scope | None"]):
    """The scopes of a program, opened anew. Each holds the captured tensors drawn in it."""

    def __init__(self, captured: Sequence[Captured], outermost: Scope | None) -> None:
        super().__init__({"": outermost})
        self.captured = captured

    def __missing__(self, path: str) -> Scope:
        parent, _, name = path.rpartition("/")
        held = _Held([(v.name or "", v.tensor) for v in self.captured if v.scope == path])
        scope = self[path] = Scope(name, self[parent], lambda: held)
        return scope


class _Held(list[tuple[str, Tensor]]):
    """Tensors by name, in the place of the module that held them."""

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        return iter(self)
