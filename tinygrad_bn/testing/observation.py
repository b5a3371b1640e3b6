"""The results of an implementation on one batch, and the derivative of its forward.

``observe`` runs an implementation in every way that is checked. It stores each result under its
name in the catalogue, with the statements that led to it. ``Reference`` computes the derivative of
the user's own forward, with the engine or else numerically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..autodiff import grad
from ..tensor import Tensor
from .batch import Array, Batch, probe
from .calls import Caller, CallError
from .catalogue import elsewhere
from .conventions import Session, Subject
from .numerical import Estimate, exact, slope, vjp

GRADIENTS = ("dx", "dgamma", "dbeta")


@dataclass(frozen=True)
class Seen:
    """One result: its value, or the exception raised instead, and the statements that led to it.

    `expression` names the value in the statements.
    """

    value: Any
    expression: str
    statements: tuple[str, ...]


def observe(subject: Subject, batch: Batch, call: Caller) -> dict[str, Seen]:
    """Run the implementation in every way on one batch, and return the results by name."""
    seen: dict[str, Seen] = {}
    for use in (_train_and_backward, _another_forward, _test_mode):
        if use is not _test_mode or subject.has_test_mode:
            use(subject, batch, call, seen)
    return seen


def running_of(batch: Batch) -> tuple[Array, Array]:
    """Return copies of the running statistics before the step: the user's code may change them."""
    return np.array(batch.running_mean), np.array(batch.running_var)


class _Run:
    """One session, whose results are stored in `seen`. The first exception ends it."""

    def __init__(self, subject: Subject, batch: Batch, call: Caller, seen: dict[str, Seen]) -> None:
        self.seen = seen
        self.gamma, self.beta = batch.gamma.copy(), batch.beta.copy()
        self.session: Session = subject.session(call, self.gamma, self.beta, running_of(batch))

    def keep(self, name: str, value: Any, expression: str) -> None:
        if isinstance(value, np.ndarray):
            value = value.copy()  # the user's code may change it later
        self.seen[name] = Seen(value, expression, tuple(self.session.statements))

    def keep_running(self, when: str) -> None:
        for name, value in zip(self.session.names, self.session.running(), strict=True):
            if value is None:
                continue
            expression = self.session.names[name]
            fits = isinstance(value, np.ndarray) and value.size == self.gamma.size
            if fits and value.shape != self.gamma.shape:  # statistics may be kept as (1, D)
                value, expression = value.reshape(self.gamma.shape), f"{expression}.reshape(-1)"
            self.keep(name + when, value, expression)


def _attempt(
    name: str, start: Callable[[], _Run], seen: dict[str, Seen], steps: Callable[[_Run], None]
) -> None:
    """Run the steps. If the user's code raises, its exception is stored as the next result."""
    run = None
    try:
        run = start()
        steps(run)
    except CallError as error:
        statements = run.session.statements if run else [error.call]
        missing = next(n for n in name.split(", ") if n not in seen)
        seen[missing] = Seen(error, "", tuple(statements))


def _train_and_backward(
    subject: Subject, batch: Batch, call: Caller, seen: dict[str, Seen]
) -> None:
    x, dy = batch.x.copy(), batch.dy.copy()

    def steps(run: _Run) -> None:
        run.keep("y", run.session.train(x), "out")
        for name, array in (("x", x), ("gamma", run.gamma), ("beta", run.beta)):
            run.keep(f"{name} after forward", array, name)
        run.keep_running("")
        if not subject.has_backward:
            return
        for name, value in run.session.backward(dy).items():
            run.keep(name, value, name)
        run.keep("dy after backward", dy, "dout")
        again = run.session.backward(batch.dy.copy())
        run.keep("dx of a second backward", again["dx"], "dx")

    def start() -> _Run:
        return _Run(subject, batch, call, seen)

    _attempt("y, dx, dx of a second backward", start, seen, steps)


def _another_forward(subject: Subject, batch: Batch, call: Caller, seen: dict[str, Seen]) -> None:
    """Run the forward on other batches: before, and in another session before the backward."""
    if not isinstance(getattr(seen.get("dx"), "value", None), np.ndarray):
        return

    def steps(run: _Run) -> None:
        run.session.train(elsewhere(batch, "first").x, "x_first")
        run.session.train(batch.x.copy())
        latest = _Run(subject, batch, call, {})
        latest.session.train(elsewhere(batch, "latest").x, "x_latest")
        run.session.statements += run.session.beside(latest.session)
        run.keep("dx after another forward", run.session.backward(batch.dy.copy())["dx"], "dx")

    def start() -> _Run:
        return _Run(subject, batch, call, seen)

    _attempt("dx after another forward", start, seen, steps)


def _test_mode(subject: Subject, batch: Batch, call: Caller, seen: dict[str, Seen]) -> None:
    def steps(run: _Run) -> None:
        run.keep("test mode", run.session.test(batch.x.copy()), "out")
        run.keep_running(" after test")

    _attempt("test mode", lambda: _Run(subject, batch, call, seen), seen, steps)


# --- the derivative of the user's forward ---------------------------------------------------


@dataclass
class Reference:
    """Differentiate the user's forward in training mode.

    `untraced` is the reason why the engine cannot differentiate it, or None.
    """

    subject: Subject
    call: Caller
    untraced: str | None = None
    _trusted: bool = field(default=False, repr=False)

    def __call__(self, batch: Batch) -> list[Estimate]:
        """Compute dx, dgamma and dbeta, each with a bound on its numerical error."""
        if self.untraced is None:
            try:
                if not self._trusted:
                    self._cross_check(probe(self.subject.ndim, 1.0, self.subject.norm))
                    self._trusted = True
                return [exact(g) for g in self._trace(batch)]
            except CallError as error:
                self.untraced = error.told
        return self._numerically(batch)

    def _trace(self, batch: Batch) -> list[Array]:
        inputs = [Tensor(a, requires_grad=True) for a in (batch.x, batch.gamma, batch.beta)]
        x, gamma, beta = inputs
        y = self.subject.session(self.call, gamma, beta, running_of(batch)).train(x)

        def differentiate() -> list[Array]:
            if not isinstance(y, Tensor):
                raise TypeError("forward turned its input into a plain array")
            wanted = inputs if self.subject.norm.shifted else inputs[:2]
            return [g.data for g in grad(y, wanted, batch.dy)]

        result: list[Array] = self.call("differentiating forward", differentiate)
        return result

    def _cross_check(self, batch: Batch) -> None:
        """Raise CallError unless the traced gradient agrees with one difference of the forward.

        They differ if the forward leaves the engine, as ``float(x)`` does.
        """
        traced = self._trace(batch)
        v = elsewhere(batch, "latest").x * 0.25, batch.beta + 1.5, batch.gamma + 0.75
        inputs = batch.x, batch.gamma, batch.beta
        unit = np.finfo(batch.x.dtype).eps

        def along(t: float) -> tuple[float, float]:
            moved = [a + t * d for a, d in zip(inputs, v, strict=True)]
            terms = batch.dy * self._forward(batch, *moved)
            return float(np.sum(terms)), 4 * float(unit * np.sum(np.abs(terms)))

        numerical, error = slope(along, 1 / 64, 2.0, 5)
        parts = [g * d for g, d in zip(traced, v, strict=False)]
        size = sum(float(np.sum(np.abs(p))) for p in parts)
        if not abs(sum(float(np.sum(p)) for p in parts) - numerical) <= 2 * error + 1e-6 * size:
            lost = TypeError("the recorded gradient lacks a part, as float(x) would lose it")
            raise CallError("differentiating forward", lost)

    def _numerically(self, batch: Batch) -> list[Estimate]:
        scale = np.broadcast_to(np.asarray(batch.s, np.float64), batch.x.shape)
        steps = [scale / 16, np.full(batch.gamma.shape, 1.0), np.full(batch.beta.shape, 1.0)]
        inputs = [np.asarray(a, np.float64) for a in (batch.x, batch.gamma, batch.beta)]

        def forward(*moved: Array) -> Array:
            return self._forward(batch, *moved)

        return vjp(forward, inputs, batch.dy, steps)

    def _forward(self, batch: Batch, x: Array, gamma: Array, beta: Array) -> Array:
        session = self.subject.session(self.call, gamma, beta, running_of(batch))
        return np.asarray(session.train(x))
