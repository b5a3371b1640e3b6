"""Programs made anew from formulas, and the numbers on which steps are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import shapes, sizes
from ..program import Program
from ..program.data import Captured, Constant, Equation, Variable, computed
from ..program.replaying import on_tensors
from ..program.tracing import Trace
from ..tensor import Tensor, as_tensor
from .algebra import Atom, Factors, Formula, front, raised
from .axes import AxisFinder
from .evaluating import Evaluator
from .reading import Reading, atoms_in

Array = npt.NDArray[Any]
Draw = Callable[[tuple[int, ...]], Array]
Tensors = Mapping[Variable, Tensor]


def retraced(program: Program, name: str, compute: Callable[[Tensors], list[Tensor]]) -> Program:
    """Trace what `compute` makes of the inputs of a program."""
    tracer = Trace()
    given = {
        x: tracer.input(example, x.name)
        for x, example in zip(program.inputs, program.examples, strict=True)
    }
    with tracer.running(), np.errstate(all="ignore"):
        outputs = compute(given)
    single = len(outputs) == 1
    result: Any = outputs[0] if single else tuple(outputs)
    return Program(name, arguments=program.arguments, **tracer.result(result))


def with_forward(gradient: Program, source: Program) -> Program:
    """Return the program of a gradient together with all of the forward pass.

    Of the forward pass, a gradient has only what it needs. The formula may need more: x_hat, where
    the backward pass uses x - mu and std.
    """

    def both(given: Tensors) -> list[Tensor]:
        tensors = list(given.values())
        count = len(source.inputs)
        forward = on_tensors(source, dict(zip(source.inputs, tensors[:count], strict=True)))
        backward = on_tensors(gradient, dict(zip(gradient.inputs, tensors, strict=True)))
        return [backward[0], *forward]

    return retraced(gradient, gradient.name, both)


def computes(gradient: Program, reading: Reading, formula: Formula, name: str) -> Program:
    """Make a program of a formula: what it needs of the forward pass, then the formula."""
    program = reading.program
    atoms = atoms_in(formula)
    used = {x for atom in atoms if (x := reading.variable(atom)) in reading.made_by}
    forward = replace(program, outputs=tuple(used))

    def compute(given: Tensors) -> list[Tensor]:
        values: dict[Variable, Any] = {x: x.tensor for x in program.captured}
        values |= {x: x.value for x in program.constants}
        values |= zip(program.inputs, given.values(), strict=True)
        values |= zip(forward.outputs, on_tensors(forward, values), strict=True)
        result = computed_for(reading, program.outputs[0], formula, values, as_tensor)
        result.name = name
        return [result]

    return retraced(gradient, f"{name}, derived", compute)


def computed_for(
    reading: Reading,
    variable: Variable,
    formula: Formula,
    values: Mapping[Variable, Any],
    as_array: Callable[[Any], Any] = np.asarray,
) -> Any:
    """Compute a formula that stands for a variable, in the shape of that variable."""
    dims = reading.finder.of(variable)
    flat = [axis for dim in dims for axis in dim]
    evaluator = evaluator_for(reading, flat, formula, values)
    factors, c = front(formula) if len(formula.terms) > 1 else ((), Fraction(1))
    result = as_array(evaluator(formula.times(1 / c, raised(factors, -1))))
    if factors or c != 1:
        result = result * evaluator(Formula({factors: c}))
    if np.ndim(result) > len(flat):
        result = result[(0,) * (np.ndim(result) - len(flat))]
    lengths = tuple(map(evaluator.length, flat))
    if not formula.over.issuperset(flat):
        result = shapes.broadcast_to(result, shape=lengths)
    if any(len(dim) != 1 for dim in dims):
        result = np.reshape(result, tuple(map(evaluator.length_of, dims)))
    return result


def evaluator_for(
    reading: Reading, last: Sequence[int], formula: Formula, values: Mapping[Variable, Any]
) -> Evaluator:
    """Return what evaluates a formula, with the axes `last` at the end of the layout."""
    others = {axis for atom in atoms_in(formula) for axis in atom.over} - set(last)

    def value(atom: Atom) -> Any:
        x = reading.variable(atom)
        return None if x is None else evaluator.laid_out(values[x], reading.finder.of(x))

    lengths = values.lengths if isinstance(values, _Values) else _Lengths(reading.finder, values)
    evaluator = Evaluator(reading.finder, [*sorted(others), *last], value, lengths)
    return evaluator


class _Lengths:
    """The lengths of axes, read from the shapes of arrays."""

    def __init__(self, finder: AxisFinder, values: Mapping[Variable, Any]) -> None:
        self.finder, self.values = finder, values
        self.homes: dict[int, Any] = {}
        for x, array in values.items():
            for dims in (finder.of(x), finder.before_splits(x)):
                for n, dim in zip(np.shape(array), dims, strict=True):
                    if len(dim) == 1:
                        self.homes.setdefault(dim[0], n)

    def __call__(self, axis: int) -> Any:
        if axis in self.homes:
            return self.homes[axis]
        size = self.finder.sizes[axis]
        if isinstance(size, tuple):
            _, whole, part = size
            return self(whole) // self(part)
        return sizes.evaluated(size, self._at)

    def _at(self, axis: sizes.Axis) -> Any:
        if axis.of in self.values:
            return np.shape(self.values[axis.of])[axis.axis]
        total: Any = 1
        for part in self.finder.of(axis.of)[axis.axis]:
            total = total * self(part)
        return total


class _Values(dict[Variable, Any]):
    """Values together with the lengths of their axes."""

    lengths: _Lengths


class Numbers:
    """Random values for everything in a program, on which both sides of a step are computed."""

    def __init__(self, reading: Reading, seed: int = 0) -> None:
        self.reading = reading
        rng = np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            draws: list[Draw] = [
                lambda shape: np.asarray(rng.normal(size=shape)),
                lambda shape: np.asarray(np.abs(rng.normal(size=shape)) + 0.5),
                lambda shape: np.asarray(rng.uniform(0.1, 0.9, size=shape)),
            ]  # numbers for which a function of positive numbers, or of probabilities, is defined
            for draw in draws:
                self.values = self._computed(draw)
                if all(np.all(np.isfinite(v)) for v in self.values.values()):
                    break

    def _computed(self, draw: Draw) -> _Values:
        program = self.reading.program
        given: tuple[Captured | Constant, ...] = (*program.captured, *program.constants)
        values = _Values((x, np.asarray(x.value, _wide(x.dtype))) for x in given)
        for x, example in zip(program.inputs, program.examples, strict=True):
            drawn = draw(x.shape) if x.dtype.kind == "f" else np.asarray(example)
            values[x] = float(drawn) if x.weak else drawn
        for equation, value in program.evaluate(dict(values), _in_float64):
            values[equation.output] = np.asarray(value)
        values.lengths = _Lengths(self.reading.finder, values)
        return values

    @cached_property
    def shaken(self) -> _Values:
        """The same, with each result off by a rounding error: what differs here is not known."""
        rng = np.random.default_rng(1)

        def shake(equation: Equation, operands: list[Any], params: Mapping[str, Any]) -> Any:
            value = np.asarray(_in_float64(equation, operands, params))
            if value.dtype.kind != "f":
                return value
            eps = np.finfo(value.dtype).eps
            return np.asarray(value * (1 + eps * rng.choice([-1.0, 1.0], value.shape)))

        program = self.reading.program
        given = (*program.inputs, *program.captured, *program.constants)
        values = _Values((x, self.values[x]) for x in given)
        for equation, value in program.evaluate(dict(values), shake):
            values[equation.output] = value
        return values

    def noise(self, variable: Variable) -> float:
        """Return by how much rounding alone changes a value, relative to its largest number."""
        with np.errstate(all="ignore"):
            one, other = self.values[variable], self.shaken[variable]
            largest = max(1.0, float(np.max(np.abs(one), initial=0)))
            return float(np.max(np.abs(one - other), initial=0)) / largest

    def difference(self, variable: Variable, formula: Formula) -> float:
        """Return how far a formula for a variable is off, relative to the largest number in it."""
        with np.errstate(all="ignore"):
            found = computed_for(self.reading, variable, formula, self.values)
        return self._relative(found, self.values[variable], formula)

    def gap(self, a: Formula, b: Formula) -> float:
        """Return how far two formulas are from each other, relative to the largest number."""
        with np.errstate(all="ignore"):
            one, other = (evaluator_for(self.reading, (), f, self.values)(f) for f in (a, b))
        return self._relative(one, other, a)

    def _relative(self, a: Any, b: Any, formula: Formula) -> float:
        largest = max(1.0, *(self._largest(f, c) for f, c in formula.terms.items()), 0.0)
        return float(np.max(np.abs(np.asarray(a) - b), initial=0)) / largest

    def _largest(self, factors: Factors, c: Fraction) -> float:
        term = Formula({factors: c})
        with np.errstate(all="ignore"):
            value = evaluator_for(self.reading, (), term, self.values)(term)
        return float(np.max(np.abs(value), initial=0))


def _wide(dtype: Any) -> Any:
    return np.float64 if np.dtype(dtype).kind == "f" else dtype


def _in_float64(equation: Equation, operands: list[Any], params: Mapping[str, Any]) -> Any:
    wide = {k: _wide(v) if k == "dtype" and v is not None else v for k, v in params.items()}
    return computed(equation, operands, wide)
