"""Variable, Equation and ProgramData: a program as plain data, and the one way to evaluate it.

Nothing here knows a Tensor. Evaluating calls the primitives in their order, so it works on
whatever these take: arrays, complex arrays, or Tensors, which record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .. import sizes
from ..sizes import Axis, Guard
from ..table import Primitive


@dataclass(frozen=True, eq=False, slots=True)
class Variable:
    """An array of a program, without its numbers.

    ``shape`` and ``dtype`` are those of the example that was traced; ``lengths`` is the shape in
    terms of the lengths of the inputs. A ``weak`` variable is a plain Python number, which takes
    the dtype of what it meets. ``name`` and ``scope`` say where it comes from, and no more.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    name: str | None = None
    scope: str = ""
    weak: bool = False
    lengths: tuple[Any, ...] = ()

    @property
    def label(self) -> str | None:
        """The name to show in a picture, where the scope stands beside it."""
        return self.name

    def __repr__(self) -> str:
        return f"{self.name or 'unnamed'} {self.shape} {self.dtype}"


@dataclass(frozen=True, eq=False, slots=True)
class Constant(Variable):
    """A variable whose value is part of the program."""

    value: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Captured(Variable):
    """A variable whose value is read from a Tensor each time, such as a parameter of a network."""

    tensor: Any = None

    @property
    def value(self) -> Any:
        """The array that the Tensor holds now."""
        return self.tensor.data

    @property
    def label(self) -> str | None:
        """The name of the Tensor itself: ``weight``, where ``name`` is ``0.weight``."""
        label: str | None = self.tensor.name
        return label or self.name


@dataclass(frozen=True, eq=False, slots=True)
class Equation:
    """One step: ``output = primitive(*inputs, **params)``.

    An input is a Variable, a plain Python number that stood in the function, or a Size: a number
    computed from lengths.
    """

    primitive: Primitive
    inputs: tuple[Any, ...]
    params: Mapping[str, Any]
    output: Variable

    @property
    def variables(self) -> list[Variable]:
        """Those inputs that are variables."""
        return [x for x in self.inputs if isinstance(x, Variable)]


class Step(NamedTuple):
    """An equation, and the value that it gave."""

    equation: Equation
    value: Any


Values = Mapping[Variable, Any]
Compute = Callable[[Equation, list[Any], Mapping[str, Any]], Any]


def computed(equation: Equation, operands: list[Any], params: Mapping[str, Any]) -> Any:
    """Compute an equation on arrays, or on whatever else the primitive takes."""
    value = equation.primitive(*operands, **params)
    if equation.output.weak and isinstance(value, np.ndarray | np.generic):
        return value.item()
    return np.asarray(value) if isinstance(value, np.generic) else value


@dataclass(frozen=True, eq=False)
class ProgramData:
    """What was computed, without the numbers: equations from inputs to outputs."""

    name: str
    inputs: tuple[Variable, ...]
    captured: tuple[Captured, ...]
    constants: tuple[Constant, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Variable, ...]
    updates: Mapping[str, Variable] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()
    structure: Any = None  # of the function's result: containers with the places of outputs
    arguments: Any = ()  # of the function: containers with the places of inputs
    order: int = 0  # of the derivative
    examples: tuple[Any, ...] = field(default=(), repr=False)  # inputs, to record gradients with

    def evaluate(self, values: Values, compute: Compute = computed) -> Iterator[Step]:
        """Yield equation by equation with its value, from the values of the inputs.

        `compute` may do it in another way, as with a clock around it. ValueError if the lengths
        are none for which the program holds.
        """
        known: dict[Variable, Any] = dict(values)
        given: tuple[Captured | Constant, ...] = (*self.captured, *self.constants)
        known.update((v, v.value) for v in given if v not in known)

        def at(axis: Axis) -> Any:
            return known[axis.of].shape[axis.axis]

        early, late = self._guards_in_time
        self._check(early, at)
        for equation in self.equations:
            operands = [
                known[x] if isinstance(x, Variable) else sizes.evaluated(x, at)
                for x in equation.inputs
            ]
            params = equation.params
            if equation in self._with_lengths:
                params = sizes.replaced(params, lambda size: sizes.evaluated(size, at))
            value = known[equation.output] = compute(equation, operands, params)
            yield Step(equation, value)
        self._check(late, at)

    def results(
        self, variables: Iterable[Variable], values: Values, compute: Compute = computed
    ) -> list[Any]:
        """Evaluate, and return the values of some variables."""
        known = dict(values)
        for equation, value in self.evaluate(values, compute):
            known[equation.output] = value
        return [
            x.value if isinstance(x, Captured | Constant) and x not in known else known[x]
            for x in variables
        ]

    @cached_property
    def _with_lengths(self) -> set[Equation]:
        """The equations whose parameters depend on lengths."""
        found: set[Equation] = set()
        for equation in self.equations:
            lengths: list[Any] = []
            sizes.replaced(dict(equation.params), lengths.append)
            if lengths:
                found.add(equation)
        return found

    @cached_property
    def _guards_in_time(self) -> tuple[list[Guard], list[Guard]]:
        """The guards that can be checked from the start, and those that need results."""
        given = {*self.inputs, *self.captured, *self.constants}
        early: list[Guard] = []
        late: list[Guard] = []
        for guard in self.guards:
            axes = sizes.axes_of(guard.left, guard.right)
            (early if given.issuperset(axis.of for axis in axes) else late).append(guard)
        return early, late

    def _check(self, guards: list[Guard], at: Callable[[Axis], Any]) -> None:
        for guard in guards:
            here = guard._replace(
                left=sizes.evaluated(guard.left, at), right=sizes.evaluated(guard.right, at)
            )
            left, right = sizes.number_now(here.left), sizes.number_now(here.right)
            if not sizes.COMPUTE[guard.sign](left, right):
                sides = [sizes.written(side, self.length_name) for side in guard[::2]]
                found = f"{left} and {right}" if isinstance(guard.right, sizes.Size) else f"{left}"
                raise ValueError(
                    f"{self.name}: this program holds for {sides[0]} {guard.sign} {sides[1]} only "
                    f"({guard.why}), but here it is {found}: trace the function again with arrays "
                    "of these shapes"
                )
            for side in (here.left, here.right):
                if isinstance(side, sizes.Size) and side.observer is not None:  # in a trace
                    side.observer.relies_on(here)
                    break

    def length_name(self, axis: Axis) -> str:
        """Name a length as Python reads it."""
        return f"{axis.of.name or 'a result'}.shape[{axis.axis}]"

    @cached_property
    def users(self) -> dict[Variable, list[Equation]]:
        """The equations that use each variable."""
        found: dict[Variable, list[Equation]] = {}
        for equation in self.equations:
            for x in equation.variables:
                found.setdefault(x, []).append(equation)
        return found
