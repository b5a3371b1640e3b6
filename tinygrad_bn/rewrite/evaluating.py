"""A formula computed: on arrays, to check it, or on Tensors, to make a program of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .. import predicates as Q
from .. import shapes as S
from .. import sizes
from ..table import TABLE
from .algebra import GROUP, ROOT, SUM, TRUTH, Atom, Axes, Factors, Formula
from .axes import AxisFinder, Dims
from .meaning import FUNCTION, LENGTH
from .reading import SHARE

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Evaluator:
    """Computes formulas from the values of their given atoms.

    ``value`` returns the array of an atom that is known, or None; ``length`` the length of an
    axis. Arrays are laid out so that their axes stand in one `order`, with length 1 where a value
    is repeated.
    """

    def __init__(
        self,
        finder: AxisFinder,
        order: Sequence[int],
        value: Callable[[Atom], Any],
        length: Callable[[int], Any],
    ) -> None:
        self.finder, self.order = finder, list(order)
        self.value, self.length = value, length
        self._known: dict[Atom, Any] = {}

    def __call__(self, formula: Formula) -> Any:
        """Compute a formula; the result broadcasts to the layout."""
        total: Any = None
        for factors, c in sorted(formula.terms.items(), key=lambda term: -term[1]):
            if total is None:
                total = self._term(factors, c)
            elif c > 0:
                total = total + self._term(factors, c)
            else:
                total = total - self._term(factors, -c)
        return 0.0 if total is None else total

    def laid_out(self, array: Any, dims: Dims) -> Any:
        """Return an array with its axes in order; one that broadcasts so stays as it is."""
        places = [self.order.index(d[0]) if len(d) == 1 else None if d else -1 for d in dims]
        behind = [len(self.order) - len(dims) + i for i in range(len(dims))]
        if all(p in (-1, at) for p, at in zip(places, behind, strict=True)):
            return array
        flat = [axis for dim in dims for axis in dim]
        if any(len(dim) != 1 for dim in dims):
            array = reshaped(array, [self.length(axis) for axis in flat])
        by_order = sorted(range(len(flat)), key=lambda i: self.order.index(flat[i]))
        if by_order != list(range(len(flat))):
            array = np.transpose(array, by_order)
        first = min((self.order.index(axis) for axis in flat), default=len(self.order))
        shape = [self.length(a) if a in flat else 1 for a in self.order[first:]]
        return array if len(shape) == len(flat) else reshaped(array, shape)

    def length_of(self, dim: Sequence[int]) -> Any:
        """Return the length of a dimension that runs over several axes."""
        total: Any = 1
        for axis in dim:
            total = total * self.length(axis)
        return total

    def _term(self, factors: Factors, c: Fraction) -> Any:
        above = self._product([(x, k) for x, k in factors if k > 0])
        below = self._product([(x, -k) for x, k in factors if k < 0])
        number: Any = int(c) if c.denominator == 1 else float(c)
        if above is None:
            return number if below is None else number / below
        out = above if below is None else above / below
        return -out if number == -1 else out if number == 1 else number * out

    def _product(self, factors: Sequence[tuple[Atom, int]]) -> Any:
        """Multiply, the small arrays first."""
        out: Any = None
        for atom, k in sorted(factors, key=lambda f: (len(f[0].over), f[0].number)):
            value = self._of(atom)
            value = value if k == 1 else value**k
            out = value if out is None else out * value
        return out

    def _of(self, atom: Atom) -> Any:
        if atom not in self._known:
            self._known[atom] = self._computed(atom)
        return self._known[atom]

    def _computed(self, atom: Atom) -> Any:
        if atom.kind == LENGTH:
            return self.length_of(atom.content[0])
        if atom.kind == SUM:
            return self._sum(*atom.content)
        if atom.kind == SHARE:
            return self._of(atom.content[0]) / self._of(atom.content[1])
        if atom.kind == ROOT:
            return np.sqrt(self(atom.content[0]))
        if atom.kind == GROUP:
            return self(atom.content[0])
        if (found := self.value(atom)) is not None:
            return found
        if atom.kind == FUNCTION:
            name, *operands, _ = atom.content
            compute = sizes.COMPUTE[name] if name in sizes.COMPUTE else TABLE[name]
            return compute(*(self(x) for x in operands))
        if atom.kind == TRUTH and atom.content[0] == "above":
            return Q.greater(self(atom.content[1]), 0.0)
        if atom.kind == TRUTH and atom.content[0] == "zero":
            return Q.equal(self(atom.content[1]), 0.0)
        assert atom.kind == TRUTH, atom
        return self._one_hot(atom)

    def _sum(self, axes: Axes, body: Formula) -> Any:
        only = body.single()
        if only is not None and (found := self._contracted(axes, *only)) is not None:
            return found
        places = tuple(sorted(self.order.index(axis) for axis in axes))
        values = self(body)
        missing = len(self.order) - np.ndim(values)
        places = tuple(i - missing for i in places if i >= missing)
        leading = places == tuple(range(len(places)))  # without these axes it broadcasts the same
        return np.sum(values, axis=places, keepdims=not leading)

    def _contracted(self, axes: Axes, factors: Factors, c: Any) -> Any:
        """Sum a product of two arrays, neither of which has all the axes, as matrices do."""
        over = frozenset().union(*(atom.over for atom, _ in factors))
        if any(atom.over == over for atom, _ in factors) or len(factors) != 2 or c != 1:
            return None
        arrays, letters = [], []
        for atom, k in factors:
            value = self._of(atom)
            places = [i for i, a in enumerate(self.order) if a in atom.over]
            missing = len(self.order) - np.ndim(value)
            if any(i < missing for i in places):
                return None
            value = reshaped(value, [self.length(self.order[i]) for i in places])
            arrays.append(value if k == 1 else value**k)
            letters.append("".join(LETTERS[i] for i in places))
        out = [i for i, a in enumerate(self.order) if a in over - axes]
        result = np.einsum(
            f"{letters[0]},{letters[1]}->{''.join(LETTERS[i] for i in out)}", *arrays
        )
        return reshaped(result, [self.length(a) if a in over - axes else 1 for a in self.order])

    def _one_hot(self, atom: Atom) -> Any:
        """Return the array that is 1 where the index points to, and 0 elsewhere."""
        _, places, (along,) = atom.content
        index = self(places)
        index = np.reshape(index, (1,) * (len(self.order) - np.ndim(index)) + np.shape(index))
        at = self.order.index(along)
        shape = tuple(self.length(a) if i == at else n for i, (a, n) in
                      enumerate(zip(self.order, np.shape(index), strict=True)))  # fmt: skip
        return S.add_along_axis(S.astype(index * 0 + 1, dtype=np.dtype(float)), index, axis=at,
                                shape=shape)  # fmt: skip


def reshaped(array: Any, shape: Sequence[Any]) -> Any:
    """Reshape, unless it has this shape."""
    if len(np.shape(array)) == len(shape) and all(
        a is b or a == b for a, b in zip(np.shape(array), shape, strict=True)
    ):
        return array
    return np.reshape(array, tuple(shape))
