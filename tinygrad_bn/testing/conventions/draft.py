"""A script in the making: statements are tried as they are written, on one small batch.

Each statement that runs is kept. What it leaves behind says how to go on: how many results came
back, which of them has the shape of x, where in an object the gradients are now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..batch import Batch
from ..calls import Caller, CallError
from .roles import role_of_path
from .script import NothingToJudgeError, Session, Step, Subject

# Lists of gamma and beta, and of their gradients. A cache of two arrays is none.
_LISTS = re.compile(r"_?(trainable_)?(d?params|d?parameters|d?weights|grads|gradients)$", re.I)


class NotUnderstoodError(NothingToJudgeError):
    """A calling convention cannot be guessed. The message is the reason."""


class Draft:
    """The variables of a script so far, and its statements by part."""

    def __init__(
        self, call: Caller, things: Mapping[str, Any], batch: Batch, names: tuple[str, ...]
    ) -> None:
        blank = Subject(names, None, things, batch.x.ndim, "", (), (), (), norm=batch.norm)
        running = np.array(batch.running_mean), np.array(batch.running_var)
        self.session = Session(blank, call, batch.gamma.copy(), batch.beta.copy(), running)
        self.batch, self.call, self.things, self.names = batch, call, dict(things), names
        self.session.values |= {"x": batch.x.copy(), "dout": batch.dy.copy()}
        self.parts: dict[str, list[Step]] = {
            "setup": [], "forward": [], "backward": [], "test": []
        }  # fmt: skip
        self.running: tuple[str, str] | None = None
        self.gradients: tuple[str, ...] = ("dx", "dgamma", "dbeta")
        self.unjudged: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self.prelude = ""

    def do(self, part: str, step: Step) -> None:
        """Run a step and keep it. Raises CallError if it raises."""
        self.session.run(step)
        self.parts[part].append(step)

    def look(self, expression: str, call: str) -> Any:
        """Evaluate an expression, of which the statement is not known yet."""
        return self.session.call(
            call, lambda: self.session.value_of(expression.replace("{x}", "x"))
        )

    def value(self, name: str) -> Any:
        """Return the value of a variable, or None."""
        return self.session.values.get(name)

    def subject(self, convention: str, module: str | None) -> Subject:
        """Return the script as a subject."""
        parts = {part: tuple(steps) for part, steps in self.parts.items()}
        if self.batch.norm.over != "batch":  # nothing else has a test mode
            parts["test"], self.running = (), None
        return Subject(
            self.names, module, self.things, self.batch.x.ndim, convention, parts["setup"],
            parts["forward"], parts["backward"], parts["test"], self.running, self.gradients,
            self.batch.norm, unjudged=self.unjudged, missing=self.missing, prelude=self.prelude,
        )  # fmt: skip


def is_certain(error: CallError) -> bool:
    """Return whether an exception is a mistake in the user's code, whatever it is called with."""
    kind = error.told.partition(":")[0]
    return kind in ("NameError", "UnboundLocalError", "ZeroDivisionError", "ImportError")


def is_their_mistake(error: CallError) -> bool:
    """Return whether an exception shows a mistake in the user's code, and not a wrong call of it.

    A wrong call passes something else than is expected, of which the code finds that it lacks an
    attribute, a key or a method, or that arguments are missing.
    """
    kind = error.told.partition(":")[0]
    uncertain = kind in ("AttributeError", "KeyError") or "NoneType" in error.told
    return "\n  at " in error.told and not uncertain


def attributes_of(thing: Any) -> dict[str, Any]:
    """Return the attributes of an object, also those in slots."""
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    held = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
    return held | getattr(thing, "__dict__", {})


def places(thing: Any, path: str, names: tuple[str, ...] = (), depth: int = 3) -> Iterator[
    tuple[str, tuple[str, ...], Any]
]:  # fmt: skip
    """Walk what an object holds: for each place its expression, the names to it, and its value."""
    if isinstance(thing, np.ndarray | np.generic) or thing is None or depth < 0:
        return
    inside: list[tuple[str, str, Any]] = []
    if isinstance(thing, dict):
        inside = [(f"{path}[{k!r}]".replace("'", '"'), k, v) for k, v in thing.items()
                  if isinstance(k, str)]  # fmt: skip
    elif isinstance(thing, list | tuple) and len(thing) == 2 and names and _LISTS.match(names[-1]):
        inside = [(f"{path}[{i}]", n, v) for i, (n, v) in enumerate(
            zip(("gamma", "beta"), thing, strict=True))]  # fmt: skip
    elif (
        (hasattr(thing, "__dict__") or hasattr(thing, "__slots__"))
        and not isinstance(thing, type)
        and not callable(getattr(thing, "forward", None) if names else None)
    ):
        inside = [
            (f"{path}.{k}", k, v) for k, v in attributes_of(thing).items() if not k.startswith("__")
        ]
    inside = [(e, name.rpartition("__")[2], value) for e, name, value in inside]  # _Class__gamma
    for expression, name, value in inside:
        yield expression, (*names, name), value
    for expression, name, value in inside:
        if not isinstance(value, str | int | float) and not callable(value):
            yield from places(value, expression, (*names, name), depth - 1)


def places_of(thing: Any, path: str) -> dict[str, list[tuple[str, Any]]]:
    """Return the places of an object by role: "gamma", "d gamma", "running mean", ..."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for expression, names, value in places(thing, path):
        role = role_of_path(names)
        if role:
            found.setdefault(role, []).append((expression, value))
    return found


def fits(value: Any, batch: Batch) -> bool:
    """Return whether a value is an array with one number per feature."""
    return isinstance(value, np.ndarray) and value.size == batch.gamma.size
