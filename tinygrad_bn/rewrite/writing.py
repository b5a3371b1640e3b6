"""Formulas as text and as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .. import sizes, writing
from .algebra import GROUP, ROOT, SUM, TRUTH, Atom, Axes, Factors, Formula, front, raised
from .meaning import FUNCTION, LENGTH, ONE_HOT, OPAQUE

GREEK = {
    "alpha", "beta", "gamma", "delta", "eta", "lambda", "mu", "phi", "pi", "rho", "sigma", "tau",
    "theta",
}  # fmt: skip
SYMBOLS = {"std": "s", "eps": r"\varepsilon", "x_centered": r"(x-\mu)"}


@dataclass(frozen=True)
class Notation:
    """How parts of a formula are put together: in text, or in LaTeX."""

    fraction: Callable[[str, str], str]
    power: Callable[[str, int], str]
    brackets: Callable[[str], str]
    total: Callable[[str, str, bool], str]  # of a body; with the axes; whether brackets are needed
    function: Callable[[str, str], str]
    root: Callable[[str], str]
    truth: Callable[[str, str], str]
    number: Callable[[str], str]
    between: str
    name: Callable[[str], str]


def _text_fraction(above: str, below: str) -> str:
    return f"{above} / {f'({below})' if ' ' in below else below}"


TEXT = Notation(
    fraction=_text_fraction,
    power=lambda a, k: f"{a}^{k}",
    brackets=lambda a: f"({a})",
    total=lambda body, axes, brackets: f"Σ{axes}[{body}]",
    function=lambda f, a: f"{f}({a})",
    root=lambda a: f"sqrt({a})",
    truth=lambda a, sign: f"[{a} {sign} 0]",
    number=lambda digits: digits,
    between=" ",
    name=lambda name: name,
)


def _latex_sum(body: str, axes: str, brackets: bool) -> str:
    inner = body if not brackets else r"\left(" + body + r"\right)"
    return (r"\sum_{" + axes + "} " if axes else r"\sum ") + inner


FUNCTIONS = {"exp", "log", "sin", "cos", "tanh", "max", "min", "tan", "sinh", "cosh"}
LATEX = Notation(
    fraction=lambda above, below: rf"\frac{{{above}}}{{{below}}}",
    power=lambda a, k: f"{a}^{{{k}}}",
    brackets=lambda a: rf"\left({a}\right)",
    total=_latex_sum,
    function=lambda f, a: rf"{latex_function(f)}\left({a}\right)",
    root=lambda a: rf"\sqrt{{{a}}}",
    truth=lambda a, sign: rf"[{a}{sign}0]",
    number=lambda digits: (
        re.sub(r"e([+-])0*(\d+)", r"\\cdot 10^{\1\2}", digits)
        .replace("1\\cdot ", "")
        .replace("{+", "{")
    ),
    between=r"\,",
    name=lambda name: latex_name(name),
)


def latex_function(name: str) -> str:
    r"""Write the name of a function: ``\exp``, or upright letters."""
    return f"\\{name}" if name in FUNCTIONS else rf"\operatorname{{{name}}}"


def latex_name(name: str) -> str:
    r"""Write a name: Greek letters, hats, a cotangent as d in front of its value.

    >>> print(latex_name("x_hat"), latex_name("dgamma"), latex_name("w1"), latex_name("logits"))
    \hat{x} d\gamma w_{1} \mathrm{logits}
    """
    if name in SYMBOLS or name in GREEK or len(name) == 1:
        return SYMBOLS.get(name, f"\\{name}" if name in GREEK else name)
    if name[0] == "d" and _is_symbol(name[1:]):
        return f"d{latex_name(name[1:])}"
    if name.endswith("_hat"):
        return rf"\hat{{{latex_name(name[:-4])}}}"
    if match := _WITH_INDEX.fullmatch(name):
        return f"{match[1]}_{{{match[2]}}}"
    return r"\mathrm{" + re.sub(r"([#$%&_])", r"\\\1", re.sub(r"[\\{}^~]", "", name)) + "}"


_WITH_INDEX = re.compile(r"([A-Za-z])_?(\d+)")


def _is_symbol(name: str) -> bool:
    known = name in SYMBOLS or name in GREEK or name.endswith("_hat") or len(name) == 1
    return known or bool(_WITH_INDEX.fullmatch(name)) or (name[0] == "d" and _is_symbol(name[1:]))


class Writer:
    """Writes formulas with the names of atoms and of axes."""

    def __init__(
        self,
        name: Callable[[Atom], str],
        length: Callable[[tuple[int, ...]], str],
        axes: Callable[[Axes], str],
        root: Callable[[Atom], str | None],
        notation: Notation,
    ) -> None:
        self.name, self.length, self.axes, self.root = name, length, axes, root
        self.notation = notation

    def factored(self, formula: Formula) -> str:
        """Write a formula with its common factor in front."""
        if len(formula.terms) < 2:
            return self.expanded(formula)
        factors, c = front(formula)
        inner = formula.times(1 / c, raised(factors, -1))
        if all(k < 0 for k in inner.terms.values()):
            inner, c = -inner, -c
        if not factors and c in (1, -1):
            return self.expanded(formula)
        sign, outside = self._product(factors, c)
        inside = self.notation.brackets(self.expanded(inner))
        return f"{sign}{inside if outside == '1' else f'{outside}{self.notation.between}{inside}'}"

    def expanded(self, formula: Formula) -> str:
        """Write a formula as a sum of products."""
        if not formula.terms:
            return "0"
        out = ""
        for factors in self._in_order(formula):
            sign, text = self._product(factors, formula.terms[factors])
            out += f" {sign or '+'} {text}" if out else f"{sign}{text}"
        return out

    def _in_order(self, formula: Formula) -> list[Factors]:
        def place(factors: Factors) -> tuple[Any, ...]:
            """Positive terms first, then numbers last, and those with more sums."""
            sums = sum(abs(k) for x, k in factors if x.kind == SUM)
            powers = [(x.number, k) for x, k in factors]
            return formula.terms[factors] < 0, not factors, sums, len(factors), powers

        return sorted(formula.terms, key=place)

    def _product(self, factors: Factors, c: Fraction) -> tuple[str, str]:
        above = [(x, k) for x, k in factors if k > 0]
        below = [(x, -k) for x, k in factors if k < 0]
        number = self.notation.number
        top = self._factors(above, number(_plain(abs(c), above=True)))
        bottom = self._factors(below, number(_plain(abs(c), above=False)))
        text = top if bottom == "1" else self.notation.fraction(top, bottom)
        return "-" if c < 0 else "", text

    def _factors(self, factors: list[tuple[Atom, int]], number: str) -> str:
        def place(factor: tuple[Atom, int]) -> tuple[int, ...]:
            atom = factor[0]
            group = {LENGTH: 0, GROUP: 2, SUM: 3}.get(atom.kind, 1)
            return group, len(atom.over) if group == 1 else 0, atom.number

        words = [] if number == "1" and factors else [number]
        words += [self._power(atom, k) for atom, k in sorted(factors, key=place)]
        return self.notation.between.join(words)

    def _power(self, atom: Atom, k: int) -> str:
        text = self.atom(atom)
        if k == 1:
            return text
        if not re.fullmatch(r"\\?\w+|\\hat\{\w+\}|\(.*\)", text):
            text = self.notation.brackets(text)
        return self.notation.power(text, k)

    def equation(self, atom: Atom, formula: Formula) -> str:
        """Write that an atom is a formula."""
        return f"{self.atom(atom)} = {self.expanded(formula)}"

    def atom(self, atom: Atom) -> str:
        """Write an atom."""
        write = self.notation
        if atom.kind == LENGTH:
            return self.length(atom.content[0])
        if atom.kind == SUM:
            axes, body = atom.content
            brackets = len(body.terms) > 1 or min(body.terms.values()) < 0
            return write.total(self.expanded(body), self.axes(axes), brackets)
        if atom.kind == ROOT:
            name = self.root(atom)
            return write.name(name) if name else write.root(self.expanded(atom.content[0]))
        if atom.kind == GROUP:
            return write.brackets(self.expanded(atom.content[0]))
        if atom.kind == TRUTH and atom.content[0] == ONE_HOT:
            return write.function("onehot", self.expanded(atom.content[1]))
        if atom.kind == TRUTH:
            return write.truth(
                self.expanded(atom.content[1]), ">" if atom.content[0] == "above" else "="
            )
        if atom.kind in (FUNCTION, OPAQUE):
            operands = [self.expanded(x) for x in atom.content if isinstance(x, Formula)]
            if atom.content[0] in sizes.COMPUTE:
                return write.brackets(f" {atom.content[0]} ".join(operands))
            return write.function(atom.content[0], ", ".join(operands))
        return write.name(self.name(atom))


def _plain(c: Fraction, *, above: bool) -> str:
    """Write a coefficient: a fraction of small numbers, or a decimal as it was given."""
    if c.denominator > 1000 or c.numerator > 10**6:
        return writing.number(float(c), 6) if above else "1"
    return str(c.numerator if above else c.denominator)
