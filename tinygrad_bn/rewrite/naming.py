"""Names: of values by the local variables of a function, of atoms and axes in a formula."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, wraps
from typing import Any

from .. import sizes
from ..program.data import Constant, Variable
from ..program.listing import LETTERS
from ..tensor import Tensor
from .algebra import ROOT, SUM, Atom, Axes, Formula, alone
from .meaning import GIVEN, LENGTH
from .reading import SHARE, VALUE, Reading, atoms_in
from .writing import Notation, Writer


def with_local_names(f: Callable[..., Any]) -> Callable[..., Any]:
    """Call `f`, and name the Tensors that it made by the local variables that hold them.

    Tensors that have a name keep it.
    """
    code = getattr(inspect.unwrap(f), "__code__", None)
    if code is None:
        return f

    def watch(frame: Any, event: str, arg: Any) -> None:
        if event == "return" and frame.f_code is code:
            for name, value in frame.f_locals.items():
                if isinstance(value, Tensor) and value.name is None:
                    value.name = name

    @wraps(f)
    def named(*args: Any, **kwargs: Any) -> Any:
        if sys.getprofile() is not None:  # somebody measures: names are not worth disturbing it
            return f(*args, **kwargs)
        sys.setprofile(watch)
        try:
            return f(*args, **kwargs)
        finally:
            sys.setprofile(None)

    return named


class Names:
    """The names of the atoms and axes of a reading."""

    def __init__(self, reading: Reading, result: str) -> None:
        self.reading = reading
        self.taken: set[str] = set()
        self._names: dict[Any, str] = {}
        self.spelled_out: set[Atom] = set()  # square roots, in the definition of their names
        for x in (*reading.program.inputs, *reading.program.captured):
            self._name(x, x.name or "x")
        for line in reading.lines[:-1]:
            self._name(line.variable, line.variable.name or "v")
        self._name(reading.lines[-1].atom, result)
        for equation in reading.program.equations:
            if equation.output.name is not None:
                self._name(equation.output, equation.output.name)

    def _name(self, x: Any, wanted: str) -> str:
        if x not in self._names:
            name, number = wanted, 2
            while name in self.taken:
                name, number = f"{wanted}_{number}", number + 1
            self.taken.add(name)
            self._names[x] = name
        return self._names[x]

    def atom(self, atom: Atom) -> str:
        """Name an input, or a value that stays."""
        if atom in self._names:
            return self._names[atom]
        if atom.kind == SHARE:
            return self._name(atom, "p")
        x = atom.content[0]
        if atom.kind == GIVEN and not isinstance(x, Variable):
            return self._name(atom, "c") if isinstance(x, tuple) else str(x)
        if x in self._names:
            return self._names[x]
        if isinstance(x, Constant):
            return self._name(x, x.name or "c")
        return self._name(x, self._invented(atom))

    def _invented(self, atom: Atom) -> str:
        """Invent a name for a value: s for a square root, x_hat for a quotient of x."""
        reading = self.reading
        definition = reading.definitions.get(atom)
        only = definition.single() if definition is not None else None
        root = definition.atom() if definition is not None else None
        if root is not None and root.kind == ROOT:
            return "s"
        made_by = reading.made_by.get(reading.variables[atom])
        if made_by is not None and made_by.primitive.reduces:
            return made_by.primitive.name
        if only and any(k < 0 for _, k in only[0]):
            given = [x for x in reading.full.known[reading.variables[atom]].atoms
                     if x.kind == GIVEN and x.over == atom.over]  # fmt: skip
            if given:
                return f"{self.atom(given[0])}_hat"
        if definition is not None and len(definition.terms) == 2:
            given = [f[0][0] for f, c in definition.terms.items() if c == 1 and len(f) == 1]
            if given and given[0].kind in (GIVEN, VALUE) and given[0].over == atom.over:
                return f"{self.atom(given[0])}_centered"
        return "v"

    @cached_property
    def _letters(self) -> dict[tuple[int, ...], str]:
        letters: dict[tuple[int, ...], str] = {}
        used = set(self.taken)
        for x in self.reading.program.inputs:
            dims = self.reading.finder.of(x)
            own = LETTERS.get(len(dims), "m" + "d" * len(dims))
            for letter, dim in zip(own, dims, strict=False):
                if dim and dim not in letters:
                    name = next(n for n in _numbered(letter) if n not in used)
                    letters[dim] = name
                    used.add(name)
        return letters

    def length(self, dim: tuple[int, ...]) -> str:
        """Name the length of a dimension: m for the first, as in a listing."""
        if dim not in self._letters:
            used = {*self.taken, *self._letters.values()}
            self._letters[dim] = next(n for n in _numbered("k") if n not in used)
        return self._letters[dim]

    def axes(self, axes: Iterable[int]) -> str:
        """Write over which axes a sum is, if that is not clear."""
        if not self.several:
            return ""
        return "".join(self.length((axis,)) for axis in sorted(axes))

    def shape_of(self, dim: tuple[int, ...]) -> str | None:
        """Return what a length is, as in ``x.shape[0]``; None for one that no input has."""
        for x in self.reading.program.inputs:
            dims = self.reading.finder.of(x)
            if dim in dims and sizes.only_axis(x.lengths[dims.index(dim)]) is not None:
                return f"{self._names[x]}.shape[{dims.index(dim)}]"
        return None

    def definitions(self, formula: Formula, notation: Notation) -> dict[str, str]:
        """Return the lengths and values that a formula uses, and what these use, defined."""
        reading, write = self.reading, self.writer(notation)
        found = atoms_in(formula)
        waiting = list(found)
        while waiting:
            definition = reading.definitions.get(waiting.pop())
            new = atoms_in(definition) - found if definition is not None else set()
            found |= new
            waiting += new
        lengths = sorted(atom.content[0] for atom in found if atom.kind == LENGTH)
        words = {self.length(d): what for d in lengths if (what := self.shape_of(d)) is not None}
        for atom in reading.definitions:
            if atom in found:
                words[write.atom(atom)] = self.definition(atom, notation)
        for atom in sorted(found, key=lambda atom: atom.number):
            if atom.kind == SHARE:
                words[write.atom(atom)] = " / ".join(map(write.atom, atom.content))
            if atom.kind == ROOT and atom in self._names:
                words[write.atom(atom)] = self._spelled_out(alone(atom), notation)
        return words

    def definition(self, atom: Atom, notation: Notation) -> str:
        """Write the definition of a value that stays."""
        return self._spelled_out(self.reading.definitions[atom], notation)

    def _spelled_out(self, definition: Formula, notation: Notation) -> str:
        self.spelled_out = set(definition.atoms)
        try:
            return self.writer(notation).expanded(definition)
        finally:
            self.spelled_out = set()

    @cached_property
    def several(self) -> bool:
        """Whether sums over different axes occur, so that each sum must say over which."""
        return len(self._summed) > 1

    @cached_property
    def sums_over(self) -> str:
        """The lengths of the axes that all sums are over; empty if they differ."""
        if len(self._summed) != 1:
            return ""
        (axes,) = self._summed
        dims = {dim for x in self.reading.program.inputs for dim in self.reading.finder.of(x)}
        whole = [dim for dim in dims if axes.issuperset(dim) and dim]
        return " ".join(sorted(self.length(dim) for dim in whole)) if whole else ""

    @cached_property
    def _summed(self) -> set[Axes]:
        formulas = [line.recorded for line in self.reading.lines]
        atoms = {atom for formula in formulas for atom in atoms_in(formula)}
        return {atom.content[0] for atom in atoms if atom.kind == SUM}

    def writer(self, notation: Notation) -> Writer:
        """Return what writes formulas with these names."""
        return Writer(self.atom, self.length, self.axes, self.root, notation)

    def root(self, atom: Atom) -> str | None:
        """Name a square root that is no value of the program: s."""
        return None if atom in self.spelled_out else self._name(atom, "s")


def _numbered(letter: str) -> Iterator[str]:
    yield letter
    yield from (f"{letter}{i}" for i in range(2, 1000))
