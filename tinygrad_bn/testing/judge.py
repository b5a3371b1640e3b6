"""check_batch_norm: check a user's batch norm, find the smallest failing case, name the mistake.

The gradients are compared with the derivative of the user's own forward, and the forward with the
transform of the sources. Hypothesis draws the cases and shrinks them.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import Phase, Verbosity, find, settings
from hypothesis.errors import NoSuchExample

from .batch import BATCH_NORM, STORED, Batch, Norm, probe
from .calls import Caller, CallError, TimeLimitError
from .catalogue import Mistake
from .conventions import (
    PARTS,
    Found,
    NothingToJudgeError,
    Subject,
    Unclear,
    adapter_for,
    is_affine,
    layers,
    pair,
)
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
from .lines import Lines
from .observation import GRADIENTS, Reference, Seen, observe, running_of
from .report import Line, Report, Verdict
from .strategies import BatchNormCase, batch_norm_cases

EXAMPLES, SECONDS, SECONDS_PER_CALL = 200, 60.0, 5.0
LARGER = {2: 3, 4: 1}  # for each number of axes: by how much a side may exceed its minimum
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
    """Check a NumPy batch norm: its forward, its gradients, its test mode and its side effects.

    The gradients are compared with the derivative of the implementation's own forward. The engine
    computes that derivative by running the forward on Tensors; where it cannot, the derivative is
    computed numerically. The forward is compared with the batch norm transform, with the eps that
    fits. See docs/check-your-own.md.

    Parameters
    ----------
    implementation : a pair of functions, or a class
        ``(forward, backward)`` with ``forward(x, gamma, beta[, bn_param or eps]) -> (out,
        cache)`` and ``backward(dout, cache) -> (dx, dgamma, dbeta)``; or a class with
        ``__init__(gamma, beta, ...)``, ``forward(x[, train_flg])``, ``backward(dout)`` and the
        attributes ``dgamma`` and ``dbeta``.
    ndim : 2 or 4, optional
        The number of axes of x: (N, D) or (N, C, H, W). By default it is 4 for a function with
        "spatial" or "2d" in its name, and 2 for another function. A class is checked with each of
        the two that it can run on.
    examples, seed : int
        The number of cases to draw, and the seed.
    seconds, seconds_per_call : float
        Time limits for the whole check and for each call. (Only in the main thread of a POSIX
        process, a call is interrupted at its limit. Elsewhere, the error is raised when it
        returns.)

    Returns
    -------
    Report, which is true if all is right. Print it to read the verdicts.

    Raises
    ------
    ValueError
        If the implementation cannot be called in one of these ways, for another `ndim`, and for
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
    call = Caller(seconds_per_call, seconds)
    try:
        if isinstance(implementation, type):
            subjects: Sequence[Subject] = layers(implementation, ndim, call=call)
        elif isinstance(implementation, tuple) and len(implementation) == 2:
            subjects = [pair(*implementation, ndim, call=call)]
        else:
            raise NothingToJudgeError(
                f"give (forward, backward) or a class, not {type(implementation).__name__}"
            )
    except NothingToJudgeError as reason:
        raise ValueError(f"check_batch_norm: {reason}") from None
    return check(Found(list(subjects), [], []), call, examples, seed)


def check(
    found: Found,
    call: Caller,
    examples: int,
    seed: int,
    progress: Callable[[str], None] = lambda text: None,
) -> Report:
    """Check all subjects that were found; `progress` is told what is being done.

    What is wrong in a forward is explained with the first of its backwards.
    """
    verdicts: list[Verdict] = []
    wrong: dict[Any, set[str]] = {}  # of a forward: its properties that were found wrong
    for subject in found.subjects:
        forward = subject.names[0], subject.ndim
        above = frozenset(wrong.get(forward, ()))
        verdict = judge(subject, call, examples, seed, progress, above)
        verdicts.append(verdict)
        wrong.setdefault(forward, set()).update(_wrong_in_the_forward(verdict))
    return Report([*verdicts, *map(unclear, found.unclear)], tuple(found.others))


def _wrong_in_the_forward(verdict: Verdict) -> set[str]:
    """Return the properties that fail whatever the backward is."""
    wrong = {line.property for line in verdict.lines if not line.passed}
    return wrong & {"forward", "running statistics", "test mode"}


def unclear(one: Unclear) -> Verdict:
    """Return the verdict on an implementation whose calling convention is not understood."""
    return Verdict(one.name, "", 0, [], [], one.reason, adapter=one.adapter)


def judge(
    subject: Subject,
    call: Caller,
    examples: int,
    seed: int,
    progress: Callable[[str], None] = lambda text: None,
    above: frozenset[str] = frozenset(),
) -> Verdict:
    """Check one implementation and return the verdict. What is not written yet is not judged.

    The properties `above` are wrong in the same forward with another backward, and were reported
    there; they are not explained again.
    """
    name = ", ".join(subject.names)
    progress(name)
    try:
        missing = {**subject.missing, **_unwritten(subject, call)}
        notes = [f"the {part} is not written yet: {why}" for part, why in missing.items()]
        if "forward" in missing:
            return Verdict(name, subject.convention, 0, [], notes, unwritten=True)
        subject = replace(subject, written=PARTS - set(missing))
        with np.errstate(all="ignore"):
            choices = choices_of(subject, call)
    except TimeLimitError as late:
        return Verdict(name, subject.convention, 0, [], [], str(late))
    court = Court(subject, call, choices, notes=set(notes), above=above)
    judged = court.survey(examples, seed, lambda count: progress(f"{name}: {count} of {examples}"))
    progress(f"{name}: looking for the smallest failing case" if court.failed else name)
    lines = court.lines(seed)
    if any(line.property == "forward" and not line.passed for line in lines) and is_affine(
        subject, call
    ):
        court.notes.add(
            f"not a {subject.norm.name}: this is an affine layer, it does not normalize"
        )
    return Verdict(
        name, subject.convention, judged, lines, sorted(court.notes), court.stopped,
        unjudged=dict(subject.unjudged), adapter=_adapter(subject),
        above=sorted(above & set(court.failed)), search=court.where,
    )  # fmt: skip


def _adapter(subject: Subject) -> str:
    if not subject.unjudged:
        return ""
    return adapter_for(subject.names, [subject.things[name] for name in subject.names])


def _unwritten(subject: Subject, call: Caller) -> dict[str, str]:
    """Find the parts that return None or raise NotImplementedError, and what they said."""
    batch = probe(subject.ndim, 1.0, subject.norm)
    missing: dict[str, str] = {}

    def attempt(part: str, use: Callable[[Any], Any]) -> None:
        session = subject.session(call, batch.gamma, batch.beta, running_of(batch))
        session.train(batch.x.copy())
        try:
            use(session)
        except CallError as error:
            if error.unwritten:
                missing[part] = error.told.removeprefix("NotImplementedError: ")

    try:
        attempt("backward", lambda s: s.backward(batch.dy.copy()) if subject.backward else None)
        if subject.has_test_mode:
            attempt("test mode", lambda session: session.test(batch.x.copy()))
    except CallError as error:
        if error.unwritten:
            missing["forward"] = error.told.removeprefix("NotImplementedError: ")
    return missing


def cases(
    ndim: int, larger: int | None = None, norm: Norm = BATCH_NORM
) -> st.SearchStrategy[BatchNormCase]:
    """Draw cases whose values are integers, most of them in float64.

    At least three values share their statistics: with two, dx is 0 for every cotangent (but for
    eps). Each side may exceed its minimum by `larger`.
    """
    larger = LARGER[ndim] if larger is None else larger
    side = st.integers(1, 1 + larger)
    several = st.integers(3, 3 + larger)
    if norm.over == "batch":
        shapes = st.tuples(several, *[side] * (ndim - 1))
    elif ndim == 2:
        shapes = st.tuples(side, several)
    else:  # one to four channels: two groups of one, or of two, or one group
        shapes = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(2, 3), side)
    axis = tuple(i for i in range(ndim) if i != 1)
    double, single = np.float64, np.float32
    layouts = st.tuples(shapes, st.just(axis))
    return batch_norm_cases(
        layouts, (double, double, double, single), (1e-5,), layouts=("C",),
        elements=st.integers(-9, 9),
    )  # fmt: skip


def reseeded(case: BatchNormCase, rng: np.random.Generator) -> BatchNormCase:
    """Return a case of the same shapes and dtype with random integers as values."""
    arrays = (case.x, case.gamma, case.beta, case.dy)
    x, gamma, beta, dy = (rng.integers(-9, 10, a.shape).astype(case.dtype) for a in arrays)
    return replace(case, x=x, gamma=gamma, beta=beta, dy=dy)


@dataclass(frozen=True)
class Failure:
    """A finding, with the batch and the code that show it."""

    finding: Finding
    batch: Batch
    code: str


@dataclass
class Court:
    """The check of one implementation, with its findings so far."""

    subject: Subject
    call: Caller
    choices: Choices
    notes: set[str] = field(default_factory=set)
    stopped: str | None = None
    above: frozenset[str] = frozenset()  # properties that were reported with another backward
    seen: set[str] = field(default_factory=set)
    failed: dict[str, Failure] = field(default_factory=dict)  # the first of each property

    def __post_init__(self) -> None:
        self.reference = Reference(self.subject, self.call)
        self.where: Lines | None = None
        if self.subject.norm is BATCH_NORM and self.subject.has_backward:
            self.where = Lines(self.subject, eps_to_judge_by(self.choices))

    def batch(self, case: BatchNormCase) -> Batch:
        """Make a batch of a drawn case, with eps, running statistics and the open choices."""
        place = np.arange(case.gamma.size, dtype=case.dtype)
        return Batch(
            case.x, case.gamma, case.beta, case.dy, case.axis, eps_to_judge_by(self.choices),
            running_mean=0.5 - place, running_var=0.25 + place,
            momentum=self.choices.momentum, unbiased=self.choices.unbiased,
            stored=self.choices.stored, norm=self.subject.norm,
        )  # fmt: skip

    def examine(self, case: BatchNormCase, gradients: bool = True) -> list[Failure]:
        """Compare all results of the implementation on one case with the expected values."""
        batch = self.batch(case)
        with np.errstate(all="ignore"):
            seen = observe(self.subject, batch, self.call)
            forward_runs = not isinstance(seen["y"].value, CallError)
            differentiate = gradients and forward_runs and self.subject.has_backward
            derivative = self.reference(batch) if differentiate else None
            self.seen |= set(seen)
            self.notes |= notes_on(batch, seen)
            found = findings(seen, expected_values(batch, seen, derivative))
            return [Failure(f, batch, script(self.subject, batch, seen[f.seen], f)) for f in found]

    def survey(
        self, examples: int, seed: int, told: Callable[[int], None] = lambda count: None
    ) -> int:
        """Examine `examples` cases, note which properties fail, return the number examined.

        Of four cases, hypothesis draws one. The others have the same shapes and random values:
        drawing takes longer than all else.
        """
        judged, rng = 0, np.random.default_rng(seed)

        def note_failures(drawn: BatchNormCase) -> bool:
            # Random values come first: of four cases, the first may be the only one that is
            # differentiated, and what hypothesis draws is often too simple to show a mistake.
            for case in (*(reseeded(drawn, rng) for _ in range(3)), drawn):
                note(case)
            return False

        def note(case: BatchNormCase) -> None:
            nonlocal judged
            if self.stopped is None and judged < examples:
                try:
                    # Numerical derivatives are slow: they are computed on every fourth example.
                    differentiate = self.reference.untraced is None or judged % 4 == 0
                    for failure in self.examine(case, differentiate):
                        self.failed.setdefault(failure.finding.property, failure)
                    judged += 1
                    told(judged)
                except TimeLimitError as late:
                    self.stopped = str(late)

        _find(
            cases(self.subject.ndim, norm=self.subject.norm),
            note_failures,
            -(-examples // 4),
            seed,
            [Phase.generate],
        )
        return judged

    def lines(self, seed: int) -> list[Line]:
        """Make the lines of the verdict from the findings of the survey."""
        if self.reference.untraced:
            self.notes.add(
                "the derivative of your forward was taken numerically, on a quarter of the "
                f"examples, for the engine could not record it: {self.reference.untraced}"
            )
        if self.stopped and not self.failed:
            return []
        lines = []
        for name in PROPERTIES:
            if name in self.above and name in self.failed:
                continue
            if name in self.failed:
                line = self._failed(name, seed)
                if self._is_certain(line):
                    lines.append(line)
                else:
                    self.notes.add(f"{name} does not fit this forward; put the forward right first")
            elif self._was_judged(name):
                lines.append(self._passed(name))
        return lines

    def _is_certain(self, line: Line) -> bool:
        """Return whether a failure stands by itself, and is not a consequence of a wrong forward.

        A right backward is not the derivative of a wrong forward, and its cache holds wrong values.
        So next to a wrong forward, a gradient or a test mode is wrong only by a known mistake.
        """
        if "forward" not in self.failed or line.property not in (*GRADIENTS, "test mode"):
            return True
        return line.mistake is not None

    def _was_judged(self, name: str) -> bool:
        names = set(PROPERTIES[name])
        shapes = self.failed.get("shapes and dtypes")
        if shapes and shapes.finding.seen in names:
            return False  # its shape or dtype was wrong, so its values were not compared
        return name == "shapes and dtypes" or bool(self.seen & names)

    def _passed(self, name: str) -> Line:
        c, kind = self.choices, self.subject.norm
        what = "transform" if kind.over == "batch" else f"{kind.name} transform"
        about = {
            "forward": f"the {what}, with eps = {c.eps:g}" if c.eps else f"the {what}",
            "dx": "the derivative of the forward",
            "dgamma": "the derivative of the forward",
            "dbeta": "the derivative of the forward",
            "shapes and dtypes": "as they must be",
            "inputs unchanged": self._inputs(),
            "its own cache": "other calls between forward and backward do not disturb it",
            "running statistics": f"keep {c.momentum:g} of the old, and take the "
            f"{'unbiased' if c.unbiased else 'biased'} {STORED[c.stored]}",
            "test mode": "the transform with the running statistics",
        }
        return Line(name, True, about[name])

    def _inputs(self) -> str:
        seen = ["x", "gamma", *(["beta"] if self.subject.norm.shifted else [])]
        seen += ["dout"] if "dy after backward" in self.seen else []
        return f"{', '.join(seen[:-1])} and {seen[-1]} stay what they were"

    def _failed(self, name: str, seed: int) -> Line:
        self.call.allow(2 * SECONDS_TO_SHRINK)
        smallest = self._smallest(name, seed)
        finding, text = smallest.finding, smallest.finding.text
        follows = name in GRADIENTS and "forward" in self.failed
        if name in GRADIENTS and not finding.raised:
            text += "\n  (expected: the derivative of your own forward)"
        search = not finding.raised and self.subject.norm.over == "batch"
        mistake = self.diagnosis(finding.seen) if search else None
        where = None
        if self.where and name in GRADIENTS and not follows:
            where = self.where.of(name, smallest.batch)
        text = text.replace("\n", "\n    ")
        return Line(name, False, text, smallest.code, mistake, search, where)

    def diagnosis(self, name: str) -> Mistake | None:
        """Return the known mistake in `name` (as in the catalogue), if there is one."""

        def on(batch: Batch) -> dict[str, Seen]:
            return observe(self.subject, batch, self.call)

        try:
            return diagnose(on, name, self.subject.ndim, self.choices)
        except TimeLimitError:
            return None

    def _smallest(self, name: str, seed: int) -> Failure:
        """Shrink the failure of one property; at the time limit, return the smallest so far."""
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
            smallest = _find(
                cases(self.subject.ndim, larger, self.subject.norm), fails, 40, seed, phases
            )
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
    """Find a case for which the condition is true, and shrink it (with Phase.shrink); else None."""
    quietly = settings(
        max_examples=examples, phases=phases, database=None, deadline=None,
        verbosity=Verbosity.quiet, print_blob=False, derandomize=False,
    )  # fmt: skip
    try:
        return find(drawn, condition, settings=quietly, random=random.Random(seed))
    except NoSuchExample:
        return None
