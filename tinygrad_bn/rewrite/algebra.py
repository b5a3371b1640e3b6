"""Sums of products of atoms, in exact arithmetic: the ring in which formulas have a normal form.

An atom is an array whose inside is not looked at: an input, a length, a sum over an axis, a square
root. It knows over which axes its values vary. Nothing here knows a Tensor or a Program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias

Axes: TypeAlias = "frozenset[int]"
Factors: TypeAlias = "tuple[tuple[Atom, int], ...]"  # atoms with their exponents, in order
MOST_IN_FRONT = 1000  # numerator and denominator of a number in front of brackets
MOST_PRODUCTS = 20_000  # in a multiplication

ROOT, SUM, GROUP, TRUTH = "root", "sum", "group", "truth"


class TooLongError(Exception):
    """A formula would become too long to be of use."""


@dataclass(frozen=True, eq=False, slots=True)
class Atom:
    """A factor that is kept whole. Two atoms of a ring are equal only if they are one object.

    ``content`` is what the atom is made of, for example the term under a square root.
    """

    number: int  # in the order in which they were made: the order of factors
    kind: str
    content: tuple[Any, ...]
    over: Axes

    def __repr__(self) -> str:
        return f"<{self.kind} {self.number}>"


@dataclass(frozen=True, eq=False)
class Formula:
    """A sum of products: from products of atoms to their rational coefficients."""

    terms: dict[Factors, Fraction] = field(default_factory=dict)

    @cached_property
    def _key(self) -> frozenset[tuple[Factors, Fraction]]:
        return frozenset(self.terms.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self._key)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __add__(self, other: Formula) -> Formula:
        total = dict(self.terms)
        for factors, c in other.terms.items():
            total[factors] = total.get(factors, Fraction(0)) + c
            if not total[factors]:
                del total[factors]
        return Formula(total)

    def __neg__(self) -> Formula:
        return self.times(Fraction(-1))

    def __sub__(self, other: Formula) -> Formula:
        return self + -other

    def times(self, c: Fraction, factors: Factors = ()) -> Formula:
        """Multiply by a number and a single product, without looking into the atoms."""
        if not c:
            return Formula()
        if not factors:
            return Formula({f: c * d for f, d in self.terms.items()})
        return Formula({product(f, factors): c * d for f, d in self.terms.items()})

    @cached_property
    def over(self) -> Axes:
        """The axes over which the formula varies."""
        return frozenset().union(*(atom.over for f in self.terms for atom, _ in f))

    @property
    def atoms(self) -> Iterator[Atom]:
        """The atoms in it, each as often as it is written; not those inside of others."""
        return (atom for f in self.terms for atom, _ in f)

    def single(self) -> tuple[Factors, Fraction] | None:
        """Return the product and its coefficient if there is one term only."""
        return next(iter(self.terms.items())) if len(self.terms) == 1 else None

    def atom(self) -> Atom | None:
        """Return the atom if the formula is an atom alone."""
        only = self.single()
        is_one = only is not None and only[1] == 1 and len(only[0]) == 1 and only[0][0][1] == 1
        return only[0][0][0] if only is not None and is_one else None

    def number(self) -> Fraction | None:
        """Return the value if the formula is a number."""
        if not self.terms:
            return Fraction(0)
        only = self.single()
        return only[1] if only and not only[0] else None


def number(value: Fraction | int) -> Formula:
    """Make the formula of a number."""
    return Formula({(): Fraction(value)} if value else {})


def alone(atom: Atom) -> Formula:
    """Make the formula that is an atom alone."""
    return Formula({((atom, 1),): Fraction(1)})


def product(a: Factors, b: Factors) -> Factors:
    """Multiply two products: add the exponents."""
    powers = dict(a)
    for atom, k in b:
        powers[atom] = powers.get(atom, 0) + k
    return _ordered(powers)


def raised(factors: Factors, k: int) -> Factors:
    """Raise a product to a power."""
    return tuple((atom, n * k) for atom, n in factors) if k else ()


def _ordered(powers: dict[Atom, int]) -> Factors:
    return tuple(sorted(((a, k) for a, k in powers.items() if k), key=lambda f: f[0].number))


def common(formula: Formula) -> tuple[Factors, Fraction]:
    """Return the product and the number that can be taken out of every term.

    Exponents are the smallest that occur, negative ones too, so that what is left has none.
    """
    if not formula:
        return (), Fraction(1)
    least: dict[Atom, int] = {}
    for atom in {atom for f in formula.terms for atom, _ in f}:
        exponents = [dict(f).get(atom, 0) for f in formula.terms]
        least[atom] = min(exponents)
    numerator, denominator = 0, 1
    for c in formula.terms.values():
        numerator, denominator = _gcd(numerator, c.numerator), _lcm(denominator, c.denominator)
    return _ordered(least), Fraction(numerator, denominator)


def front(formula: Formula) -> tuple[Factors, Fraction]:
    """Return what one would write in front of a formula: no number that nobody would read."""
    factors, c = common(formula)
    return factors, c if max(c.numerator, c.denominator) <= MOST_IN_FRONT else Fraction(1)


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return abs(a)


def _lcm(a: int, b: int) -> int:
    return a * b // _gcd(a, b)


def divided(numerator: Formula, by: Formula) -> Formula | None:
    """Divide exactly, as polynomials; None if there is a remainder."""
    inside = {atom for f in by.terms for atom, _ in f}
    lead_by = leading(by)
    quotient, rest = Formula(), numerator
    for _ in range(len(numerator.terms) * 4 + 8):
        if not rest:
            return quotient
        lead = leading(rest)
        factors = product(lead, raised(lead_by, -1))
        if any(k < 0 for atom, k in factors if atom in inside):
            return None
        c = rest.terms[lead] / by.terms[lead_by]
        quotient += Formula({factors: c})
        rest -= by.times(c, factors)
    return None


def leading(formula: Formula) -> Factors:
    """Return the term that comes first when terms are compared atom by atom."""
    numbers = sorted({atom.number for atom in formula.atoms})

    def powers(factors: Factors) -> list[int]:
        at = {atom.number: k for atom, k in factors}
        return [at.get(n, 0) for n in numbers]

    return max(formula.terms, key=powers)


class Ring:
    """Makes atoms, each once, and computes with formulas as far as the laws of algebra go.

    ``linear`` is whether sums are taken apart: Σ(a + b) into Σa + Σb, and factors that do not
    vary over the axis taken out. Without it a sum is kept as it was written.
    """

    def __init__(self, length: Callable[[int], Formula]) -> None:
        self.length = length
        self.linear = True
        self.rewritten: dict[Atom, Atom] = {}  # from atoms to what they were, of the same value
        self._atoms: dict[Any, Atom] = {}

    def atom(self, kind: str, *content: Any, over: Iterable[int] = ()) -> Atom:
        """Return the atom of this content."""
        key = (kind, *content)
        if key not in self._atoms:
            self._atoms[key] = Atom(len(self._atoms), kind, content, frozenset(over))
        return self._atoms[key]

    def of(self, kind: str, *content: Any, over: Iterable[int] = ()) -> Formula:
        """Return the formula that is this atom alone."""
        return alone(self.atom(kind, *content, over=over))

    def mul(self, a: Formula, b: Formula) -> Formula:
        """Multiply, with √a √a = a, and t t = t for a truth value t."""
        if len(a.terms) * len(b.terms) > MOST_PRODUCTS:
            raise TooLongError
        total: dict[Factors, Fraction] = {}
        special = Formula()
        for f, c in a.terms.items():
            for g, d in b.terms.items():
                factors = product(f, g) if f and g else f or g
                if any(_can_be_reduced(atom, k) for atom, k in factors):
                    special += self._reduced(factors).times(c * d)
                else:
                    total[factors] = total.get(factors, Fraction(0)) + c * d
        return Formula({f: c for f, c in total.items() if c}) + special

    def _reduced(self, factors: Factors) -> Formula:
        plain: dict[Atom, int] = {}
        rest = number(1)
        for atom, k in factors:
            if not _can_be_reduced(atom, k):
                plain[atom] = k
            elif atom.kind == TRUTH:
                plain[atom] = 1
            elif atom.kind == ROOT:
                plain[atom] = k % 2
                rest = self.mul(rest, self.power(atom.content[0], k // 2))
            else:
                rest = self.mul(rest, self.power(atom.content[0], k))
        return self.mul(Formula({_ordered(plain): Fraction(1)}), rest)

    def power(self, a: Formula, k: int) -> Formula:
        """Raise to an integer power. The inverse of a sum is an atom of its own."""
        if k == 0:
            return number(1)
        if k > 0:
            half = self.power(a, k // 2)
            square = self.mul(half, half)
            return self.mul(square, a) if k % 2 else square
        if not a:
            raise ZeroDivisionError
        out, c = common(a)
        if len(a.terms) == 1:
            (c,) = a.terms.values()
            return Formula({raised(out, k): c**k})
        inner = a.times(1 / c, raised(out, -1))
        if inner.terms[leading(inner)] < 0:
            inner, c = -inner, -c
        group = self.atom(GROUP, inner, over=inner.over)
        return Formula({product(raised(out, k), ((group, k),)): c**k})

    def root(self, a: Formula) -> Formula:
        """Take the square root: an atom of its own, but for squares of numbers."""
        value = a.number()
        if value is not None and value >= 0:
            n, d = _square_root(value.numerator), _square_root(value.denominator)
            if n is not None and d is not None:
                return number(Fraction(n, d))
        return self.of(ROOT, a, over=a.over)

    def sum(self, a: Formula, axes: Axes) -> Formula:
        """Sum over axes. An axis over which nothing varies gives its length as a factor."""
        if not self.linear and axes & a.over:
            whole = self.of(SUM, axes & a.over, a, over=a.over - axes)
            return self._times_lengths(whole, axes - a.over)
        total = Formula()
        for factors, c in a.terms.items():
            outside = tuple(f for f in factors if not f[0].over & axes)
            parts = _connected([f for f in factors if f[0].over & axes], axes)
            term = Formula({outside: c})
            left = axes
            for inside, over in parts:
                body = Formula({inside: Fraction(1)})
                term = self.mul(term, self._sum(body, over))
                left -= over
            total += self._times_lengths(term, left)
        return total

    def _sum(self, body: Formula, axes: Axes) -> Formula:
        """Sum a product of which each factor varies. Sums of sums become one sum."""
        only = body.atom()
        if only is not None and only.kind == SUM:
            inner_axes, inner = only.content
            return self.sum(inner, inner_axes | axes)
        return self.of(SUM, axes, body, over=body.over - axes)

    def _times_lengths(self, a: Formula, axes: Axes) -> Formula:
        for axis in sorted(axes):
            a = self.mul(a, self.length(axis))
        return a

    def put(self, a: Formula, new: Callable[[Atom], Formula | None]) -> Formula:
        """Replace atoms, also inside of others, and compute anew with what comes of it."""
        known: dict[Atom, Formula] = {}

        def of(atom: Atom) -> Formula:
            if atom not in known:
                found = new(atom)
                known[atom] = self._rebuilt(atom, inside) if found is None else found
            return known[atom]

        def inside(formula: Formula) -> Formula:
            if all(of(atom).atom() is atom for atom in set(formula.atoms)):
                return formula
            total = Formula()
            for factors, c in formula.terms.items():
                term = number(c)
                for atom, k in factors:
                    term = self.mul(term, self.power(of(atom), k))
                total += term
            return total

        return inside(a)

    def _rebuilt(self, atom: Atom, inside: Callable[[Formula], Formula]) -> Formula:
        if atom.kind == SUM:
            axes, body = atom.content
            return self.sum(inside(body), axes)
        if atom.kind == ROOT:
            return self.root(inside(atom.content[0]))
        if atom.kind == GROUP:
            return inside(atom.content[0])
        if any(isinstance(part, Formula) for part in atom.content):
            content = [inside(x) if isinstance(x, Formula) else x for x in atom.content]
            new = self.atom(atom.kind, *content, over=atom.over)
            if new is not atom:
                self.rewritten.setdefault(new, atom)
            return alone(new)
        return alone(atom)

    def cancelled(self, a: Formula) -> Formula:
        """Cancel inverses of sums where the numerator can be divided: p (1 - p) / (1 - p) = p."""
        for group in sorted({x for x in a.atoms if x.kind == GROUP}, key=lambda x: x.number):
            while True:
                lowest = min((dict(f).get(group, 0) for f in a.terms), default=0)
                if lowest >= 0:
                    break
                over = {f: c for f, c in a.terms.items() if dict(f).get(group, 0) == lowest}
                numerator = Formula(over).times(Fraction(1), ((group, -lowest),))
                quotient = divided(numerator, group.content[0])
                if quotient is None:
                    break
                a = a - Formula(over) + quotient.times(Fraction(1), ((group, lowest + 1),))
        return a

    def is_zero(self, a: Formula) -> bool:
        """Clear the denominators, expand, and tell whether nothing is left.

        True is a proof. False proves nothing if atoms are related in a way that is not known here.
        """
        try:
            return self._vanishes(a)
        except TooLongError:
            return False

    def _vanishes(self, a: Formula) -> bool:
        for _ in range(20):
            if not a:
                return True
            below = {atom: min(dict(f).get(atom, 0) for f in a.terms) for atom in set(a.atoms)}
            clear = _ordered({x: -k + (k % 2 if x.kind == ROOT else 0)
                              for x, k in below.items() if k < 0})  # fmt: skip
            if not clear:
                return False
            a = self.mul(a, Formula({clear: Fraction(1)}))
        return False


def _can_be_reduced(atom: Atom, k: int) -> bool:
    return (atom.kind in (ROOT, TRUTH) and k > 1) or (atom.kind == GROUP and k > 0)


def _connected(factors: list[tuple[Atom, int]], axes: Axes) -> list[tuple[Factors, Axes]]:
    """Split a product into parts that have no axis of the sum in common: Σ a_i b_j = Σ a Σ b."""
    parts: list[tuple[list[tuple[Atom, int]], Axes]] = []
    for factor in factors:
        mine, over = [factor], factor[0].over & axes
        rest = []
        for others, theirs in parts:
            if theirs & over:
                mine, over = others + mine, over | theirs
            else:
                rest.append((others, theirs))
        parts = [*rest, (mine, over)]
    return [(tuple(sorted(f, key=lambda x: x[0].number)), over) for f, over in parts]


def _square_root(n: int) -> int | None:
    root = int(n**0.5)
    return next((r for r in (root - 1, root, root + 1) if r >= 0 and r * r == n), None)
