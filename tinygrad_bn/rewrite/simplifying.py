"""The laws by which a line of a derivation is simplified, in the order in which one would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from .algebra import SUM, Atom, Formula, TooLongError, alone
from .meaning import LENGTH
from .reading import Reading, atoms_in


class Simplifier:
    """Simplifies the lines of a reading one after the other. ``lines`` are those that are done."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.ring = reading.ring
        self.lines: dict[Atom, Formula] = {}
        self._constant: dict[Atom, Formula | None] = {}

    def insert(self, formula: Formula) -> Formula:
        """Replace the earlier lines by what they were found to be."""
        return self._put(formula, self.lines, linear=False)

    def solve(self, formula: Formula) -> Formula:
        """Replace values by others that stay: x_centered by std x_hat."""
        return self._put(formula, self.reading.solved, linear=False)

    def split(self, formula: Formula) -> Formula:
        """Take sums apart, and take out of them what does not vary over their axes."""
        return self._put(formula, {}, linear=True)

    def _put(self, formula: Formula, new: Mapping[Atom, Formula], *, linear: bool) -> Formula:
        self.ring.linear = linear
        try:
            result = formula
            for _ in range(len(new) + 1):  # what is put in may contain another
                result = self.ring.put(result, new.get)
                if not any(atom in new for atom in atoms_in(result)):
                    break
            return result
        finally:
            self.ring.linear = True

    def vanish(self, formula: Formula) -> Formula:
        """Replace sums that are the same for all data: Σ x_hat = 0, Σ p = 1."""
        return self.ring.put(formula, self.constant)

    def constant(self, atom: Atom) -> Formula | None:
        """Return what a sum is if it is a number, computed down to the inputs."""
        if atom.kind != SUM:
            return None
        if atom not in self._constant:
            self._constant[atom] = self._as_constant(atom)
        return self._constant[atom]

    def _as_constant(self, atom: Atom) -> Formula | None:
        try:
            found = self.reading.in_full(alone(atom))
            if self.ring.is_zero(found):
                return Formula()
            found = self.ring.cancelled(found)
        except TooLongError:
            return None
        return found if all(x.kind == LENGTH for x in found.atoms) else None

    def cancel(self, formula: Formula) -> Formula:
        """Cancel sums against their inverses."""
        return self.ring.cancelled(formula)

    def laws(self) -> list[Callable[[Formula], Formula]]:
        """Return the laws in order."""
        return [self.insert, self.solve, self.split, self.vanish, self.cancel]

    def simplified(self, formula: Formula) -> Formula:
        """Apply all laws."""
        for law in self.laws():
            with suppress(TooLongError):
                formula = law(formula)
        return formula
