"""Runs of the user's forward and backward on one batch, with some values replaced.

A ``Trial`` is a batch, its true gradients, and the quantities that may occur on it. ``Trial.run``
runs forward and backward with the instrumented copy; ``overrides`` replace values at places.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...tensor import Tensor
from ..batch import Array, Batch
from ..calls import Caller
from ..conventions import Subject
from . import truth
from .instrument import Copy, Place
from .truth import Made, Quantity

Values = Mapping[Any, Any]  # by the number of a place, or by name
Override = Callable[[Any, Values], Any]  # of the value of a place, and of those before it

GRADIENTS = ("dx", "dgamma", "dbeta")


class CannotTellError(Exception):
    """No line can be named. The message is the reason."""


@dataclass
class Recorder:
    """Notes values and replaces some. With `events`, arrays are copied, as they may be changed."""

    overrides: Mapping[int, Override] = field(default_factory=dict)
    values: dict[Any, Any] = field(default_factory=dict)
    keys: Mapping[int, str] = field(default_factory=dict)  # of places with names (see `key_of`)
    counts: dict[int, int] = field(default_factory=dict)
    events: list[tuple[int, Any]] | None = None
    objects: list[Any] = field(default_factory=list)  # of the events: the values themselves

    def __call__(self, place: int, value: Any) -> Any:
        """Note a value; return it, or the one in its place."""
        if place in self.overrides:
            value = self.overrides[place](value, self.values)
            if isinstance(value, np.ndarray):
                value = value.copy()  # the user's code may change it
        self.values[place] = value
        if place in self.keys:
            self.values[self.keys[place]] = value
        if self.events is not None:
            self.counts[place] = self.counts.get(place, 0) + 1
            self.objects.append(value)
            copied = value.copy() if isinstance(value, np.ndarray) else value
            self.events.append((place, copied))
        return value


def key_of(place: Place) -> str:
    """Return the key of a name: an attribute is the same in all methods, a local is not."""
    return place.text if "." in place.text else f"{place.function}: {place.text}"


class Direct(Caller):
    """Call without time limits: all runs together are one call, which has a limit."""

    def __init__(self) -> None:
        super().__init__(math.inf, math.inf)

    def __call__(self, call: str, function: Callable[..., Any], *args: Any) -> Any:
        """Return ``function(*args)``."""
        return function(*args)


DIRECT = Direct()


@dataclass
class Trial:
    """A batch with its truth. `wrong` are the gradients that the user's code gets wrong on it."""

    subject: Subject
    copy: Copy
    batch: Batch
    expected: dict[str, Array]
    quantities: list[Quantity]
    forward_events: list[tuple[int, Any]] = field(default_factory=list)
    events: list[tuple[int, Any]] = field(default_factory=list)
    recorder: Recorder = field(default_factory=Recorder)
    wrong: set[str] = field(default_factory=set)
    results: dict[str, Any] | None = None  # None if the code raises
    constants: dict[str, Any] = field(default_factory=dict)  # names that the forward has given
    keys: dict[int, str] = field(default_factory=dict)

    def run(self, overrides: Mapping[int, Override]) -> dict[str, Any] | None:
        """Return the gradients; None if the code raises."""
        try:
            return self._run(Recorder(), Recorder(overrides, {**self.constants}, self.keys))
        except Exception:
            return None

    def _run(self, forward: Recorder, backward: Recorder) -> dict[str, Any]:
        b = self.batch
        running = np.array(b.running_mean), np.array(b.running_var)
        with self.copy.noted_by(forward):
            session = self.subject.session(
                DIRECT,
                b.gamma.copy(),
                b.beta.copy(),
                running,
            )
            session.train(b.x.copy())
        with self.copy.noted_by(backward):
            return session.backward(b.dy.copy())

    def observe(self) -> None:
        """Run once, and keep every value of the backward and what is wrong with the results."""
        forward, backward = Recorder(events=[]), Recorder(events=[])
        try:
            results: dict[str, Any] | None = self._run(forward, backward)
        except Exception:
            results = None
        self.forward_events, self.events = forward.events or [], backward.events or []
        self.recorder = backward
        places = self.copy.places
        self.keys = {p.number: key_of(p) for p in places if p.kind in ("argument", "assignment")}
        self.constants = {"m": float(self.batch.m), "m - 1": self.batch.m - 1.0}
        for place, value in self.forward_events:
            if isinstance(places[place].node, ast.Assign) and "." in places[place].text:
                self.constants[key_of(places[place])] = value
        self.results = results
        self.wrong = set(self.expected) - self.right(results)

    def value_at(self, place: int) -> Any:
        """Return the value that a place had in the backward; None if it was not executed."""
        return next((value for number, value in self.events if number == place), None)

    def right(self, results: Mapping[str, Any] | None) -> set[str]:
        """Return the names of the gradients that are right."""
        if results is None:
            return set()
        return {
            name
            for name, wanted in self.expected.items()
            if isinstance(results[name], np.ndarray | np.generic)
            and results[name].shape == wanted.shape
            and close(results[name], wanted)
        }


def close(a: Any, b: Any) -> bool:
    """Return whether two arrays of one shape are equal, to the precision that they have."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind not in "fiu":
        return False
    single = a.dtype.itemsize < 8 and a.dtype.kind == "f"
    with np.errstate(all="ignore"):
        size = max(float(np.max(np.abs(b), initial=0)), 1e-200)
        return bool(np.max(np.abs(a - b), initial=0) <= (1e-4 if single else 1e-9) * size)


def trials(subject: Subject, copy: Copy, eps: float, seed: int) -> list[Trial]:
    """Make two trials: one of scale 1, and a small one, in which eps matters."""
    rng = np.random.default_rng(seed)
    made = []
    shapes = ((6, 3), (5, 4)) if subject.ndim == 2 else ((2, 3, 4, 5), (3, 2, 2, 4))
    for shape, scale in zip(shapes, (1.0, 0.02), strict=True):
        features = shape[1]
        batch = Batch(
            x=scale * (rng.standard_normal(shape) + 0.7),
            gamma=rng.uniform(0.5, 2.0, features) * rng.choice([-1.0, 1.0], features),
            beta=rng.uniform(0.5, 2.0, features),
            dy=rng.standard_normal(shape),
            axis=tuple(i for i in range(subject.ndim) if i != 1),
            eps=eps,
            running_mean=rng.uniform(-1.0, 1.0, features),
            running_var=rng.uniform(0.5, 2.0, features),
        )
        made.append(trial(subject, copy, batch))
    for one, found in zip(made, truth.distinct([t.quantities for t in made]), strict=True):
        one.quantities = found
    return made


def trial(subject: Subject, copy: Copy, batch: Batch) -> Trial:
    """Make the trial of a batch: the truth, and what the code does.

    Raises CannotTellError if the forward is not that of batch norm and does not run on Tensors.
    """
    own = _own(subject, copy, batch)
    y = np.asarray(_forward(subject, batch))
    is_batch_norm = y.shape == batch.y.shape and close(y, batch.y)
    found: list[Quantity] = []
    if own is not None:
        made, out = own
        found += truth.quantities(made, out, batch.dy)
        gradients = truth.quantities(made[:3], out, batch.dy)
        expected = dict(
            zip(GRADIENTS, [q.value for q in gradients if q.kind == "gradient"], strict=False)
        )
        if len(expected) < 3:
            raise CannotTellError("the output does not depend on x, gamma and beta")
    if own is None and is_batch_norm:
        expected = {
            "dx": batch.dx(),
            "dgamma": batch.per_feature(batch.sum(batch.dy * batch.x_hat)),
            "dbeta": batch.per_feature(batch.sum(batch.dy)),
        }
    elif own is None:
        raise CannotTellError("the forward does not run on Tensors")
    if is_batch_norm:
        found += truth.other_ways(batch)
        found += truth.sums(found, batch)
        found += truth.factors(batch)
    found = [view for quantity in found for view in truth.views(quantity, batch)]
    expected = {name: expected[name] for name in subject.gradients}
    one = Trial(subject, copy, batch, expected, found)
    one.observe()
    return one


def _own(subject: Subject, copy: Copy, batch: Batch) -> tuple[list[Made], Tensor] | None:
    """Run the forward on Tensors; None if it cannot be recorded."""
    x, gamma, beta = (Tensor(a, requires_grad=True) for a in (batch.x, batch.gamma, batch.beta))
    recorder = Recorder(events=[])
    running = np.array(batch.running_mean), np.array(batch.running_var)
    try:
        with copy.noted_by(recorder):
            session = subject.session(DIRECT, gamma, beta, running)
            y = session.train(x)
    except Exception:
        return None
    if not isinstance(y, Tensor) or not y.requires_grad or y.shape != batch.dy.shape:
        return None
    inputs = [Made(x, "x"), Made(gamma, "gamma"), Made(beta, "beta"), Made(y, "the output")]
    known = {id(x), id(gamma), id(beta)}
    others = truth.made_by(copy.places, recorder.events or [])
    return [*inputs, *(made for made in others if id(made.tensor) not in known)], y


def _forward(subject: Subject, batch: Batch) -> Any:
    running = np.array(batch.running_mean), np.array(batch.running_var)
    session = subject.session(
        DIRECT,
        batch.gamma.copy(),
        batch.beta.copy(),
        running,
    )
    return session.train(batch.x.copy())
