"""A program as text: an equation a line, as one would write it on a blackboard.

A result without a name that is used once stands where it is used. How a primitive is written is in
its row of the table.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from .. import shapes, sizes
from ..sizes import Axis, Size
from .data import Equation, ProgramData, Variable

WIDTH = 60  # characters: a longer formula is cut in two
ATOM = 9  # the precedence of a name or a call
LETTERS = {1: "m", 2: "mn", 3: "mcl", 4: "mchw", 5: "mcdhw"}


def listing(program: ProgramData) -> str:
    """Write the program."""
    return _Listing(program).text()


class _Listing:
    def __init__(self, program: ProgramData) -> None:
        self.program = program
        self.made_by = {e.output: e for e in program.equations}
        self.names: dict[Variable, str] = {}
        self.taken: Counter[str] = Counter()
        self.used: set[str] = set()
        self.lengths: dict[Axis, str] = {}
        self.letters_used: list[Axis] = []
        self.main = next((x.dtype for x in program.inputs if x.dtype.kind == "f"), None)
        for x in (*program.inputs, *program.captured):
            self._name(x, x.name or "x")
        for constant in program.constants:
            if constant.value.size != 1:
                self._name(constant, constant.name or "c")
        self._name_lengths()

    def text(self) -> str:
        program = self.program
        ends = {*program.outputs, *program.updates.values()}
        lines: list[tuple[str, str, str]] = []
        tail: tuple[str, str, str] | None = None
        letters: list[Axis] = []
        for equation in program.equations:
            v = equation.output
            if self._is_printed_in_place(equation, ends):
                continue
            self.letters_used = []
            formula, _ = self._formula(equation)
            letters += self.letters_used
            alone = v.name is None and program.outputs == (v,) and not program.updates
            if alone and equation is program.equations[-1]:
                tail = ("return", formula, self._facts(v, force=False))
                continue
            lines.append((self._name(v, v.name or "unnamed"), formula, self._facts(v)))
        self.letters_used = letters
        head = [program.name, *self._given()]
        width = max((len(name) for name, _, _ in lines), default=0)
        room = min(WIDTH, max((len(formula) for _, formula, _ in lines), default=0))
        body = [
            f"  {name.ljust(width)} = {formula.ljust(room)}    {facts}".rstrip()
            for name, formula, facts in lines
        ]
        if tail is not None:
            body.append(f"  return {tail[1]}    {tail[2]}".rstrip())
        else:
            body.append(f"  return {', '.join(self._atom(x)[0] for x in program.outputs)}")
        for name, x in program.updates.items():
            body.append(f"  update {name} to {self._atom(x)[0]}")
        return "\n".join([*head, *self._where(), *body])

    # What is given

    def _given(self) -> list[str]:
        program = self.program
        given = [f"{self.names[x]} {self._type(x)}" for x in program.inputs]
        lines = _wrapped("given ", given)
        lines += _wrapped("with ", [f"{self.names[x]} {self._type(x)}" for x in program.captured])
        constants = [x for x in program.constants if x in self.names]
        return lines + _wrapped(
            "constant ", [f"{self.names[x]} {self._type(x)}" for x in constants]
        )

    def _type(self, x: Variable) -> str:
        if x.weak:
            return "a number"
        first = self.program.inputs[:1] == (x,)
        return f"{x.shape} {x.dtype}" if first or x.dtype != self.main else f"{x.shape}"

    def _where(self) -> list[str]:
        seen = dict.fromkeys(self.letters_used)
        return _wrapped("where ", [
            f"{self.lengths[axis]} = {self.names[axis.of]}.shape[{axis.axis}]" for axis in seen
        ])  # fmt: skip

    def _name_lengths(self) -> None:
        """Name the lengths of the inputs m, n, ... and equal ones alike."""
        used = {e.output.name for e in self.program.equations} | set(self.names.values())
        for x in self.program.inputs:
            letters = LETTERS.get(len(x.shape), "m" + "d" * (len(x.shape) - 1))
            for axis, letter in enumerate(letters[: len(x.shape)]):
                key = Axis(x, axis)
                name = letter
                for i in range(2, 99):
                    if name not in used:
                        break
                    name = f"{letter}{i}"
                if sizes.only_axis(x.lengths[axis]) == key:
                    self.lengths[key] = name
                    used.add(name)

    def _length(self, axis: Axis) -> str:
        if axis in self.lengths:
            self.letters_used.append(axis)
            return self.lengths[axis]
        return f"{self._atom(axis.of)[0]}.shape[{axis.axis}]"

    # Names

    def _name(self, v: Variable, wanted: str) -> str:
        if v not in self.names:
            unnamed = v.name is None and v in self.made_by
            name = "" if unnamed else wanted
            while not name or name in self.used:
                self.taken[wanted] += 1
                number = self.taken[wanted]
                name = f"t{number}" if unnamed else f"{wanted}_{number + 1}"
            self.used.add(name)
            self.names[v] = name
        return self.names[v]

    def _is_printed_in_place(self, equation: Equation, ends: set[Variable]) -> bool:
        v = equation.output
        users = self.program.users.get(v, [])
        if v.name is not None or v in ends:
            return False
        if len(users) == 1 and users[0].variables.count(v) == 1:
            return len(self._operand(v, users[0])[0]) <= WIDTH // 2
        return len(users) > 0 and self._is_trivial(equation)

    def _is_trivial(self, equation: Equation) -> bool:
        return not equation.variables  # a constant

    def _facts(self, v: Variable, force: bool = True) -> str:
        dtype = "" if v.dtype == self.main else f" {v.dtype}"
        return f"{v.shape}{dtype}" if force or dtype else ""

    # Formulas

    def _atom(self, x: Any) -> tuple[str, int]:
        """Write an operand, and how tightly it binds."""
        if isinstance(x, Variable):
            if x in self.names:
                return self.names[x], ATOM
            if x in self.made_by:
                return self._formula(self.made_by[x])
            return _number(x.value.item())  # type: ignore[attr-defined]
        if isinstance(x, Size):
            text = sizes.written(x, self._length)
            return text, 4 if " " in text else ATOM
        return _number(x)

    def _formula(self, equation: Equation) -> tuple[str, int]:
        primitive = equation.primitive
        if primitive.math[0] == "a":  # a change of dtype
            return self._atom(equation.inputs[0])
        operands = [self._operand(x, equation) for x in equation.inputs]
        if primitive is shapes.transpose and equation.params["axes"] == (1, 0):
            text, binds = operands[0]
            return (text if binds == ATOM else f"({text})") + "^T", 6
        if primitive.infix and len(operands) <= 2:
            return self._infix(equation, operands), primitive.infix
        words = [text for text, _ in operands]
        words += [
            f"{key}={self._param(value)}"
            for key, value in equation.params.items()
            if key != "keepdims" and value is not None and not isinstance(value, np.dtype | type)
        ]
        return f"{primitive.name}({', '.join(words)})", ATOM

    def _operand(self, x: Any, user: Equation) -> tuple[str, int]:
        made = self.made_by.get(x) if isinstance(x, Variable) and x not in self.names else None
        while made is not None and self._is_understood(made, user):
            x = made.inputs[0]
            made = self.made_by.get(x) if x not in self.names else None
        return self._atom(x)

    def _is_understood(self, made: Equation, user: Equation) -> bool:
        """Return whether `user` repeats the array by itself, as elementwise operations do."""
        (x, *_), shape = made.inputs, made.output.shape
        others = [v for v in user.variables if v is not made.output]
        if not user.primitive.elementwise or not isinstance(x, Variable):
            return False
        repeats = made.primitive is shapes.broadcast_to or (
            made.primitive is shapes.reshape and shape[len(shape) - len(x.shape) :] == x.shape
        )
        return repeats and self._is_repeated_in(user, others)

    def _is_repeated_in(self, user: Equation, others: list[Variable]) -> bool:
        shape, v = user.output.shape, user.output
        if any(other.shape == shape for other in others):
            return True
        users = self.program.users.get(v, [])
        if others or v.name is not None or len(users) != 1 or v in self.program.outputs:
            return False
        others = [other for other in users[0].variables if other is not v]
        return users[0].primitive.elementwise and self._is_repeated_in(users[0], others)

    def _infix(self, equation: Equation, operands: list[tuple[str, int]]) -> str:
        formula, strength = equation.primitive.math[0], equation.primitive.infix
        if formula == "a b" and isinstance(equation.inputs[-1], int | float):
            operands = operands[::-1]  # 2 x, not x 2
        (a, binds_a), (b, binds_b) = operands[0], operands[-1]
        if formula == "a b" and binds_b == strength and b.partition(" ")[0].isdigit():
            number, _, b = b.partition(" ")  # 2 (a / m) x, not (a / m) 2 x
            a, binds_a = f"{number} {a if binds_a >= strength else f'({a})'}", strength
        least = 6 if "@" in formula else ATOM if "^" in formula else strength
        if binds_a < least and not (a.startswith("-") and least == strength):
            a = f"({a})"
        least = 6 if {"/", "@"} & set(formula) else strength + (formula in ("a - b", "a^b"))
        if binds_b < least or (len(operands) == 2 and b.startswith("-")):
            b = f"({b})"
        if len(operands) == 1:
            return formula.replace("a", b)
        sign = " * " if formula == "a b" and b[0].isdigit() else formula[1:-1]
        return f"{a}{sign}{b}"

    def _param(self, value: Any) -> str:
        if isinstance(value, Size):
            return sizes.written(value, self._length)
        if isinstance(value, np.ndarray):
            return f"array{value.shape}"
        if isinstance(value, slice):
            parts = [value.start, value.stop, *([value.step] if value.step is not None else [])]
            return ":".join("" if part is None else self._param(part) for part in parts)
        if isinstance(value, tuple | list):
            inner = ", ".join(self._param(item) for item in value)
            return inner if len(value) == 1 else f"({inner})"
        return str(value)


def _number(value: Any) -> tuple[str, int]:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text, 3 if text.startswith("-") else ATOM


def _wrapped(first: str, items: list[str], width: int = 96) -> list[str]:
    lines, line = [], first
    for i, item in enumerate(items):
        item += "," if i + 1 < len(items) else ""
        if len(line) + len(item) > width:
            lines.append(line.rstrip())
            line = " " * len(first)
        line += item + " "
    return [*lines, line.rstrip()] if items else []
