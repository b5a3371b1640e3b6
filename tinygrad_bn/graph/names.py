"""What a picture calls a value: its name in the symbols of the sources, or a short formula.

``mu`` is μ. A result without a name is called by how it was computed: ``(x − μ)²``, ``σ² + ε``. If
that is too long, it is called by its number in the table, ``#7``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .. import writing
from .data import Node

GREEK = {
    "mu": "μ", "var": "σ²", "std": "σ", "x_hat": "x̂", "x_centered": "x − μ",
    "gamma": "γ", "beta": "β", "eps": "ε",
}  # fmt: skip
SYMBOLS = {
    "add": "+", "sub": "−", "mul": "×", "div": "÷", "pow": "xʸ", "sqrt": "√", "neg": "−x",
    "matmul": "@", "sum": "Σ", "prod": "Π", "mean": "mean", "abs": "|x|", "broadcast_to": "repeat",
}  # fmt: skip
RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
LONGEST = 60  # characters of a name,
LONGEST_FORMULA = 24  # of a formula
ATOM, POWER, PRODUCT, MINUS = 9, 6, 5, 3  # how tightly a text binds, as ``Primitive.infix``
A_COTANGENT_OF = re.compile(r"d\((.*)\)")  # as recorded.py names it


def symbol(name: str | None) -> str | None:
    """Write a name with the symbols of the sources: mu is μ, its cotangent dmu is dμ."""
    if name is None or name in GREEK:
        return GREEK.get(name or "")
    if name.startswith("d") and name[1:] in GREEK:
        inner = GREEK[name[1:]]
        return f"d({inner})" if " " in inner else f"d{inner}"
    if of := A_COTANGENT_OF.fullmatch(name):
        return f"d({_in_symbols(of[1])})"
    return name


def _in_symbols(formula: str) -> str:
    """Write a formula of plain names and numbers with symbols: (x_centered^2) is ((x − μ)²)."""
    alone = formula in GREEK

    def of_word(word: re.Match[str]) -> str:
        found = GREEK.get(word[0], word[0])
        return found if alone or " " not in found else f"({found})"

    formula = re.sub(r"\w+", of_word, formula).replace(" - ", " − ")
    return re.sub(r"\^(\d)\b", lambda power: power[1].translate(RAISED), formula)


def clean(line: str) -> str:
    """Shorten a name to one line, and replace the characters that XML does not allow."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


class Words(NamedTuple):
    """A text, and how tightly it binds as an operand."""

    text: str
    binds: int = ATOM

    def within(self, least: int) -> str:
        """Return the text for a place that needs it to bind at least so tightly."""
        return self.text if self.binds >= least else f"({self.text})"


class Names:
    """What each of the nodes is called in one picture.

    ``called`` is what a formula that uses the node says; ``formula`` is how a result was computed,
    None if that is too long; ``in_place`` has the results that another formula contains in full,
    and ``numbered`` those that another formula has by number.
    """

    def __init__(self, nodes: Sequence[Node], labels: Mapping[int, str] | None = None) -> None:
        self.labels = labels or {}
        self.called: dict[int, Words] = {}
        self.formula: dict[int, str | None] = {}
        self.in_place: set[int] = set()
        self.numbered: set[int] = set()
        self.has_a_name: set[int] = set()
        by_id = {node.id: node for node in nodes}
        for node in nodes:
            self._add(node, by_id)

    def _add(self, node: Node, by_id: Mapping[int, Node]) -> None:
        given = self.labels.get(node.id, symbol(node.name))
        number = Words(f"#{node.id}")
        operands = [by_id[i] for i in node.inputs if i in by_id]
        whole = None
        if node.primitive is not None and len(operands) == len(node.inputs):
            whole = self._formula(node, operands)
        self.formula[node.id] = None if whole is None else whole.text
        if given is not None:
            self.has_a_name.add(node.id)
            self.called[node.id] = _as_operand(clean(given))
        elif node.kind == "constant" and node.value.size == 1:
            text = writing.number(float(node.value.reshape(()))).replace("-", "−")
            self.called[node.id] = Words(text, MINUS if text[0] == "−" else ATOM)
        else:
            self.called[node.id] = number if whole is None else whole

    def _formula(self, node: Node, operands: Sequence[Node]) -> Words | None:
        """Write how a result was computed; the longest operands by number, until it is short."""
        words = [self.called[operand.id] for operand in operands]
        unnamed = [
            k
            for k, operand in enumerate(operands)
            if operand.op and operand.id not in self.has_a_name
        ]
        whole = composed(node, operands, words)
        numbered: set[int] = set()
        while len(whole.text) > LONGEST_FORMULA and unnamed:
            longest = max(unnamed, key=lambda k: len(words[k].text))
            unnamed.remove(longest)
            numbered.add(operands[longest].id)
            words[longest] = Words(f"#{operands[longest].id}")
            whole = composed(node, operands, words)
        if len(whole.text) > LONGEST_FORMULA:
            return None
        self.numbered |= numbered
        self.in_place |= {operands[k].id for k in unnamed if self.formula[operands[k].id]}
        return whole


def _as_operand(name: str) -> Words:
    if re.search(r"[²³]$", name):
        return Words(name, POWER)
    return Words(name, ATOM if re.fullmatch(r"\w[^\s+*/^−-]*|d\([^()]*\)", name) else 0)


def composed(node: Node, operands: Sequence[Node], words: Sequence[Words]) -> Words:
    """Write how a result was computed, with its operands in words."""
    primitive = node.primitive
    assert primitive is not None
    name, binds = primitive.name, primitive.infix
    if not binds or len(words) > 2:
        if name == "sqrt":
            return Words(f"√{words[0].within(ATOM)}", POWER)
        if name == "abs":
            return Words(f"|{words[0].text}|")
        if name == "sum":
            return Words(f"Σ {words[0].within(PRODUCT)}", PRODUCT)
        name = "repeat" if name == "broadcast_to" else name
        return Words(f"{name}({', '.join(word.text for word in words)})")
    if name == "neg":
        return Words(f"−{words[0].within(binds)}", binds)
    a, b = words
    if name == "pow":
        power = b.text.replace("−", "-")
        raised = re.fullmatch(r"-?\d+", power)
        above = power.translate(RAISED) if raised else f"^{b.within(ATOM)}"
        return Words(f"{a.within(ATOM)}{above}", binds)
    if name == "mul" and _leads(operands[1]) and not _leads(operands[0]):
        a, b = b, a  # 2 x and γ x̂, not x 2 and x̂ γ
    sign = {"sub": " − ", "mul": " · " if b.text[:1].isdigit() else " "}
    between = sign.get(name, primitive.math[0][1:-1])
    least = POWER if name in ("div", "matmul") or b.binds == MINUS else binds + (name == "sub")
    return Words(f"{a.within(binds)}{between}{b.within(least)}", binds)


def _leads(node: Node) -> bool:
    return node.kind == "parameter" or (node.kind == "constant" and node.value.size == 1)
