"""The line at which a backward pass goes wrong.

The forward runs on Tensors, which yields the true cotangent of every value in it (truth.py). A
copy of the backward notes the value of every expression (instrument.py), on two random batches
(trial.py). The line is the first whose value is none of those while all that it is computed from
is (locating.py), and the proof is that another value there makes the results right; edits.py
finds small changes that do so. Names only decide between several that fit.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..batch import Batch
from ..calls import Caller, CallError, TimeLimitError
from ..conventions import Subject
from ..expectation import side_by_side
from . import words
from .instrument import Copy, copy_of, functions_run_by
from .locating import Found, always, locate
from .trial import DIRECT, CannotTellError, Trial, trial, trials
from .truth import Quantity

__all__ = ["Lines", "Where"]

SECONDS_AT_MOST = 20.0  # for one gradient, if the user's code waits


@dataclass(frozen=True)
class Where:
    """The line at which one gradient goes wrong, with its values on one batch.

    `clauses` is what there is to say. `expected` and `got` are None if the value cannot be shown.
    """

    gradient: str
    file: str
    line: int
    target: str
    clauses: tuple[str, ...]
    expected: Any = None
    got: Any = None

    def __str__(self) -> str:
        parts = list(self.clauses)
        if self.expected is not None:
            shown = side_by_side(self.expected, self.got)
            parts.append("on the batch below:\n  " + shown.replace("\n", "\n  "))
        return "\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return the contents as a dict that can be written as JSON."""
        values = {
            name: None if value is None else np.asarray(value).tolist()
            for name, value in (("expected", self.expected), ("got", self.got))
        }
        text = "; ".join(self.clauses)
        return {"line": self.line, "target": self.target, "text": text, **values}


@dataclass
class Lines:
    """The search for lines in one implementation. `eps` is that of its forward."""

    subject: Subject
    eps: float
    found: dict[str, Found] = field(default_factory=dict)
    shown_on: Batch | None = None  # the smallest batch of the first gradient that is wrong
    _trials: list[Trial] = field(default_factory=list)
    _copied: Copy | None = None

    def of(self, name: str, batch: Batch) -> Where | None:
        """Return where the gradient `name` goes wrong, with values on `batch`; None if unknown."""
        self.shown_on = self.shown_on or batch
        try:
            call = Caller(SECONDS_AT_MOST, SECONDS_AT_MOST)
            where: Where | None = call("finding the line", self._of, name, batch)
        except (CallError, TimeLimitError):
            return None
        return where

    def _of(self, name: str, batch: Batch) -> Where | None:
        found = self.found[name] = locate(self.trials(), name)
        step = found.suspect
        if step is None:
            return None
        place = step.place
        said = tuple(words.clauses(found, name))
        where = Where(name, place.file, place.line, place.text, said)
        try:
            here = self.at(batch)
        except CannotTellError:
            return where
        ought = self.expected_at(found, here)
        if ought is None:
            return where
        return replace(where, expected=ought, got=here.value_at(place.number))

    def expected_at(self, found: Found, here: Trial) -> Any:
        """Return the value that the suspect should have in another trial; None if unknown."""
        return found.suspect and _counterpart(found, here, found.suspect.place.number)

    def trials(self) -> list[Trial]:
        """Return two random trials. Raises CannotTellError if there can be none."""
        if not self._trials:
            self._trials = trials(self.subject, self._copy(), self.eps, seed=3)
        return self._trials

    def at(self, batch: Batch) -> Trial:
        """Return the trial of one batch."""
        return trial(self.subject, self._copy(), batch)

    def _copy(self) -> Copy:
        if self._copied is None:
            rng = np.random.default_rng(0)
            shape = (3, 3) if self.subject.ndim == 2 else (2, 2, 2, 2)
            x, features = rng.standard_normal(shape), np.ones(shape[1])

            def run() -> None:
                statistics = np.zeros(shape[1]), np.ones(shape[1])
                session = self.subject.session(
                    DIRECT,
                    features,
                    features,
                    statistics,
                )
                session.train(x)
                with suppress(Exception):  # a line may be found where it raises, too
                    session.backward(x.copy())

            self._copied = copy_of(functions_run_by(run))
            if not self._copied.functions:
                raise CannotTellError("the source of the functions is not there")
        return self._copied


def _counterpart(found: Found, here: Trial, place: int) -> Any:
    """Return the value on another batch of the quantity that the suspect should be."""
    got: Any = here.value_at(place)
    for quantity in here.quantities:
        if found.ought and _same_name(quantity, found.ought):
            value = quantity.value
            if value.size == np.size(got):
                value = value.reshape(np.shape(got))
                results = here.run({place: always(value)})
                if here.right(results) > here.right(here.results):
                    return value
    return None


def _same_name(a: Quantity, b: Quantity) -> bool:
    return (a.kind, a.of, a.line) == (b.kind, b.of, b.line)
