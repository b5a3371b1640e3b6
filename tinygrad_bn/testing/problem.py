"""A function, its arguments and its gradient, as functions of the arrays of real numbers alone."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff import grad
from ..program import Program, trace
from ..program.program import recorded
from ..tensor import Tensor, as_tensor
from .leaves import Arguments, Array, Function, array_of, is_real, leaves, rebuilt


class GradientsError(Exception):
    """What a backward returned does not fit the arguments. The message says how."""


def cotangent(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw a random cotangent: values of both signs, none near zero and no two equal."""
    return np.asarray(rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape))


@dataclass(frozen=True)
class Problem:
    """A function at some arguments, whose gradient is by the engine, or by a vjp `by_hand`."""

    fn: Function
    given: Arguments
    by_hand: Function | None = None

    def outputs(self, arrays: Sequence[Array]) -> list[Array]:
        """Compute the outputs that are real numbers."""
        if self.by_hand is None:
            return [y.data for y in self._record(arrays)[1]]
        return [array_of(y) for y in self._real(self._run([x.copy() for x in arrays]))]

    def gradients(self, arrays: Sequence[Array], ws: Sequence[Array]) -> list[Array]:
        """Compute J^T w for each array. Raises GradientsError if a vjp returns something else."""
        if self.by_hand is not None:
            return [array_of(g) for g in self._by_hand([x.copy() for x in arrays], ws)]
        tensors, ys = self._record(arrays)
        total = [np.zeros(x.shape, x.dtype) for x in arrays]
        for y, w in zip(ys, ws, strict=True):
            if y.requires_grad:
                parts = grad(y, tensors, w)
                total = [t + g.data for t, g in zip(total, parts, strict=True)]
        return total

    def program(self, arrays: Sequence[Array]) -> Program | None:
        """Record the function; None if it does not run on Tensors.

        In a trace, the comparisons of the function are steps of the program. A function that reads
        values, as by ``if x > 0``, is recorded as it runs.
        """
        with _attempt():
            program = trace(lambda *tensors: self._real(self._run(tensors)), *arrays)
            if len(program.inputs) == len(arrays):  # more: a mask of dropout
                return program
        with _attempt():
            tensors, ys = self._record(arrays)
            return recorded(ys, tensors)
        return None

    def gradient_programs(
        self, arrays: Sequence[Array], ws: Sequence[Array]
    ) -> tuple[Program | None, Program | None]:
        """Record the gradients of the engine and by hand; None for what runs on arrays alone."""
        by_engine = by_hand = None
        with _attempt():
            tensors, ys = self._record(arrays)
            gradients = self._recorded_gradients(tensors, ys, ws)
            by_engine = recorded([as_tensor(g) for g in gradients], tensors)
        if self.by_hand is not None:
            with _attempt():
                tensors = _leaves(arrays)
                gradients = self._by_hand(tensors, ws)
                by_hand = recorded([as_tensor(g) for g in gradients], tensors)
        return by_engine, by_hand

    def derived(self, seed: int) -> Problem:
        """Make the problem of the next order: a random linear combination of the gradient."""

        def mixture(*tensors: Tensor) -> Any:
            rng = np.random.default_rng(seed)
            ys = [as_tensor(y) for y in self._real(self._run(tensors))]
            ws = [cotangent(y.shape, rng) for y in ys]
            gradients = self._recorded_gradients(tensors, ys, ws)
            return sum((g * cotangent(g.shape, rng)).sum() for g in gradients)

        paths, arrays = self.given.paths, self.given.arrays
        return Problem(mixture, Arguments(arrays, {}, paths, paths, arrays))

    def _recorded_gradients(
        self, tensors: Sequence[Tensor], ys: Sequence[Tensor], ws: Sequence[Array]
    ) -> list[Any]:
        total: list[Any] = [Tensor(np.zeros(x.shape, x.dtype)) for x in tensors]
        for y, w in zip(ys, ws, strict=True):
            if y.requires_grad:
                parts = grad(y, tensors, w, create_graph=True)
                total = [t + g for t, g in zip(total, parts, strict=True)]
        return total

    def _run(self, arrays: Sequence[Any]) -> Any:
        args, kwargs = self.given.filled(arrays)
        return self.fn(*args, **kwargs)

    def _record(self, arrays: Sequence[Array]) -> tuple[list[Tensor], list[Tensor]]:
        tensors = _leaves(arrays)
        return tensors, [as_tensor(y) for y in self._real(self._run(tensors))]

    def _real(self, result: Any) -> list[Any]:
        found = [y for _, y in leaves(result, "") if is_real(y) or isinstance(y, float)]
        if not found:
            raise TypeError(
                f"gradcheck: the function returned {type(result).__name__}, "
                "and no array of floating-point numbers"
            )
        return found

    def _by_hand(self, arrays: Sequence[Any], ws: Sequence[Array]) -> list[Any]:
        """Call the vjp with the cotangents in the structure of the outputs, and sort its result."""
        rest = iter([w.copy() for w in ws])
        outputs = self._run([array_of(x).copy() for x in arrays])

        def cotangent_of(path: str, y: Any) -> Any:
            return next(rest) if is_real(y) or isinstance(y, float) else None

        args, kwargs = self.given.filled(arrays)
        assert self.by_hand is not None
        result = self.by_hand(rebuilt(outputs, "", cotangent_of), *args, **kwargs)
        return self._matched(result)

    def _matched(self, result: Any) -> list[Any]:
        """Find the gradient of each array in what a vjp returned."""
        names = [*self.given.names, *self.given.kwargs]
        real = list(dict.fromkeys(map(self.given.of, self.given.paths)))
        several = list(result) if isinstance(result, tuple | list) else [result]
        ways = [(real, [result])] if len(real) == 1 else []
        ways += [(some, several) for some in (names, real) if len(some) == len(several)]
        for some, values in ways:
            pairs = zip(some, values, strict=True)
            found = dict(leaf for name, value in pairs for leaf in leaves(value, name))
            if all(found.get(path) is not None for path in self.given.paths):
                return self._checked([found[path] for path in self.given.paths])
        came = ", ".join(_described(value) for value in several)
        wanted = ", ".join(self.given.paths)
        raise GradientsError(f"vjp must return the gradient of {wanted}; it returned {came}")

    def _checked(self, gradients: list[Any]) -> list[Any]:
        shapes = [np.shape(g) for g in gradients]
        wanted = [x.shape for x in self.given.arrays]
        if shapes != wanted:
            raise GradientsError(f"gradients of the shapes {shapes} for inputs of {wanted}")
        kinds = [g.dtype for g in map(array_of, gradients) if g.dtype.kind not in "biuf"]
        if kinds:
            raise GradientsError(f"a gradient has the dtype {kinds[0]}")
        return gradients


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    kind = "None" if value is None else type(value).__name__
    return f"{kind} of shape {shape}" if shape is not None else kind


def _leaves(arrays: Sequence[Array]) -> list[Tensor]:
    return [Tensor(x, requires_grad=True) for x in arrays]


@contextlib.contextmanager
def _attempt() -> Iterator[None]:
    """Run code that may not run on Tensors: errors and warnings of any kind are ignored."""
    with contextlib.suppress(Exception), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
