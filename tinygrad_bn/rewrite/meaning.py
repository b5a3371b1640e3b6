"""What each primitive means in the ring: from the equations of a program to formulas.

Arithmetic, powers, sums and means are computed with. Comparisons are truth values, 0 or 1, so
that ``where`` is arithmetic too. Exponentials, logarithms and what is made of them follow their
laws. Everything else is an atom of its own, so there is no program without a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from .. import predicates as Q
from .. import primitives as P
from .. import shapes as S
from .. import sizes
from ..program.data import Captured, Constant, Equation, Variable
from ..sizes import Axis, Size
from .algebra import (
    GROUP,
    ROOT,
    SUM,
    TRUTH,
    Atom,
    Formula,
    Ring,
    TooLongError,
    common,
    leading,
    number,
)
from .axes import AxisFinder, moves_only

MOST_TERMS = 300  # in a formula; a longer one is an atom
GIVEN, LENGTH, FUNCTION, OPAQUE, ONE_HOT = "given", "length", "function", "opaque", "one hot"


class Meaning:
    """Computes the formulas of variables, from the formulas of those that are known.

    ``kept`` returns the formula of a result that shall not be expanded, or None.
    """

    def __init__(self, finder: AxisFinder) -> None:
        self.finder = finder
        self.ring = Ring(self.length)
        self.known: dict[Variable, Formula] = {}
        self.variables: dict[Atom, Variable] = {}  # that opaque atoms stand for

    def given(self, x: Variable) -> Formula:
        """Take a variable as it is: a number by its value, everything else as an atom."""
        content: Any = x
        if isinstance(x, Constant):
            value = np.asarray(x.value)
            if value.size == 1 and (exact := _exact(value.item())) is not None:
                return number(exact)
            content = (x.shape, str(x.dtype), value.tobytes())
        self.known[x] = self.atom_of(GIVEN, content, x)
        return self.known[x]

    def atom_of(self, kind: str, content: Any, x: Variable) -> Formula:
        """Make an atom that varies over the axes of a variable."""
        dims = self.finder.of(x)
        return self.ring.of(kind, content, dims, over=(i for dim in dims for i in dim))

    def follow(
        self,
        equations: Iterable[Equation],
        kept: Callable[[Equation], Formula | None] = lambda equation: None,
    ) -> None:
        """Compute the formula of each result."""
        for equation in equations:
            found = kept(equation)
            self.known[equation.output] = self.result(equation) if found is None else found

    def of(self, x: Any) -> Formula:
        """Return the formula of an operand."""
        if isinstance(x, Variable):
            if x in self.known:
                return self.known[x]
            assert isinstance(x, Constant | Captured)
            return self.given(x)
        if isinstance(x, Size):
            return self.size(x)
        exact = _exact(x)
        return self.ring.of(GIVEN, repr(x), ()) if exact is None else number(exact)

    # Lengths

    def length(self, axis: int) -> Formula:
        """Return the length of an axis: a number if it is always the same, otherwise an atom."""
        size = self.finder.sizes[axis]
        if isinstance(size, int):
            return number(size)
        if isinstance(size, tuple):  # what is left of an axis that was taken apart
            _, whole, part = size
            total = self.finder.sizes[whole]
            length = number(total) if isinstance(total, int) else self._length_of((whole,))
            return self.ring.mul(length, self.ring.power(self.length(part), -1))
        only = sizes.only_axis(size)
        if only is not None and self.finder.of(only.of)[only.axis : only.axis + 1] == ((axis,),):
            return self._length_of((axis,))
        return self.size(size)

    def _length_of(self, dim: tuple[int, ...]) -> Formula:
        return self.ring.of(LENGTH, self.finder.resolved(dim))

    def size(self, size: Size) -> Formula:
        """Return a number that is computed from lengths."""
        total = Formula()
        for atoms, factor in size.terms:
            term = number(factor)
            for atom in atoms:
                term = self.ring.mul(term, self._size_atom(atom))
            total += term
        return total

    def _size_atom(self, atom: Any) -> Formula:
        if isinstance(atom, Axis):
            dim = self.finder.of(atom.of)[atom.axis]
            return self._length_of(dim) if dim else number(1)
        left, right = (
            self.size(x) if isinstance(x, Size) else number(_exact(x) or 0)
            for x in (atom.left, atom.right)
        )
        if atom.sign in "+-*":
            return self.ring.mul(left, right) if atom.sign == "*" else left + (
                right if atom.sign == "+" else -right)  # fmt: skip
        exact = atom.sign == "/" or (atom.sign == "//" and atom in self.finder.exact)
        if exact and right:
            return self.ring.mul(left, self.ring.power(right, -1))
        return self.ring.of(FUNCTION, atom.sign, left, right, "")

    # Operations

    def result(self, equation: Equation) -> Formula:
        """Compute the formula of the result of an equation."""
        operands = [self.of(x) for x in equation.inputs]
        try:
            found = self._result(equation, operands)
        except TooLongError:
            return self._opaque(equation, operands)
        if len(found.terms) > MOST_TERMS:
            return self._opaque(equation, operands)
        if (atom := found.atom()) is not None and atom.kind == TRUTH:
            self.variables.setdefault(atom, equation.output)
        return found

    def _result(self, equation: Equation, operands: list[Formula]) -> Formula:
        p = equation.primitive
        if equation in self.finder.opaque:
            return self._opaque(equation, operands)
        if moves_only(p) or p in (S.getitem, S.scatter):
            return operands[0]
        if p in (S.take_along_axis, S.add_along_axis):
            return self._pick(equation, operands)
        if p.reduces and p in REDUCTIONS:
            return REDUCTIONS[p](self, operands[0], self._axes(equation), equation.params)
        if p is P.matmul:
            return self._matmul(equation, operands)
        if p in TRUTHS:
            asks = operands[:1] if p is P.where else operands
            operands[: len(asks)] = map(self._truth, equation.inputs, asks)
        if p in ELEMENTWISE:
            params = {k: v for k, v in equation.params.items() if k != "dtype"}
            return ELEMENTWISE[p](self.ring, *operands, **params)
        if p.elementwise:
            return self._function(equation, operands)
        return self._opaque(equation, operands)

    def _truth(self, x: Any, formula: Formula) -> Formula:
        """Return a condition as 0 or 1; a number is true if it is not 0."""
        if isinstance(x, Variable) and x.dtype.kind == "b":
            return formula
        return number(1) - _equal(self.ring, formula, Formula())

    def written(self, equation: Equation) -> Formula:
        """Return the result as it is written: a function is not expanded by its laws."""
        operands = [self.of(x) for x in equation.inputs]
        if equation not in self.finder.opaque and equation.primitive in WRITTEN:
            return self._function(equation, operands)
        return self.result(equation)

    def _axes(self, equation: Equation) -> frozenset[int]:
        dims = self.finder.of(equation.inputs[0])
        return frozenset(axis for i in equation.params["axis"] for axis in dims[i])

    def _matmul(self, equation: Equation, operands: list[Formula]) -> Formula:
        return self.ring.sum(
            self.ring.mul(*operands), frozenset(self.finder.of(equation.inputs[0])[-1])
        )

    def _pick(self, equation: Equation, operands: list[Formula]) -> Formula:
        """a[b] is the sum of a times the vector that is 1 at b; the transpose is the product."""
        x, places = operands
        along = self.finder.resolved((self.finder.picks[equation],))
        here = self.ring.of(TRUTH, ONE_HOT, places, along, over=places.over | frozenset(along))
        picked = self.ring.mul(x, here)
        if equation.primitive is S.add_along_axis:
            return picked
        return self.ring.sum(picked, frozenset(along))

    def _function(self, equation: Equation, operands: list[Formula]) -> Formula:
        over = frozenset(i for dim in self.finder.of(equation.output) for i in dim)
        over &= frozenset().union(*(x.over for x in operands))
        params = _frozen(equation.params)
        return self._whole(equation, FUNCTION, *operands, params, over=over)

    def _opaque(self, equation: Equation, operands: list[Formula]) -> Formula:
        dims = tuple(self.finder.of(x) for x in equation.inputs)
        out = self.finder.of(equation.output)
        params = _frozen(equation.params)
        over = (axis for dim in out for axis in dim)
        return self._whole(equation, OPAQUE, *operands, params, dims, out, over=frozenset(over))

    def _whole(self, equation: Equation, kind: str, *content: Any, over: frozenset[int]) -> Formula:
        """Make the result of an equation an atom."""
        atom = self.ring.atom(kind, equation.primitive.name, *content, over=over)
        self.variables.setdefault(atom, equation.output)
        return Formula({((atom, 1),): Fraction(1)})


def _exact(value: Any) -> Fraction | None:
    """Return a number as it is written: 0.1 is one tenth."""
    if isinstance(value, bool | int):
        return Fraction(int(value))
    if isinstance(value, float) and np.isfinite(value):
        return Fraction(repr(value))
    return None


def _frozen(params: Mapping[str, Any]) -> str:
    return repr(sorted((key, repr(value)) for key, value in params.items() if key != "dtype"))


# --- reductions -----------------------------------------------------------------------------


def _sum(meaning: Meaning, x: Formula, axes: frozenset[int], params: Mapping[str, Any]) -> Formula:
    return meaning.ring.sum(x, axes)


def _count(meaning: Meaning, axes: frozenset[int]) -> Formula:
    count = number(1)
    for axis in sorted(axes):
        count = meaning.ring.mul(count, meaning.length(axis))
    return count


def _mean(meaning: Meaning, x: Formula, axes: frozenset[int], params: Mapping[str, Any]) -> Formula:
    ring = meaning.ring
    return ring.mul(ring.sum(x, axes), ring.power(_count(meaning, axes), -1))


def _var(meaning: Meaning, x: Formula, axes: frozenset[int], params: Mapping[str, Any]) -> Formula:
    ring = meaning.ring
    centered = x - _mean(meaning, x, axes, params)
    less = _count(meaning, axes) - number(Fraction(params.get("ddof", 0)))
    return ring.mul(ring.sum(ring.mul(centered, centered), axes), ring.power(less, -1))


REDUCTIONS = {P.sum: _sum, P.mean: _mean, P.var: _var}


# --- elementwise ----------------------------------------------------------------------------


def _power(ring: Ring, a: Formula, b: Formula) -> Formula:
    k = b.number()
    if k is None or k.denominator not in (1, 2) or abs(k) > 64 or (k < 0 and not a):
        return ring.of(FUNCTION, "pow", a, b, "[]", over=a.over | b.over)
    if k.denominator == 1:
        return ring.power(a, int(k))
    return ring.power(ring.root(a), int(2 * k))


def _div(ring: Ring, a: Formula, b: Formula) -> Formula:
    if not b:
        return ring.of(FUNCTION, "div", a, b, "[]", over=a.over)
    return ring.mul(a, ring.power(b, -1))


def _exp(ring: Ring, a: Formula) -> Formula:
    """exp(a + b) = exp a exp b, exp(k log a) = a^k."""
    result = number(1)
    for factors, c in a.terms.items():
        alone = len(factors) == 1 and factors[0][1] == 1 and c.denominator == 1
        if alone and factors[0][0].kind == FUNCTION and factors[0][0].content[0] == "log":
            power = ring.power(factors[0][0].content[1], int(c))
        else:
            unit = Formula({factors: Fraction(1, c.denominator)})
            e = ring.of(FUNCTION, "exp", unit, "[]", over=unit.over)
            power = ring.power(e, c.numerator)
        result = ring.mul(result, power)
    return result


def _log(ring: Ring, a: Formula) -> Formula:
    """log(a b) = log a + log b for positive factors, log exp a = a."""
    only = a.single()
    if only is None or only[1] <= 0:
        return ring.of(FUNCTION, "log", a, "[]", over=a.over)
    factors, c = only
    total = Formula()
    rest = Formula({(): c})
    for atom, k in factors:
        one = Formula({((atom, 1),): Fraction(1)})
        if atom.kind == FUNCTION and atom.content[0] == "exp":
            total += atom.content[1].times(Fraction(k))
        elif is_positive(atom):
            log = ring.of(FUNCTION, "log", one, "[]", over=atom.over)
            total += log.times(Fraction(k))
        else:
            rest = rest.times(Fraction(1), ((atom, k),))
    if rest.number() == 1:
        return total
    return total + ring.of(FUNCTION, "log", rest, "[]", over=rest.over)


def is_positive(atom: Atom) -> bool:
    """Return whether the values of an atom are known to be above 0."""
    if atom.kind in (LENGTH, ROOT):
        return True
    if atom.kind == FUNCTION:
        return bool(atom.content[0] == "exp")
    body = atom.content[1] if atom.kind == SUM else atom.content[0] if atom.kind == GROUP else 0
    return isinstance(body, Formula) and all(
        c > 0 and all(is_positive(x) for x, _ in factors) for factors, c in body.terms.items()
    )


def _sigmoid(ring: Ring, a: Formula) -> Formula:
    return ring.power(number(1) + _exp(ring, -a), -1)


def _tanh(ring: Ring, a: Formula) -> Formula:
    e = _exp(ring, a.times(Fraction(2)))
    return ring.mul(e - number(1), ring.power(e + number(1), -1))


def _above(ring: Ring, a: Formula, b: Formula) -> Formula:
    """The truth value of a > b, that is of a - b > 0."""
    difference = a - b
    value = difference.number()
    if value is not None:
        return number(int(value > 0))
    scaled = difference.times(1 / common(difference)[1])
    return ring.of(TRUTH, "above", scaled, over=scaled.over)


def _equal(ring: Ring, a: Formula, b: Formula) -> Formula:
    difference = a - b
    value = difference.number()
    if value is not None:
        return number(int(value == 0))
    scaled = difference.times(1 / common(difference)[1])
    if scaled.terms[leading(scaled)] < 0:
        scaled = -scaled
    return ring.of(TRUTH, "zero", scaled, over=scaled.over)


def _not(a: Formula) -> Formula:
    return number(1) - a


def _where(ring: Ring, condition: Formula, a: Formula, b: Formula) -> Formula:
    return ring.mul(condition, a - b) + b


def _leaky(ring: Ring, a: Formula, negative_slope: float) -> Formula:
    slope = _exact(float(negative_slope)) or Fraction(0)
    return _where(ring, _above(ring, a, Formula()), a, a.times(slope))


def _larger(ring: Ring, a: Formula, b: Formula) -> Formula:
    return _where(ring, _above(ring, a, b), a, b)


ELEMENTWISE: dict[Any, Callable[..., Formula]] = {
    P.add: lambda ring, a, b: a + b,
    P.sub: lambda ring, a, b: a - b,
    P.neg: lambda ring, a: -a,
    P.mul: lambda ring, a, b: ring.mul(a, b),
    P.div: _div,
    P.pow: _power,
    P.sqrt: lambda ring, a: ring.root(a),
    P.exp: _exp,
    P.log: _log,
    P.sigmoid: _sigmoid,
    P.tanh: _tanh,
    P.relu: lambda ring, a: _where(ring, _above(ring, a, Formula()), a, Formula()),
    P.leaky_relu: _leaky,
    P.maximum: _larger,
    P.minimum: lambda ring, a, b: -_larger(ring, -a, -b),
    P.where: _where,
    Q.greater: _above,
    Q.less: lambda ring, a, b: _above(ring, b, a),
    Q.greater_equal: lambda ring, a, b: _not(_above(ring, b, a)),
    Q.less_equal: lambda ring, a, b: _not(_above(ring, a, b)),
    Q.equal: _equal,
    Q.not_equal: lambda ring, a, b: _not(_equal(ring, a, b)),
    Q.logical_and: lambda ring, a, b: ring.mul(a, b),
    Q.logical_or: lambda ring, a, b: a + b - ring.mul(a, b),
    Q.logical_not: lambda ring, a: _not(a),
}
TRUTHS = {P.where, Q.logical_and, Q.logical_or, Q.logical_not}
WRITTEN = {P.exp, P.log, P.sigmoid, P.tanh, P.relu, P.leaky_relu, P.maximum, P.minimum, P.var}
