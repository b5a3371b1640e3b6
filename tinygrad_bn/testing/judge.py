"""check_batch_norm: judge somebody's own batch norm, find the smallest failing case, name why.

The gradient is held against the derivative of their own forward, the forward against the
transform of the sources; the cases are drawn, and shrunk, by hypothesis.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import Phase, Verbosity, find, settings
from hypothesis.errors import NoSuchExample

from .batch import Batch, probe
from .calls import Caller, CallError, TimeLimitError
from .catalogue import Mistake
from .conventions import NothingToJudgeError, Subject, layers, pair
from .counterexample import script
from .diagnosis import diagnose
from .expectation import (
    PROPERTIES,
    Choices,
    Finding,
    choices_of,
    eps_to_judge_by,
    expected_values,
    findings,
    notes_on,
)  # fmt: skip
from .observation import GRADIENTS, Reference, Seen, observe, running_of
from .report import Line, Report, Verdict
from .strategies import BatchNormCase, batch_norm_cases

EXAMPLES, SECONDS, SECONDS_PER_CALL = 200, 60.0, 5.0
LARGER = {2: 3, 4: 1}  # how much longer than necessary the sides of an x of so many axes may be
SECONDS_TO_SHRINK = 3.0  # for each property that fails


def check_batch_norm(
    implementation: Any,
    *,
    ndim: int | None = None,
    examples: int = EXAMPLES,
    seed: int = 0,
    seconds: float = SECONDS,
    seconds_per_call: float = SECONDS_PER_CALL,
) -> Report:
    """Judge a NumPy batch norm: its forward, its gradients, and how it behaves.

    The gradients are held against the derivative of the implementation's own forward, which the
    engine takes by running that forward on Tensors; where it cannot, numerically. The forward is
    held against the transform, with the eps that fits. See docs/check-your-own.md.

    Parameters
    ----------
    implementation : a pair of functions, or a class
        ``(forward, backward)`` with ``forward(x, gamma, beta[, bn_param or eps]) -> (out,
        cache)`` and ``backward(dout, cache) -> (dx, dgamma, dbeta)``; or a class with
        ``__init__(gamma, beta, ...)``, ``forward(x[, train_flg])``, ``backward(dout)`` and the
        attributes ``dgamma`` and ``dbeta``.
    ndim : 2 or 4, optional
        Axes of x: (N, D) or (N, C, H, W). Left out, a function with "spatial" or "2d" in its
        name has 4, another 2; a class is judged on each that it runs on.
    examples, seed : int
        How many cases are drawn, and from which seed.
    seconds, seconds_per_call : float
        Limits for the whole and for each call. (A call can be interrupted in the main thread of
        POSIX systems; elsewhere it is told on its return.)

    Returns
    -------
    Report: true if all is right; print it.

    Raises
    ------
    ValueError
        If the implementation cannot be called in one of these ways, and for another `ndim` or
        less than one example.

    Examples
    --------
    >>> import numpy as np
    >>> def forward(x, gamma, beta, eps):
    ...     s = np.sqrt(x.var(axis=0) + eps)
    ...     x_hat = (x - x.mean(axis=0)) / s
    ...     return gamma * x_hat + beta, (x_hat, gamma, s)
    >>> def backward(dout, cache):
    ...     x_hat, gamma, s = cache
    ...     dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    ...     return gamma / s * (dout - dout.mean(axis=0)), dgamma, dbeta
    >>> report = check_batch_norm((forward, backward), examples=20)
    >>> [(line.property, line.mistake.name) for line in report.verdicts[0].lines if not line.passed]
    [('dx', 'path through the variance dropped')]
    """
    if ndim not in (None, 2, 4) or examples < 1:
        raise ValueError(f"check_batch_norm: ndim is 2 or 4, examples at least 1; "
                         f"got ndim={ndim}, examples={examples}")  # fmt: skip
    try:
        if isinstance(implementation, type):
            subjects: Sequence[Subject] = layers(implementation, ndim)
        elif isinstance(implementation, tuple) and len(implementation) == 2:
            subjects = [pair(*implementation, ndim)]
        else:
            raise NothingToJudgeError(
                f"give (forward, backward) or a class, not {type(implementation).__name__}"
            )
    except NothingToJudgeError as reason:
        raise ValueError(f"check_batch_norm: {reason}") from None
    return check(subjects, Caller(seconds_per_call, seconds), examples, seed)


def check(subjects: Sequence[Subject], call: Caller, examples: int, seed: int) -> Report:
    """Judge what was recognised; of a class, only the shapes of x that it runs on."""
    return Report([judge(subject, call, examples, seed) for subject in _runnable(subjects, call)])


def _runnable(subjects: Sequence[Subject], call: Caller) -> list[Subject]:
    """Leave out what a class was not written for. C differs from W, lest it should run by luck."""
    runnable = []
    for subject in subjects:
        batch = probe(subject.ndim, 1.0)
        try:
            session = subject.session(call, batch.gamma, batch.beta, running_of(batch))
            ok = np.shape(session.train(batch.x.copy())) == batch.x.shape
        except (CallError, TimeLimitError):
            ok = False
        alternatives = [other for other in subjects if other.names == subject.names]
        if ok or len(alternatives) == 1:
            runnable.append(subject)
    missing = [s for s in subjects if s.names not in {r.names for r in runnable}]
    return runnable + list({s.names: s for s in reversed(missing)}.values())


def judge(subject: Subject, call: Caller, examples: int, seed: int) -> Verdict:
    """Judge one implementation."""
    try:
        with np.errstate(all="ignore"):
            choices = choices_of(subject, call)
    except TimeLimitError as late:
        return Verdict(", ".join(subject.names), subject.convention, 0, [], [], str(late))
    court = Court(subject, call, choices)
    judged = court.survey(examples, seed)
    lines = court.lines(seed)
    name, notes = ", ".join(subject.names), sorted(court.notes)
    return Verdict(name, subject.convention, judged, lines, notes, court.stopped)


def cases(ndim: int, larger: int | None = None) -> st.SearchStrategy[BatchNormCase]:
    """Draw cases of whole numbers, most of them float64.

    Three values per feature are the least (of two, every cotangent is blind), and each side may
    be longer than its least by `larger`.
    """
    larger = LARGER[ndim] if larger is None else larger
    side = st.integers(1, 1 + larger)
    shapes = st.tuples(st.integers(3, 3 + larger), *[side] * (ndim - 1))
    axis = tuple(i for i in range(ndim) if i != 1)
    double, single = np.float64, np.float32
    layouts = st.tuples(shapes, st.just(axis))
    return batch_norm_cases(
        layouts, (double, double, double, single), (1e-5,), layouts=("C",),
        elements=st.integers(-9, 9),
    )  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """A finding, and code that shows it."""

    finding: Finding
    code: str


@dataclass
class Court:
    """One implementation before the judge: what has been found so far."""

    subject: Subject
    call: Caller
    choices: Choices
    notes: set[str] = field(default_factory=set)
    stopped: str | None = None
    seen: set[str] = field(default_factory=set)
    failed: dict[str, Failure] = field(default_factory=dict)  # by property: the first

    def __post_init__(self) -> None:
        self.reference = Reference(self.subject, self.call)

    def batch(self, case: BatchNormCase) -> Batch:
        """Give a drawn case what the judge adds to it."""
        place = np.arange(case.gamma.size, dtype=case.dtype)
        return Batch(
            case.x, case.gamma, case.beta, case.dy, case.axis, eps_to_judge_by(self.choices),
            running_mean=0.5 - place, running_var=0.25 + place,
            momentum=self.choices.momentum, unbiased=self.choices.unbiased,
        )  # fmt: skip

    def examine(self, case: BatchNormCase, gradients: bool = True) -> list[Failure]:
        """Compare all that the implementation shows on one case with what it must show."""
        batch = self.batch(case)
        with np.errstate(all="ignore"):
            seen = observe(self.subject, batch, self.call)
            forward_runs = not isinstance(seen["y"].value, CallError)
            derivative = self.reference(batch) if gradients and forward_runs else None
            self.seen |= set(seen)
            self.notes |= notes_on(batch, seen)
            found = findings(seen, expected_values(batch, seen, derivative))
            return [Failure(f, script(self.subject, batch, seen[f.seen], f)) for f in found]

    def survey(self, examples: int, seed: int) -> int:
        """Examine `examples` cases, noting which properties fail. Gives how many were judged."""
        judged = 0

        def note_failures(case: BatchNormCase) -> bool:
            nonlocal judged
            if self.stopped is None:
                try:
                    # Numerical derivatives are slow: on every fourth example they must do.
                    differentiate = self.reference.untraced is None or judged % 4 == 0
                    for failure in self.examine(case, differentiate):
                        self.failed.setdefault(failure.finding.property, failure)
                    judged += 1
                except TimeLimitError as late:
                    self.stopped = str(late)
            return False

        _find(cases(self.subject.ndim), note_failures, examples, seed, [Phase.generate])
        return judged

    def lines(self, seed: int) -> list[Line]:
        """Turn what the survey found into the lines of the verdict."""
        if self.reference.untraced:
            self.notes.add(
                "the derivative of your forward was taken numerically, on a quarter of the "
                f"examples, for the engine could not record it: {self.reference.untraced}"
            )
        if self.stopped and not self.failed:
            return []
        return [
            self._failed(name, seed) if name in self.failed else self._passed(name)
            for name in PROPERTIES
            if name in self.failed or self._was_judged(name)
        ]

    def _was_judged(self, name: str) -> bool:
        names = set(PROPERTIES[name])
        shapes = self.failed.get("shapes and dtypes")
        if shapes and shapes.finding.seen in names:
            return False  # of another shape, its values were not compared
        return name == "shapes and dtypes" or bool(self.seen & names)

    def _passed(self, name: str) -> Line:
        c = self.choices
        about = {
            "forward": f"the transform, with eps = {c.eps:g}" if c.eps else "the transform",
            "dx": "the derivative of the forward",
            "dgamma": "the derivative of the forward",
            "dbeta": "the derivative of the forward",
            "shapes and dtypes": "as they must be",
            "inputs unchanged": "x, gamma, beta and dout stay what they were",
            "its own cache": "other calls between forward and backward do not disturb it",
            "running statistics": f"keep {c.momentum:g} of the old, and take the "
            f"{'unbiased' if c.unbiased else 'biased'} variance",
            "test mode": "the transform with the running statistics",
        }
        return Line(name, True, about[name])

    def _failed(self, name: str, seed: int) -> Line:
        self.call.allow(2 * SECONDS_TO_SHRINK)
        smallest = self._smallest(name, seed)
        finding, text = smallest.finding, smallest.finding.text
        follows = name in GRADIENTS and "forward" in self.failed
        if name in GRADIENTS and not finding.raised:
            text += "\n  (expected: the derivative of your own forward"
            text += "; put that right first)" if follows else ")"
        search = not (follows or finding.raised)
        mistake = self.diagnosis(finding.seen) if search else None
        return Line(name, False, text.replace("\n", "\n    "), smallest.code, mistake, search)

    def diagnosis(self, name: str) -> Mistake | None:
        """Name the known mistake in what the catalogue calls `name`, if there is one."""

        def on(batch: Batch) -> dict[str, Seen]:
            return observe(self.subject, batch, self.call)

        try:
            return diagnose(on, name, self.subject.ndim, self.choices)
        except TimeLimitError:
            return None

    def _smallest(self, name: str, seed: int) -> Failure:
        """Shrink the failure of one property. When time is over, the best so far has to do."""
        end = time.monotonic() + SECONDS_TO_SHRINK
        failures: dict[bytes, Failure] = {}

        def fails(case: BatchNormCase) -> bool:
            key = _key(case)
            if key not in failures and time.monotonic() < end:
                with contextlib.suppress(TimeLimitError):
                    for failure in self.examine(case, name in (*GRADIENTS, "shapes and dtypes")):
                        if failure.finding.property == name:
                            failures.setdefault(key, failure)
            return key in failures

        phases = [Phase.generate, Phase.shrink]
        for larger in (0, 1, None):  # the smallest shapes first: shrinking a large one takes long
            smallest = _find(cases(self.subject.ndim, larger), fails, 40, seed, phases)
            if smallest:
                return failures[_key(smallest)]
        return self.failed[name]


def _key(case: BatchNormCase) -> bytes:
    return b"".join(a.tobytes() for a in (case.x, case.gamma, case.beta, case.dy))


def _find(
    drawn: st.SearchStrategy[BatchNormCase],
    condition: Callable[[BatchNormCase], bool],
    examples: int,
    seed: int,
    phases: Sequence[Phase],
) -> BatchNormCase | None:
    """Show cases to the condition; from the first for which it is true on, smaller ones."""
    quietly = settings(
        max_examples=examples, phases=phases, database=None, deadline=None,
        verbosity=Verbosity.quiet, print_blob=False, derandomize=False,
    )  # fmt: skip
    try:
        return find(drawn, condition, settings=quietly, random=random.Random(seed))
    except NoSuchExample:
        return None
