"""Size: a length that was read from a shape while a function is traced.

In a trace ``x.shape`` is made of these, so that a program divides by "the length of x along axis
0" and not by 6, and is right for batches of another length. A Size computes like an integer. Where
a function compares it, or turns it into a plain number, the trace is told what was found, and the
program refuses lengths for which the function would have taken another way.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

Number: TypeAlias = "int | float | Size"


class Axis(NamedTuple):
    """The length of a variable along one axis."""

    of: Any  # the number of a traced Tensor, or the Variable that it became
    axis: int


class Quotient(NamedTuple):
    """A number that is no sum of products of lengths, as in ``1 / m`` or ``h // 2``."""

    sign: str
    left: Number
    right: Number


Atom: TypeAlias = "Axis | Quotient"
Terms: TypeAlias = "frozenset[tuple[tuple[Atom, ...], int]]"


class Guard(NamedTuple):
    """A comparison of lengths that must hold for a program to be right."""

    left: Any
    sign: str
    right: Any
    why: str


class Observer(Protocol):
    """What is told when a Size is compared: the trace that it belongs to."""

    def found(self, left: Number, sign: str, right: Number) -> None:
        """Note that ``left sign right`` was found to be true."""

    def pinned(self, size: Size) -> None:
        """Note that a number became a plain one."""

    def relies_on(self, guard: Guard) -> None:
        """Note that a program within the program relies on a comparison."""


COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "//": operator.floordiv, "%": operator.mod, "**": operator.pow,
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def _arithmetic(sign: str, *, reflected: bool = False) -> Callable[[Size, Any], Any]:
    def method(self: Size, other: Any) -> Any:
        if isinstance(other, bool) or not isinstance(other, int | float | Size):
            return NotImplemented
        if isinstance(other, np.generic):  # NumPy's float64 is a float
            other = other.item()
        return computed(sign, *((other, self) if reflected else (self, other)))

    return method


def _comparison(sign: str) -> Callable[[Size, Any], Any]:
    def method(self: Size, other: Any) -> Any:
        if not isinstance(other, int | float | Size):
            return NotImplemented
        if isinstance(other, Size):
            same = self.terms == other.terms
            if same or self.observer is other.observer is None:
                return bool(COMPUTE[sign](0, 0 if same else 1))
        outcome = bool(COMPUTE[sign](self.now, number_now(other)))
        if self.observer is not None:
            self.observer.found(self, sign if outcome else OPPOSITE[sign], other)
        return outcome

    return method


class Size:
    """A sum of products of lengths. ``now`` is its value for the arrays that were traced."""

    __slots__ = ("now", "observer", "terms")

    def __init__(self, terms: Terms, now: Any, observer: Observer | None) -> None:
        self.terms, self.now, self.observer = terms, now, observer

    __add__, __radd__ = _arithmetic("+"), _arithmetic("+", reflected=True)
    __sub__, __rsub__ = _arithmetic("-"), _arithmetic("-", reflected=True)
    __mul__, __rmul__ = _arithmetic("*"), _arithmetic("*", reflected=True)
    __truediv__, __rtruediv__ = _arithmetic("/"), _arithmetic("/", reflected=True)
    __floordiv__, __rfloordiv__ = _arithmetic("//"), _arithmetic("//", reflected=True)
    __mod__, __rmod__ = _arithmetic("%"), _arithmetic("%", reflected=True)
    __pow__, __rpow__ = _arithmetic("**"), _arithmetic("**", reflected=True)
    __eq__, __ne__ = _comparison("=="), _comparison("!=")
    __lt__, __le__, __gt__, __ge__ = map(_comparison, ("<", "<=", ">", ">="))

    def __neg__(self) -> Any:
        return 0 - self

    def __pos__(self) -> Size:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def _plain(self) -> Any:
        """Return a plain number; from here on the program holds for this length alone."""
        if self.observer is not None:
            self.observer.pinned(self)
        return self.now

    def __index__(self) -> int:
        return operator.index(self._plain())

    def __int__(self) -> int:
        return int(self._plain())

    def __float__(self) -> float:
        return float(self._plain())

    def __round__(self, digits: int | None = None) -> Any:
        return round(self._plain(), digits)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self._plain(), dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(hasattr(x, "__apply_primitive__") for x in inputs):
            return NotImplemented  # a Tensor records it
        plain = [x._plain() if isinstance(x, Size) else x for x in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __hash__(self) -> int:
        if self.observer is None:
            return hash(self.terms)
        return hash(self._plain())

    def __repr__(self) -> str:
        return str(self.now)

    def __str__(self) -> str:
        return str(self._plain())

    def __format__(self, spec: str) -> str:
        return format(self._plain(), spec)


def length(of: Any, axis: int, now: int, observer: Observer | None = None) -> Size:
    """Make the length of a variable along an axis."""
    return _single(Axis(of, axis), now, observer)


def _single(atom: Atom, now: Any, observer: Observer | None) -> Size:
    return Size(frozenset([((atom,), 1)]), now, observer)


def computed(sign: str, left: Number, right: Number) -> Any:
    """Compute with lengths; sums and products of integers are put into one form."""
    now = COMPUTE[sign](number_now(left), number_now(right))
    observer = next(n.observer for n in (left, right) if isinstance(n, Size))
    whole = isinstance(number_now(left), int) and isinstance(number_now(right), int)
    if not whole or sign not in "+-*":
        if sign == "//" and (exact := _divided(left, right)) is not None:
            return _simplified(exact, now, observer)
        return _single(Quotient(sign, *map(_unobserved, (left, right))), now, observer)
    a, b = _terms(left), _terms(right)
    total: dict[tuple[Atom, ...], int] = {}
    if sign == "*":
        for x, i in a:
            for y, j in b:
                product = tuple(sorted((*x, *y), key=_order))
                total[product] = total.get(product, 0) + i * j
    else:
        total.update(a)
        for x, i in b:
            total[x] = total.get(x, 0) + (-i if sign == "-" else i)
    return _simplified(total, now, observer)


def _terms(n: Number) -> Terms:
    return n.terms if isinstance(n, Size) else frozenset([((), int(n))])


def _unobserved(n: Number) -> Number:
    return Size(n.terms, n.now, None) if isinstance(n, Size) else n


def _simplified(total: dict[tuple[Atom, ...], int], now: Any, observer: Observer | None) -> Any:
    terms = frozenset([(x, i) for x, i in total.items() if i])
    return Size(terms, now, observer) if any(x for x, _ in terms) else now


def _divided(left: Number, right: Number) -> dict[tuple[Atom, ...], int] | None:
    """Divide by a single product that is contained in every term; None if there is none such."""
    divisor = _terms(right)
    if not isinstance(number_now(left), int) or len(divisor) != 1:
        return None
    ((atoms, factor),) = divisor
    if factor == 0:
        return None
    result: dict[tuple[Atom, ...], int] = {}
    for x, i in _terms(left):
        rest = list(x)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if i % factor:
            return None
        result[tuple(rest)] = i // factor
    return result


def _order(x: Any) -> Any:
    """Return by what to sort factors, or products of them."""
    if isinstance(x, Axis):
        return (0, x.of if isinstance(x.of, int) else id(x.of), x.axis)
    return [_order(atom) for atom in x] if type(x) is tuple else (1, repr(x))


def number_now(n: Any) -> Any:
    """Return the value that a number has now; the trace is not told."""
    return n.now if isinstance(n, Size) else n


def now(value: Any) -> Any:
    """Replace every Size in a shape, an index or a parameter by its value now."""
    if type(value) is tuple and all([type(n) is int for n in value]):
        return value
    return replaced(value, number_now)


def replaced(value: Any, size: Callable[[Size], Any]) -> Any:
    """Replace every Size in a value, also inside of tuples, lists, slices and dicts."""
    if isinstance(value, Size):
        return size(value)
    if isinstance(value, tuple | list):
        return type(value)([replaced(item, size) for item in value])
    if isinstance(value, slice):
        return slice(*[replaced(part, size) for part in (value.start, value.stop, value.step)])
    if isinstance(value, dict):
        return {key: replaced(item, size) for key, item in value.items()}
    return value


def evaluated(value: Any, at: Callable[[Axis], Any]) -> Any:
    """Compute a number from the lengths that `at` gives: what the traced function would compute."""
    if not isinstance(value, Size):
        return value
    products = []
    for atoms, factor in value.terms:
        product: Any = factor
        for atom in atoms:
            if isinstance(atom, Axis):
                new = at(atom)
            else:
                left, right = evaluated(atom.left, at), evaluated(atom.right, at)
                new = COMPUTE[atom.sign](left, right)
            product = new if type(product) is int and product == 1 else product * new
        products.append(product)
    return products[0] if len(products) == 1 else _added(products)


def _added(numbers: list[Any]) -> Any:
    """Add many integers at once."""
    total: dict[tuple[Atom, ...], int] = {}
    for n in numbers:
        for x, i in _terms(n):
            total[x] = total.get(x, 0) + i
    observers = [n.observer for n in numbers if isinstance(n, Size)]
    now = sum([number_now(n) for n in numbers])
    return _simplified(total, now, observers[0]) if observers else now


def only_axis(n: Any) -> Axis | None:
    """Return the axis whose length a number is, if it is no more than that."""
    if isinstance(n, Size) and len(n.terms) == 1:
        ((atoms, factor),) = n.terms
        if factor == 1 and len(atoms) == 1 and isinstance(atoms[0], Axis):
            return atoms[0]
    return None


def axes_of(*numbers: Any) -> list[Axis]:
    """List the lengths that numbers are computed from."""
    found: list[Axis] = []
    for number in numbers:
        for atoms, _ in number.terms if isinstance(number, Size) else ():
            for atom in atoms:
                found += [atom] if isinstance(atom, Axis) else axes_of(atom.left, atom.right)
    return found


def written(value: Any, name: Callable[[Axis], str], tight: bool = False) -> str:
    """Write a number as mathematics, as in ``2 m``; `tight`: in brackets if it has several parts.

    >>> m = length("x", 0, 6)
    >>> written(2 * m * m - 1, lambda axis: "m"), written(1 / m, lambda axis: "m", tight=True)
    ('2 m m - 1', '(1 / m)')
    """
    if not isinstance(value, Size):
        return str(value)
    parts: list[str] = []
    for atoms, factor in sorted(value.terms, key=lambda term: (-len(term[0]), _order(term[0]))):
        factors = [] if abs(factor) == 1 and atoms else [str(abs(factor))]
        for atom in atoms:
            if isinstance(atom, Axis):
                factors.append(name(atom))
                continue
            left, right = (written(side, name, True) for side in (atom.left, atom.right))
            quotient = f"{left} {atom.sign} {right}"
            alone = len(atoms) == len(value.terms) == 1 and factor == 1 and not tight
            factors.append(quotient if alone else f"({quotient})")
        sign = ("- " if factor < 0 else "+ ") if parts else ("-" if factor < 0 else "")
        parts.append(sign + " ".join(factors))
    text = " ".join(parts)
    return f"({text})" if tight and len(parts) > 1 else text
