"""From recorded Tensors to a program: the only place that reads what a Tensor remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import sizes
from ..recording import Scope
from ..sizes import Axis, Size
from ..tensor import Tensor
from .data import Captured, Constant, Equation, Variable


class Reading(NamedTuple):
    """What was read: the parts of a program, and the variable of each Tensor by its number."""

    captured: tuple[Captured, ...]
    constants: tuple[Constant, ...]
    equations: tuple[Equation, ...]
    variables: dict[int, Variable]
    values: dict[Variable, Any]
    tensors: dict[Variable, Tensor]

    def fields(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[str, Any]:
        """Return the fields of a program with these inputs and outputs."""
        return {
            "inputs": tuple(self.variables[x.number] for x in inputs),
            "captured": self.captured,
            "constants": self.constants,
            "equations": self.equations,
            "outputs": tuple(self.variables[x.number] for x in outputs),
            "examples": tuple(x._value for x in inputs),
        }


class Reader:
    """Reads the equations between inputs and outputs, in the order of execution.

    Parameters
    ----------
    names : mapping from the id of a Tensor to a name, optional
        Instead of the Tensor's own name.
    since : int
        Tensors with a lower number were not made by the function that was traced. They are
        captured; without this, those that a module holds are.
    behind : mapping from the number of a Tensor to it, optional
        Results whose lengths are used.
    equal : mapping from a length to another that must equal it, optional
    """

    def __init__(
        self,
        names: Mapping[int, str] | None = None,
        since: int = -1,
        behind: Mapping[int, Tensor] | None = None,
        equal: Mapping[Axis, Any] | None = None,
    ) -> None:
        self.names, self.since = names or {}, since
        self.behind, self.equal = behind or {}, equal or {}
        self.paths = ScopePaths()
        self.variables: dict[int, Variable] = {}
        self.values: dict[Variable, Any] = {}
        self.tensors: dict[Variable, Tensor] = {}
        self.captured: list[Captured] = []
        self.constants: list[Constant] = []
        self.taken: set[str] = set()  # names of inputs and captured tensors
        self.held: dict[Scope, dict[int, str]] = {}

    def read(self, outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> Reading:
        """Read; every input becomes a variable, also one that is not used."""
        for tensor in inputs:
            name = self.names.get(id(tensor), tensor.name)
            if name is not None:
                self.taken.add(name)
            about = {**self._about(tensor), "weak": _is_number(tensor)}
            self._add(tensor, Variable(**about))
        for tensor in inputs:
            self._set_lengths(self.variables[tensor.number], tensor)
        results = self._results(outputs)
        equations = []
        for tensor in results:
            values = zip(tensor.inputs, tensor.values, strict=True)
            operands = [self._operand(x, value, tensor) for x, value in values]
            params = sizes.replaced(tensor.params, self.size)
            scope = self.paths[tensor.made_in]
            output = Variable(**self._about(tensor), scope=scope, weak=_is_number(tensor))
            self._add(tensor, output)
            self._set_lengths(output, tensor)
            assert tensor.op is not None
            equations.append(Equation(tensor.op, tuple(operands), params, output))
        for tensor in outputs:
            if tensor.number not in self.variables:  # a constant function
                self._leaf(tensor, tensor._value, None)
        return Reading(
            tuple(self.captured), tuple(self.constants), tuple(equations),
            self.variables, self.values, self.tensors,
        )  # fmt: skip

    def size(self, size: Any, *, as_found: bool = False) -> Any:
        """Write a number in terms of the lengths of variables.

        `as_found`: without replacing lengths by others that must equal them.
        """
        if any(axis.of not in self.variables for axis in self._followed(size, as_found)):
            return sizes.number_now(size)  # a length that was kept from another trace

        def at(axis: Axis) -> Any:
            if not as_found and axis in self.equal:
                return sizes.evaluated(self.equal[axis], at)
            variable = self.variables[axis.of]
            return sizes.length(variable, axis.axis, variable.shape[axis.axis])

        return sizes.evaluated(size, at)

    def _results(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """List the results that the outputs are made from, in the order of execution."""
        found: dict[int, Tensor] = {}
        stack = list(outputs)
        while stack:
            tensor = stack.pop()
            if tensor.op is None or tensor.number in found or tensor.number in self.variables:
                continue
            if tensor.number < self.since:
                continue
            found[tensor.number] = tensor
            stack += tensor.inputs
            if self.behind:
                used: list[Any] = [
                    x.symbolic for x in tensor.inputs if isinstance(x.symbolic, Size)
                ]
                sizes.replaced(tensor.params, used.append)
                stack += [result for size in used for result in self._measured(size)]
        return [found[number] for number in sorted(found)]

    def _followed(self, size: Any, as_found: bool) -> list[Axis]:
        """List the lengths that a number is written in."""
        found = []
        for axis in sizes.axes_of(size):
            equal = None if as_found else self.equal.get(axis)
            found += [axis] if equal is None else self._followed(equal, as_found)
        return found

    def _measured(self, size: Any) -> list[Tensor]:
        """List the results whose lengths a number is computed from."""
        found = []
        for axis in sizes.axes_of(size):
            if axis in self.equal:
                found += self._measured(self.equal[axis])
            elif axis.of in self.behind:
                found.append(self.behind[axis.of])
        return found

    def _operand(self, x: Tensor, value: Any, user: Tensor) -> Any:
        if x.number not in self.variables:
            if x.op is None and _is_number(x):
                return x._value if x.symbolic is None else self.size(x.symbolic)
            self._leaf(x, value, user)
        elif x.op is None:  # its value may have been replaced since
            self.values[self.variables[x.number]] = value
        return self.variables[x.number]

    def _leaf(self, x: Tensor, value: Any, user: Tensor | None) -> None:
        about, made_in = self._about(x), x.made_in
        captured = x.number < self.since if self.since >= 0 else type(x) is not Tensor
        if captured:
            frame, path = self._holder(x, None if user is None else user.made_in)
            about["name"] = self.unique(path or about["name"] or "captured")
            scope = self.paths[frame if frame is not None else made_in]
            self.captured.append(Captured(**about, scope=scope, tensor=x))
            self._add(x, self.captured[-1], value)
        else:
            if (
                user is not None
                and (about["name"] is None or x._array.size == 1)
                and id(x) not in self.names
            ):
                made_in = user.made_in
            self.constants.append(Constant(**about, scope=self.paths[made_in], value=value))
            self._add(x, self.constants[-1], value)

    def _about(self, tensor: Tensor) -> dict[str, Any]:
        return {
            "shape": tensor._array.shape,
            "dtype": tensor._array.dtype,
            "name": self.names.get(id(tensor), tensor.name),
        }

    def _add(self, tensor: Tensor, variable: Variable, value: Any = None) -> None:
        self.variables[tensor.number] = variable
        self.values[variable] = tensor._value if value is None else value
        self.tensors[variable] = tensor

    def _set_lengths(self, variable: Variable, tensor: Tensor) -> None:
        """Write the lengths of a variable, which may be lengths of itself."""

        def length(size: Size) -> Any:
            there = all(result.number in self.variables for result in self._measured(size))
            return self.size(size) if there else size.now

        object.__setattr__(variable, "lengths", sizes.replaced(tensor.shape, length))

    def _holder(self, x: Tensor, scope: Scope | None) -> tuple[Scope | None, str | None]:
        """Find the innermost scope of a module that holds a tensor, and its path in the outermost.

        The names in the outermost module are those of its state.
        """
        frame, path = None, None
        while scope is not None:
            if scope not in self.held:
                holder = scope.holder()
                held = holder.tensors() if holder is not None else ()
                self.held[scope] = {id(tensor): name for name, tensor in held}
            if id(x) in self.held[scope]:
                frame, path = frame or scope, self.held[scope][id(x)]
            scope = scope.parent
        return frame, path

    def unique(self, name: str) -> str:
        """Return the name, with a number if an input or captured tensor has it."""
        number, unique = 1, name
        while unique in self.taken:
            number += 1
            unique = f"{name}_{number}"
        self.taken.add(unique)
        return unique


def _is_number(tensor: Tensor) -> bool:
    return not isinstance(tensor._value, np.ndarray)


class ScopePaths:
    """The path of each scope; a second entering of the same path gets a number of its own."""

    def __init__(self) -> None:
        self.paths: dict[Scope | None, str] = {None: ""}
        self.taken: set[str] = set()
        self.latest: dict[str, int] = {}  # the last number that a path has got

    def __getitem__(self, scope: Scope | None) -> str:
        if scope not in self.paths:
            assert scope is not None
            parent = self[scope.parent]
            first = path = f"{parent}/{scope.name}" if parent else scope.name
            while path in self.taken:
                self.latest[first] = self.latest.get(first, 1) + 1
                path = f"{first}_{self.latest[first]}"
            self.taken.add(path)
            self.paths[scope] = path
        return self.paths[scope]
