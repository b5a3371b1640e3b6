"""Which axes of the arrays of a program are the same: those that meet in an operation.

In x - mean(x, axis=0) the axes of x and of the difference are the same two; an axis of length 1
is none, since it is repeated along whatever it meets. An axis that a reshape takes apart is
replaced by its parts. What is found here are the letters of a formula with indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from .. import primitives as P
from .. import shapes as S
from ..program.data import Equation, Variable
from ..sizes import Quotient, Size
from ..table import Primitive

Dim: TypeAlias = "tuple[int, ...]"  # the axes that one dimension of an array runs over
Dims: TypeAlias = "tuple[Dim, ...]"
ALONG_ONE = (S.take_along_axis, S.add_along_axis)


class ConflictError(Exception):
    """The axes of an operation cannot be told apart, or not be matched."""


class AxisFinder:
    """Finds the axes of variables, equation by equation.

    ``opaque`` are the equations whose result has axes of its own, since nothing is known about
    how they relate to those of the operands.
    """

    def __init__(self) -> None:
        self.now: list[int] = []  # the length of each axis in the example
        self.sizes: list[Any] = []  # the same as a Size, or a number that is always the same
        self.opaque: set[Equation] = set()
        self.picks: dict[Equation, int] = {}  # the axis along which an index picks one place
        self.exact: set[Quotient] = set()  # the h // 2 of a reshape, which leave no rest
        self._dims: dict[Any, Dims] = {}
        self._to: dict[int, Dim] = {}  # what an axis was found to be

    def new(self, now: int, size: Any) -> Dim:
        """Make an axis; none for the length 1."""
        if now == 1:
            return ()
        self.now.append(now)
        self.sizes.append(size)
        return (len(self.now) - 1,)

    def of(self, x: Any) -> Dims:
        """Return the axes of a variable; a number has none."""
        return tuple(self.resolved(dim) for dim in self._dims.get(x, ()))

    def before_splits(self, x: Any) -> Dims:
        """Return the axes of a variable as they were before any was taken apart."""
        return self._dims.get(x, ())

    def resolved(self, dim: Dim) -> Dim:
        """Replace axes by what they were found to be."""
        found: list[int] = []
        for axis in dim:
            found += self.resolved(self._to[axis]) if axis in self._to else (axis,)
        return tuple(found)

    def given(self, x: Variable) -> None:
        """Take a variable that comes from outside."""
        lengths = x.lengths or x.shape
        self._dims[x] = tuple(map(self.new, x.shape, lengths))

    def same(self, x: Any, y: Any) -> None:
        """Take two variables as arrays with the same axes."""
        for a, b in zip(self._dims[x], self._dims[y], strict=True):
            self._meet(a, b)

    def follow(self, equations: Iterable[Equation]) -> None:
        """Find the axes of the results, one after the other."""
        for equation in equations:
            before, count = dict(self._to), len(self._to)
            try:
                self._dims[equation.output] = self._result(equation)
                if len(self._to) != count:
                    self._check()
                else:
                    self._check_one(equation.output)
            except ConflictError:
                self._to = before
                self.opaque.add(equation)
                self.given(equation.output)

    def _check(self) -> None:
        for x in self._dims:
            self._check_one(x)

    def _check_one(self, x: Any) -> None:
        axes = [axis for dim in self.of(x) for axis in dim]
        if len(set(axes)) < len(axes):  # as in x @ x.T
            raise ConflictError

    # How axes meet

    def _meet(self, a: Dim, b: Dim) -> Dim:
        """Two dimensions of one length are the same, part by part; a length 1 is repeated."""
        a, b = self.resolved(a), self.resolved(b)
        if a and b and a != b:
            self._match(list(a), list(b))
        return a or b

    def _match(self, a: list[int], b: list[int]) -> None:
        """Take lists of axes with the same product of lengths as the same; split if need be."""
        while a and b:
            i, j = a.pop(0), b.pop(0)
            if i == j:
                continue
            if self.now[i] == self.now[j]:
                fixed = isinstance(self.sizes[i], int) and not isinstance(self.sizes[j], int)
                new, old = (j, i) if fixed else (i, j)
                self._to[old] = (new,)
            elif self.now[i] < self.now[j]:
                b.insert(0, self._split(j, i))
            else:
                a.insert(0, self._split(i, j))
        if a or b:
            raise ConflictError

    def _split(self, axis: int, first: int) -> int:
        """Take an axis apart into one that is known and a rest; return the rest."""
        n, m = self.now[axis], self.now[first]
        if m == 0 or n % m:
            raise ConflictError
        (rest,) = self.new(n // m, ("/", axis, first))
        self._to[axis] = (first, rest)
        return rest

    def _meet_all(self, operands: Sequence[Dims]) -> Dims:
        """Broadcast."""
        dims: list[Dim] = []
        for place in range(1, max(map(len, operands), default=0) + 1):
            dim: Dim = ()
            for operand in operands:
                if len(operand) >= place:
                    dim = self._meet(dim, operand[-place])
            dims.insert(0, dim)
        return tuple(dims)

    # What an operation does to axes

    def _result(self, equation: Equation) -> Dims:
        p, params = equation.primitive, equation.params
        operands = [self.of(x) for x in equation.inputs]
        if p is S.broadcast_to:
            return self._broadcast(operands[0], equation)
        if p.elementwise:
            return self._meet_all(operands)
        if p.reduces:
            (x,) = operands
            kept = params["keepdims"]
            gone = params["axis"]
            return tuple(
                () if i in gone else dim for i, dim in enumerate(x) if kept or i not in gone
            )
        if p is P.matmul:
            return self._matmul(*operands)
        if p is S.transpose:
            return tuple(operands[0][i] for i in params["axes"])
        if p is S.reshape:
            return self._reshape(operands[0], equation.output)
        if p in ALONG_ONE:
            return self._along_one(operands, equation)
        if p in (S.getitem, S.scatter):
            return self._moved(operands, equation)
        raise ConflictError

    def _matmul(self, x: Dims, y: Dims) -> Dims:
        self._meet(x[-1], y[-2] if len(y) > 1 else y[0])
        if not (x[-1] and y[-2 if len(y) > 1 else 0]) and (x[-1] or y[-2 if len(y) > 1 else 0]):
            raise ConflictError
        before = self._meet_all([x[:-2], y[:-2]])
        return (*before, *x[-2:-1], *(y[-1:] if len(y) > 1 else ()))

    def _broadcast(self, x: Dims, equation: Equation) -> Dims:
        shape, sizes = equation.output.shape, equation.params["shape"]
        x = ((),) * (len(shape) - len(x)) + x
        return tuple(dim or self.new(n, s) for dim, n, s in zip(x, shape, sizes, strict=True))

    def _reshape(self, x: Dims, output: Variable) -> Dims:
        """Read the axes in their order; where a length does not end with an axis, split it."""
        sizes = output.lengths or output.shape
        fresh = [self.new(n, size) for n, size in zip(output.shape, sizes, strict=True)]
        if 0 in output.shape:
            raise ConflictError
        for size in sizes:
            products = [atoms for atoms, _ in size.terms] if isinstance(size, Size) else []
            self.exact |= {x for atoms in products for x in atoms if isinstance(x, Quotient)}
        self._match([i for dim in x for i in dim], [i for dim in fresh for i in dim])
        return tuple(fresh)

    def _along_one(self, operands: Sequence[Dims], equation: Equation) -> Dims:
        """Follow a pick of one place along an axis, or its transpose."""
        (x, places), axis = operands, equation.params["axis"]
        if places[axis] or (equation.primitive is S.add_along_axis and x[axis]):
            raise ConflictError
        self._meet_all([x[:axis], places[:axis]])
        self._meet_all([x[axis + 1 :], places[axis + 1 :]])
        if equation.primitive is S.take_along_axis:
            along, result = x[axis], tuple(() if i == axis else d for i, d in enumerate(x))
        else:
            along = self.new(equation.output.shape[axis], equation.params["shape"][axis])
            result = tuple(along if i == axis else d for i, d in enumerate(x))
        if len(along) != 1:
            raise ConflictError
        self.picks[equation] = along[0]
        return result

    def _moved(self, operands: Sequence[Dims], equation: Equation) -> Dims:
        """Follow an index that takes whole axes, and the only place of an axis of length 1."""
        index = equation.params["index"]
        places = list(index) if isinstance(index, tuple) else [index]
        whole = equation.output if equation.primitive is S.scatter else equation.inputs[0]
        if len(operands) > 1 or not all(
            i is None or (isinstance(i, slice) and i == slice(None)) or type(i) is int
            for i in places
        ):
            raise ConflictError
        places += [slice(None)] * (len(whole.shape) - sum(i is not None for i in places))
        picked = [i for i in places if i is not None]
        if any(type(i) is int and n != 1 for i, n in zip(picked, whole.shape, strict=True)):
            raise ConflictError
        given, result = iter(operands[0]), []
        for i in places:
            if equation.primitive is S.getitem:
                dim = () if i is None else next(given)
                result += [] if type(i) is int else [dim]
            else:  # the transpose: None takes an axis away, a number adds one
                dim = () if type(i) is int else next(given)
                result += [] if i is None else [dim]
        return tuple(result)


def moves_only(primitive: Primitive) -> bool:
    """Return whether an operation moves numbers to other places, and changes none."""
    return primitive in (S.reshape, S.transpose, S.broadcast_to, S.astype, S.detach)
