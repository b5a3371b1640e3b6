"""A convention is a script: the statements that use one implementation, as a person writes them.

A script makes the parameters, runs the forward, runs the backward, reads the gradients, and does
the same in test mode. A ``Session`` executes the statements themselves. So the code in a report is
the code that ran, an adapter is a script written by hand, and there is no second way to call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from ..batch import BATCH_NORM, Norm
from ..calls import OURS, Caller

EPS, MOMENTUM = 1e-5, 0.9  # passed to implementations that take them
PARTS = frozenset(["forward", "backward", "test mode"])  # that may still be unwritten
RESULTS = ("out", "dx", "dgamma", "dbeta")  # which are None where the code is not written yet


class NothingToJudgeError(Exception):
    """No implementation with a known calling convention was found. The message is the reason."""


@dataclass(frozen=True)
class Step:
    """One statement: the targets, to which the values of the expression are assigned.

    ``{x}`` in the expression stands for the array that the forward is called with.
    """

    targets: tuple[str, ...]
    expression: str
    call: str = ""  # the function that is called, for messages

    def shown(self, x: str = "x") -> str:
        """Return the statement as Python code."""
        expression = self.expression.replace("{x}", x)
        return f"{', '.join(self.targets)} = {expression}" if self.targets else expression


def steps(code: str) -> tuple[Step, ...]:
    """Make steps of lines of code, each ``targets = expression`` or an expression.

    >>> steps("layer.mode = 'test'")
    (Step(targets=('layer.mode',), expression="'test'", call=''),)
    """
    made = []
    for line in code.splitlines():
        found = re.match(r"([\w.\[\]\"', ]+?) = (.*)", line)
        if found:
            made.append(Step(tuple(found[1].split(", ")), found[2]))
        elif line.strip():
            made.append(Step((), line.strip()))
    return tuple(made)


@dataclass(frozen=True)
class Subject:
    """One implementation to check, and the script that uses it.

    `names` are the names of its functions, or of its class, in `module`, from which they can be
    imported; `module` is None if they cannot be imported. `things` are the objects that the script
    names. The script starts with gamma, beta, running_mean and running_var; `forward` makes ``out``
    of ``x``, `backward` makes dx, dgamma and dbeta, or those that are in `gradients`, of ``dout``.
    `running` are two expressions, or None. `unjudged` says, for each part that exists and that is
    not understood, why.
    """

    names: tuple[str, ...]
    module: str | None
    things: Mapping[str, Any] = field(repr=False, compare=False)
    ndim: int
    convention: str
    setup: tuple[Step, ...]
    forward: tuple[Step, ...]
    backward: tuple[Step, ...]
    test: tuple[Step, ...] = ()
    running: tuple[str, str] | None = None
    gradients: tuple[str, ...] = ("dx", "dgamma", "dbeta")
    norm: Norm = BATCH_NORM
    written: frozenset[str] = PARTS
    unjudged: Mapping[str, str] = field(default_factory=dict, compare=False)
    missing: Mapping[str, str] = field(default_factory=dict, compare=False)  # parts not there
    prelude: str = ""  # code that defines what the script needs beside the implementation

    @property
    def has_backward(self) -> bool:
        """Return whether it has a backward that is written and whose call is known."""
        return bool(self.backward) and "backward" in self.written

    @property
    def has_test_mode(self) -> bool:
        """Return whether it has a test mode, which uses the running statistics."""
        return bool(self.test) and "test mode" in self.written

    def session(self, call: Caller, gamma: Any, beta: Any, running: tuple[Any, Any]) -> Session:
        """Start a session with these parameters and running statistics."""
        return Session(self, call, gamma, beta, running)


class Session:
    """One use of a subject: its variables, and the statements that ran so far.

    The statements of the set-up run with the first forward, whose x they may need.
    """

    def __init__(
        self, subject: Subject, call: Caller, gamma: Any, beta: Any, running: tuple[Any, Any]
    ) -> None:
        self.subject, self.call = subject, call
        self.values: dict[str, Any] = {
            "np": np, **subject.things, "gamma": gamma, "beta": beta,
            "running_mean": running[0], "running_var": running[1],
        }  # fmt: skip
        self.statements: list[str] = []
        self._set_up = False

    @property
    def names(self) -> Mapping[str, str]:
        """Return the expressions of the running statistics."""
        pair = self.subject.running
        return dict(zip(("running mean", "running var"), pair, strict=True)) if pair else {}

    def train(self, x: Any, name: str = "x") -> Any:
        """Run the forward in training mode."""
        return self._forward(self.subject.forward, x, name)

    def test(self, x: Any) -> Any:
        """Run the forward in test mode."""
        return self._forward(self.subject.test, x, "x")

    def _forward(self, statements: tuple[Step, ...], x: Any, name: str) -> Any:
        self.values[name] = x
        before = () if self._set_up else self.subject.setup
        self._set_up = True
        for step in (*before, *statements):
            self.run(step, name)
        return self.values["out"]

    def backward(self, dy: Any) -> dict[str, Any]:
        """Run the backward after the latest forward, and return the gradients by name."""
        self.values["dout"] = dy
        for step in self.subject.backward:
            self.run(step)
        return {name: self.values[name] for name in self.subject.gradients}

    def running(self) -> tuple[Any, ...]:
        """Return the current running statistics."""
        return tuple(self.call(e, lambda e=e: self.value_of(e)) for e in self.names.values())

    def run(self, step: Step, x: str = "x") -> None:
        """Execute one step. Raises CallError if it raises an exception, or is not written yet."""
        text = step.shown(x)
        self.statements.append(text)

        def execute() -> None:
            result = self.value_of(step.expression.replace("{x}", x))
            if len(step.targets) > 1:
                result = unpacked(result, step)
            elif step.targets and step.targets[0] in RESULTS:
                written(result, step)
            self.assign(step.targets, result)

        self.call(text, execute)

    def value_of(self, expression: str) -> Any:
        """Evaluate an expression with the variables of this session."""
        return eval(_compiled(expression, "eval"), self.values)

    def assign(self, targets: tuple[str, ...], result: Any) -> None:
        """Assign a result to the targets, some of which may be attributes or items."""
        if not targets:
            return
        self.values["_result"] = result
        exec(_compiled(f"{', '.join(targets)} = _result", "exec"), self.values)

    def beside(self, other: Session) -> list[str]:
        """Return the statements of another session, with names of its own for what it assigns."""
        code = "\n".join(other.statements)
        assigned = {
            re.split(r"\W", target)[0]
            for step in (*self.subject.setup, *self.subject.forward)
            for target in step.targets
        }
        for word in assigned:
            code = re.sub(rf"(?<![\w.\"']){word}\b(?!=)", f"latest_{word}", code)
        return code.splitlines()


@lru_cache(maxsize=4096)
def _compiled(code: str, mode: str) -> CodeType:
    return compile(code, OURS, mode)


def unpacked(result: Any, step: Step) -> tuple[Any, ...]:
    """Return the results as a tuple. Raises TypeError if their number differs from the targets.

    Raises NotImplementedError if one that is needed is None.
    """
    written(result, step)
    count = len(step.targets)
    if not isinstance(result, tuple | list) or len(result) != count:
        came = f"{len(result)} values" if isinstance(result, tuple | list) else kind_of(result)
        if isinstance(result, tuple | list) and any(each is None for each in result):
            raise NotImplementedError(f"{step.call or step.expression} returns None")
        named = ", ".join(step.targets)
        raise TypeError(f"{step.call} must return the {count} values {named}; it returned {came}")
    for name, value in zip(step.targets, result, strict=True):
        if name in RESULTS:
            written(value, step)
    return tuple(result)


def written(result: Any, step: Step) -> Any:
    """Return a result. Raises NotImplementedError if it is None."""
    if result is None:
        raise NotImplementedError(f"{step.call or step.expression} returns None")
    return result


def kind_of(value: Any) -> str:
    """Return the type of a value, and its shape if it has one."""
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return f"{kind} of shape {shape}" if shape is not None else kind
