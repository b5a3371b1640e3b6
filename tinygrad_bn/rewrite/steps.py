"""The steps of a derivation: each line of the backward pass, simplified by one law at a time.

A step is a law that changed what is written. Both sides of it are computed on random numbers in
float64, and must agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from .algebra import Atom, Axes, Formula, TooLongError, alone, common
from .computing import Numbers
from .naming import Names
from .reading import Line, Reading, atoms_in
from .simplifying import Simplifier
from .writing import LATEX, TEXT, Writer

Written = Callable[[Writer], str]


@dataclass(frozen=True)
class Law:
    """What a step follows by: words, and what they are about."""

    words: str
    about: Callable[[Writer], Iterable[str]] = lambda write: ()

    def text(self, write: Writer) -> str:
        """Write the law as text."""
        return f"{self.words} {', '.join(self.about(write))}".strip()

    def latex(self, write: Writer) -> str:
        """Write the law in LaTeX."""
        words = rf"\text{{{self.words}}}" if self.words else ""
        about = r",\; ".join(self.about(write))
        return rf"{words}\; {about}" if words and about else words or about


LINEAR = Law("linearity of the sum")
COMMON = Law("common factor")
CANCEL = Law("cancel")
AGREE = 1e-12


class DerivationError(AssertionError):
    """Both sides of a step disagree on numbers: a mistake of this package."""


@dataclass(frozen=True)
class Step:
    """One step: ``name = formula``, the law by which it follows, and its error on numbers."""

    name: str
    law: str
    formula: str
    latex: str
    error: float
    name_latex: str = field(repr=False)
    law_latex: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name} = {self.formula}    ({self.law})"


class Steps:
    """Simplifies lines one after the other, and writes down how."""

    def __init__(self, reading: Reading, name: str) -> None:
        self.reading = reading
        self.simplifier = Simplifier(reading)
        self.names = Names(reading, name)
        self.numbers = Numbers(reading)
        self.text, self.latex = self.names.writer(TEXT), self.names.writer(LATEX)
        self.done: list[Step] = []
        self.explained: set[Atom] = set()

    def simplify(self, line: Line) -> None:
        """Simplify a line, by one law after the other."""
        simplifier = self.simplifier
        formula = line.recorded
        done: list[Step] = []

        def note(law: Law, write: Written) -> None:
            if not done or write(self.text) != done[-1].formula:
                error = self.numbers.difference(line.variable, formula)
                most = AGREE if error <= AGREE else 8 * self.numbers.noise(line.variable)
                done.append(self._step(line.atom, law, write, error, most))

        def expanded(write: Writer) -> str:
            return write.expanded(formula)

        note(self._chain_rule(formula), expanded)
        for law in simplifier.laws():
            before = formula
            with suppress(TooLongError):
                formula = law(formula)
            if formula != before:
                note(self._named(law, before), expanded)
        simplifier.lines[line.atom] = formula
        note(COMMON, lambda write: write.factored(formula))
        self.done += done

    def _step(
        self, atom: Atom, law: Law, write: Written, error: float, most: float = AGREE
    ) -> Step:
        name, text = self.text.atom(atom), write(self.text)
        if error > most:  # not for nan, where no random numbers were found that f is made for
            raise DerivationError(
                f"{name} = {text} ({law.text(self.text)}) is off by {error:.1e} on random numbers: "
                "please report it"
            )
        words = law.text(self.text), law.latex(self.latex)
        return Step(name, words[0], text, write(self.latex), error, self.latex.atom(atom), words[1])

    def _chain_rule(self, formula: Formula) -> Law:
        """Name the values through which a gradient comes."""
        lines = sorted(atoms_in(formula) & self.simplifier.lines.keys(), key=lambda a: a.number)
        names = dict.fromkeys(re.sub(r"^d\d*(?=.)", "", self.text.atom(atom)) for atom in lines)
        if not names:
            return Law("the chain rule")
        return Law("the chain rule through", lambda write: map(write.notation.name, names))

    def _named(self, law: Callable[[Formula], Formula], before: Formula) -> Law:
        """Name a law, by what it was used on."""
        simplifier = self.simplifier
        atoms = sorted(atoms_in(before), key=lambda atom: atom.number)
        if law == simplifier.insert:
            lines = [atom for atom in atoms if atom in simplifier.lines]
            return Law("insert", lambda write: map(write.atom, lines))
        if law == simplifier.solve:
            solved = {x: self.reading.solved[x] for x in atoms if x in self.reading.solved}
            return Law("", lambda write: (write.equation(*pair) for pair in solved.items()))
        if law == simplifier.vanish:
            gone = {x: end for x in atoms if (end := simplifier.constant(x)) is not None}
            for atom, end in gone.items():
                self._explain(atom, end)
            return Law("", lambda write: (write.equation(*pair) for pair in gone.items()))
        return LINEAR if law == simplifier.split else CANCEL

    def _explain(self, atom: Atom, end: Formula) -> None:
        """Show why a sum is the same for all data: by the definitions of what is in it."""
        if atom in self.explained:
            return
        self.explained.add(atom)
        formula = alone(atom)
        while formula != end and (used := self._to_expand(formula, atom.content[0])):
            expanded = self.reading.ring.put(formula, used.get)
            if expanded == formula:
                break
            formula = expanded
            self._note_lemma(atom, Law("insert", self._definitions(used)), formula, end)
        if formula != end:  # the rest is arithmetic
            self._note_lemma(atom, CANCEL, end, end)

    def _note_lemma(self, atom: Atom, law: Law, formula: Formula, end: Formula) -> None:
        error = self.numbers.gap(formula, end)
        self.done.append(self._step(atom, law, lambda write: write.expanded(formula), error))

    def _definitions(self, used: Iterable[Atom]) -> Callable[[Writer], Iterable[str]]:
        def write(writer: Writer) -> Iterable[str]:
            names = self.names
            return (f"{writer.atom(x)} = {names.definition(x, writer.notation)}" for x in used)

        return write

    def _to_expand(self, formula: Formula, axes: Axes) -> dict[Atom, Formula]:
        """Choose the values to expand: those that are summed, then those that differ by term."""
        known = self.reading.definitions
        same = {atom for atom, _ in common(formula)[0]}
        summed = [x for x in atoms_in(formula) if x in known and x.over & axes]
        other = [x for x in formula.atoms if x in known and x not in same]
        return {x: known[x] for x in sorted(set(summed or other), key=lambda x: x.number)}
