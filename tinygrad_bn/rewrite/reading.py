"""A gradient as formulas: which values stay as they are, and what the others are made of.

The backward pass uses values of the forward pass, such as x_hat and std. Those stay as atoms with
a definition, since a formula without them is one that nobody would write. Beside it, everything
is computed down to the inputs; there, equal values have equal formulas.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from .. import predicates, shapes
from .. import primitives as P
from ..program import Program
from ..program.data import Equation, Variable
from .algebra import ROOT, SUM, Atom, Factors, Formula, Ring, alone, number
from .axes import AxisFinder, moves_only
from .meaning import GIVEN, LENGTH, Meaning, is_positive

VALUE = "value"  # the kind of an atom that stands for a variable of the program
RESULT = "result"  # that of the gradient, if it is nothing but an input or a constant
SHARE = "share"  # that of a value divided by the sum of such values, as in a softmax
PLAIN = (P.neg, P.mul, P.where)


@dataclass
class Line:
    """A result of the backward pass with a name, as it was recorded: the start of a derivation."""

    variable: Variable
    atom: Atom
    recorded: Formula


@dataclass
class Reading:
    """The formulas of a program of a gradient."""

    program: Program
    cotangents: tuple[Variable, ...]
    finder: AxisFinder
    full: Meaning  # down to the inputs
    shown: Meaning  # in terms of the values that stay
    values: dict[Formula, Atom] = field(default_factory=dict)  # by what they are in full
    variables: dict[Atom, Variable] = field(default_factory=dict)
    definitions: dict[Atom, Formula] = field(default_factory=dict)
    solved: dict[Atom, Formula] = field(default_factory=dict)  # x_centered is std x_hat
    lines: list[Line] = field(default_factory=list)

    @property
    def ring(self) -> Ring:
        """The ring of both."""
        return self.full.ring

    @cached_property
    def made_by(self) -> dict[Variable, Equation]:
        """The equation that each result comes from."""
        return {equation.output: equation for equation in self.program.equations}

    def in_full(self, formula: Formula) -> Formula:
        """Expand the values that stay, down to the inputs."""

        def of(atom: Atom) -> Formula | None:
            if atom.kind == SHARE:
                value, total = (self.full.known[self.variables[x]] for x in atom.content)
                return self.ring.mul(value, self.ring.power(total, -1))
            return self.full.known[self.variables[atom]] if atom.kind == VALUE else None

        return self.ring.put(formula, of)

    def variable(self, atom: Atom) -> Variable | None:
        """Return the variable that an atom stands for; None for one that is computed."""
        while atom not in self.variables:
            if atom not in self.ring.rewritten:
                return None
            atom = self.ring.rewritten[atom]
        return self.variables[atom]

    def atom(self, variable: Variable) -> Atom:
        """Return the atom of a value that stays."""
        dims = self.finder.of(variable)
        atom = self.ring.atom(VALUE, variable, over=(i for dim in dims for i in dim))
        self.variables[atom] = variable
        return atom


def read(
    program: Program,
    cotangents: Iterable[Variable],
    same: Iterable[tuple[Variable, Variable]] = (),
    other: Variable | None = None,
) -> Reading:
    """Read the program of a gradient, its first output.

    `same` are pairs of variables that have the same axes. `other` is an output that is compared:
    what only it needs is written in terms of the values of the rest.
    """
    finder = AxisFinder()
    given = (*program.inputs, *program.captured, *program.constants)
    for x in given:
        finder.given(x)
    finder.follow(program.equations)
    for pair in same:
        finder.same(*pair)
    full = Meaning(finder)
    shown = Meaning(finder)
    shown.ring, shown.variables = full.ring, full.variables
    for x in given:
        shown.known[x] = full.known[x] = full.given(x)
    full.follow(program.equations)
    reading = Reading(program, tuple(cotangents), finder, full, shown, variables=full.variables)
    for x in given:
        reading.variables |= dict.fromkeys(full.known[x].atoms, x)
    _Reader(reading, other).read()
    return reading


class _Reader:
    def __init__(self, reading: Reading, other: Variable | None) -> None:
        self.reading = reading
        self.program = reading.program
        self.own: set[Variable] = {x for x in self.program.outputs if x is not other}
        for equation in reversed(self.program.equations):
            if equation.output in self.own:
                self.own.update(equation.variables)
        self.backward: set[Variable] = set(reading.cotangents)
        for equation in self.program.equations:
            if any(x in self.backward for x in equation.variables):
                self.backward.add(equation.output)
        self.kept: set[Variable] = set()
        for equation in self.program.equations:
            if equation.output in self.backward & self.own:
                for x in equation.variables:
                    self._keep(x)
        self.kept_in_full = {reading.full.known[x] for x in self.kept}

    def _keep(self, x: Variable) -> None:
        """Keep a value that the backward pass uses, or what it is a simple multiple of."""
        equation = self.reading.made_by.get(x)
        if equation is None or x in self.backward:
            return
        if x.name is None and self._is_plain(equation):
            for operand in equation.variables:
                self._keep(operand)
        else:
            self.kept.add(x)

    def _is_plain(self, equation: Equation) -> bool:
        p = equation.primitive
        if equation in self.reading.finder.opaque:
            return False
        if moves_only(p) or p in PLAIN or p in (shapes.getitem, shapes.scatter):
            return True
        if p.predicate and p.elementwise:
            return p is not predicates.logical_xor
        numbers = [self.reading.full.of(x).number() for x in equation.inputs]
        if p is P.pow:
            return numbers[1] is not None and numbers[1].denominator in (1, 2)
        return p in (P.add, P.sub, P.div) and any(n is not None for n in numbers)

    def read(self) -> None:
        """Follow the program, forward and backward."""
        reading = self.reading
        last = self.program.outputs[0]
        for given in (*self.program.inputs, *self.program.captured):
            formula = reading.full.known[given]
            reading.values[formula] = next(formula.atoms)
        self._name_roots()
        reading.ring.linear = True
        for equation in self.program.equations:
            x = equation.output
            if x not in self.own:
                found = self._other(equation)
            elif x in self.backward:
                reading.ring.linear = False
                found = reading.shown.result(equation)
                if x is last or (x.name is not None and not self._is_moved_line(equation)):
                    atom = reading.atom(x)
                    reading.lines.append(Line(x, atom, found))
                    found = alone(atom)
                reading.ring.linear = True
            else:
                found = self._forward(equation)
            reading.shown.known[x] = found
        if last not in {line.variable for line in reading.lines}:  # an input, or a constant
            atom = reading.ring.atom(RESULT, last)
            reading.variables[atom] = last
            reading.lines.append(Line(last, atom, reading.shown.known[last]))
        self._take_shares()

    def _take_shares(self) -> None:
        """Where exp(a) and Σ exp(a) are used, have exp(a) = p Σ exp(a); then Σ p = 1."""
        reading = self.reading
        for total, definition in reading.definitions.items():
            sums = definition.atom()
            value = sums.content[1].atom() if sums is not None and sums.kind == SUM else None
            if value is None or value.kind != VALUE or value in reading.solved:
                continue
            if self._is_positive(value):
                share = reading.ring.of(SHARE, value, total, over=value.over)
                reading.solved[value] = share.times(Fraction(1), ((total, 1),))

    def _is_moved_line(self, equation: Equation) -> bool:
        lines = {line.variable for line in self.reading.lines}
        return moves_only(equation.primitive) and equation.inputs[0] in lines

    def _name_roots(self) -> None:
        """Take each square root that is a value of its own as the atom for its powers."""
        for equation in self.program.equations:
            x = equation.output
            in_full = self.reading.full.known[x]
            root = in_full.atom()
            if x in self.own - self.backward and root is not None and root.kind == ROOT:
                found = self.reading.values.get(in_full)
                if found is None or self.reading.variables[found].name is None:
                    self.reading.values[in_full] = self.reading.atom(x)

    def _other(self, equation: Equation) -> Formula:
        """Read what does not belong to the gradient itself, in terms of the values that do."""
        in_full = self.reading.full.known[equation.output]
        if equation.output not in self.backward:
            if in_full in self.reading.values:
                return alone(self.reading.values[in_full])
            if (powers := powers_of_roots(in_full, self.reading.values)) is not None:
                return powers
        return self.reading.shown.result(equation)

    def _forward(self, equation: Equation) -> Formula:
        reading, x = self.reading, equation.output
        in_full = reading.full.known[x]
        if self._is_made_of_lengths(in_full):
            return in_full
        powers = powers_of_roots(in_full, reading.values)
        if powers is not None:
            atoms = {atom for atom in powers.atoms if atom.kind == VALUE}
            for atom in atoms:
                if reading.variables[atom] is x and atom not in reading.definitions:
                    reading.definitions[atom] = reading.shown.result(equation)
            return powers
        if in_full in reading.values:
            return alone(reading.values[in_full])
        found = reading.shown.result(equation)
        solved = self._solved(equation)
        if x.name is None and solved is None and in_full not in self.kept_in_full:
            return found
        atom = reading.values[in_full] = reading.atom(x)
        own = alone(atom)
        reading.definitions[atom] = reading.shown.written(equation)
        if solved is not None:
            earlier, factor = solved
            reading.solved[earlier] = reading.ring.mul(own, factor)
        return own

    def _is_made_of_lengths(self, formula: Formula) -> bool:
        return all(atom.kind == LENGTH for atom in formula.atoms)

    def _solved(self, equation: Equation) -> tuple[Atom, Formula] | None:
        """From x_hat = x_centered / std, have x_centered = std x_hat: the later value stays.

        Returns x_centered and std; None if an equation is not of this kind.
        """
        reading, ring = self.reading, self.reading.ring
        if equation.primitive not in (P.div, P.mul):
            return None
        a, b = (reading.shown.of(x) for x in equation.inputs)
        if a.single() is None or b.single() is None:
            return None
        pairs = [(a, b)]
        if equation.primitive is P.mul:
            pairs = [(a, ring.power(b, -1)), (b, ring.power(a, -1))]
        for value, factor in pairs:
            (factors, c), by = next(iter(value.terms.items())), next(iter(factor.terms))
            if len(factors) != 1 or factors[0][1] != 1 or not self._is_scale(by):
                continue
            ((earlier, _),) = factors
            if earlier.kind in (VALUE, GIVEN) and not earlier.over < factor.over:
                return earlier, factor.times(1 / c)
        return None

    def _is_scale(self, factors: Factors) -> bool:
        """Return whether a product of values of the forward pass is known to be above 0."""
        positive = all(self._is_positive(x) for x, _ in factors)
        return positive and any(x.kind in (VALUE, ROOT) for x, _ in factors)

    def _is_positive(self, atom: Atom) -> bool:
        if atom.kind != VALUE:
            return is_positive(atom)
        in_full = self.reading.full.known[self.reading.variables[atom]]
        return all(
            c > 0 and all(is_positive(x) for x, _ in factors)
            for factors, c in in_full.terms.items()
        )


def powers_of_roots(in_full: Formula, values: dict[Formula, Atom]) -> Formula | None:
    """Write a product of powers of square roots with the values that these roots are."""
    only = in_full.single()
    if only is None or not any(atom.kind == ROOT for atom, _ in only[0]):
        return None
    factors = []
    for atom, k in only[0]:
        if atom.kind == ROOT and alone(atom) in values:
            factors.append((values[alone(atom)], k))
        elif atom.kind == LENGTH:
            factors.append((atom, k))
        else:
            return None
    return number(only[1]).times(Fraction(1), tuple(sorted(factors, key=lambda f: f[0].number)))


def atoms_in(formula: Formula) -> set[Atom]:
    """Return all atoms in a formula, also those inside of others."""
    found: set[Atom] = set()
    for atom in formula.atoms:
        found.add(atom)
        if atom.kind == SHARE:
            found |= set(atom.content)
        elif atom.kind != VALUE:
            for part in atom.content:
                if isinstance(part, Formula):
                    found |= atoms_in(part)
    return found
