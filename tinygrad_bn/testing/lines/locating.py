"""Find the line of a backward pass at which it goes wrong.

A line is named only if three things hold. Its value is none that belongs there. All that it is
computed from is right: on two random batches it equals a cotangent of the user's own forward, a
part of one, or a value of the forward. And the proof: with another value at this line alone, and
all else as written, the results are right. The other value is a cotangent, or what a
small edit of the line would compute.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .edits import EXCHANGED, Edit, edits_of
from .instrument import Place
from .trial import Override, Trial, close, key_of
from .truth import Quantity

SECONDS = 3.0  # of the processor, so that other programs do not decide what is found


@dataclass(frozen=True)
class Step:
    """A statement of the backward pass, or a part of one that assigns to one target.

    `values` are its values in the trials. `match` is the quantity that it equals. `inputs` are the
    steps that it is computed from.
    """

    place: Place
    values: tuple[Any, ...]
    match: Quantity | None
    inputs: tuple[int, ...]
    passes_on: bool = False  # the value is that of an input
    wrong_result: bool = False  # it is a gradient that is wrong

    @property
    def right(self) -> bool:
        """Return whether the value is one that belongs into a backward pass."""
        return self.match is not None and not self.wrong_result


@dataclass(frozen=True)
class Found:
    """What was found out about a backward pass. `suspect` is None if no line can be named."""

    trials: Sequence[Trial]
    steps: Sequence[Step]
    suspect: Step | None = None
    ought: Quantity | None = None
    edit: Edit | None = None
    others: tuple[Step, ...] = field(default=())  # if the mistake may as well be in one of these


def locate(trials: Sequence[Trial], name: str, seconds: float = SECONDS) -> Found:
    """Find the step at which the gradient `name` goes wrong."""
    search = _Search(trials, name, time.process_time() + seconds)
    return search.found()


class _Search:
    def __init__(self, trials: Sequence[Trial], name: str, end: float) -> None:
        self.trials, self.name, self.end = trials, name, end
        self.places = trials[0].copy.places
        self.steps = steps_of(trials)
        self.doubtful: list[int] = []
        self.by_value: dict[int, Quantity] = {}
        self.by_edit: dict[int, list[Edit]] = {}

    def found(self) -> Found:
        blank = Found(self.trials, self.steps)
        if any(self.name not in trial.wrong for trial in self.trials):
            return blank
        for i, step in enumerate(self.steps):
            if self._is_doubtful(step, i):
                self.doubtful.append(i)
        suspect = self._suspect()
        if suspect is None:
            return blank
        suspect, others = self._against_its_rivals(suspect)
        edits = self._edits(suspect)
        return Found(
            self.trials,
            self.steps,
            self.steps[suspect],
            self.by_value.get(suspect),
            min(edits, key=lambda edit: edit.cost) if edits else None,
            tuple(self.steps[i] for i in others),
        )

    def _against_its_rivals(self, suspect: int) -> tuple[int, list[int]]:
        """Return the step to blame, and those that it may as well be.

        Of two signs that do not fit together, either may be meant. An input that is only a part of
        what belongs there may be too small a part; then the simplest edit decides, if there is one.
        """
        rivals = self._of_either_sign(suspect)
        if rivals:
            return suspect, rivals
        for i in self.steps[suspect].inputs:
            step = self.steps[i]
            part = step.match is not None and step.match.kind in ("term", "factor")
            if part and not alike(step.match.of, step.place.text):  # type: ignore[union-attr]
                quantity = self._value_that_repairs(step, None)
                if quantity is not None:
                    self.by_value[i] = quantity
                    rivals.append(i)
        costs = {i: self._cost([i]) for i in (suspect, *rivals)}
        best = [i for i in costs if costs[i] == min(costs.values())]
        if len(best) == 1 and suspect not in best:
            return best[0], []
        return suspect, [i for i in rivals if i in best]

    def _of_either_sign(self, suspect: int) -> list[int]:
        """List the inputs of a step with which all would be right, if they had the other sign.

        `dmu = sum(dxc)` with `dx = dxc + dmu / m` is wrong in one of the two lines, and nobody can
        tell in which.
        """
        other = {"gradient": "minus", "minus": "gradient"}
        found = []
        for i in self.steps[suspect].inputs:
            match = self.steps[i].match
            kind = other.get(match.kind) if match else None
            if match and any(
                quantity.kind == kind
                and quantity.of == match.of
                and self._with_value(self.steps[i], k)
                for k, quantity in enumerate(self.trials[0].quantities)
            ):
                found.append(i)
        return found

    def _is_doubtful(self, step: Step, i: int) -> bool:
        """Return whether a step is not right, or could only seem so.

        A value that belongs into a backward pass may be in the wrong place: under the name of
        another quantity, with which the results are right, or handed on as it came.
        """
        is_size = step.match is not None and step.match.kind == "other"
        named = step.match is not None and alike(step.match.of, step.place.text)
        part = step.match is not None and step.match.kind == "term" and self._is_last(i)
        if step.right and named and not (is_size or step.passes_on or part):
            return False
        only = None if not step.right or step.passes_on or is_size else step.place.text
        quantity = self._value_that_repairs(step, only)
        if quantity is not None:
            self.by_value[i] = quantity
        return not step.right or quantity is not None

    def _is_last(self, i: int) -> bool:
        """Return whether a name was assigned before, and is no more after this step."""
        name = key_of(self.steps[i].place)
        same_name = [
            k
            for k, step in enumerate(self.steps)
            if step.place.kind == "assignment" and key_of(step.place) == name
        ]
        return len(same_name) > 1 and same_name[-1] == i

    def _suspect(self) -> int | None:
        firm = [i for i in self.doubtful if i in self.by_value and self._inputs_right(i)]
        if firm:
            return firm[0]
        first = next((i for i in self.doubtful if i in self.by_value), None)
        if first is None:
            return self._by_edits(self.doubtful)
        # What comes after `first` has its mistake from there, or else is one of a single token.
        before = self._ancestors(first) | {first}
        near = [i for i in self.doubtful if i in before]
        after = [i for i in self.doubtful if i not in before]
        step, text = self.steps[first], self.by_value[first].of
        if alike(text, step.place.text) or self._cost(near) == EXCHANGED:
            return self._by_edits(near)
        return self._by_edits(after if self._cost(after) == EXCHANGED else near)

    def _cost(self, pool: Sequence[int]) -> float:
        costs = [edit.cost for i in pool for edit in self._edits(i)]
        return min(costs, default=np.inf)

    def _ancestors(self, step: int) -> set[int]:
        found: set[int] = set()
        todo = [step]
        while todo:
            for i in self.steps[todo.pop()].inputs:
                if i not in found:
                    found.add(i)
                    todo.append(i)
        return found

    def _inputs_right(self, step: int) -> bool:
        return not set(self.steps[step].inputs) & set(self.doubtful)

    def _by_edits(self, pool: Sequence[int]) -> int | None:
        """Return the one step among `pool` that the simplest edit repairs."""
        costs: dict[int, int] = {}
        for i in pool:
            edits = self._edits(i)
            if edits:
                costs[i] = min(edit.cost for edit in edits)
        best = [i for i, cost in costs.items() if cost == min(costs.values())]
        lines = {self.steps[i].place.line for i in best}
        return best[0] if len(lines) == 1 else None

    # Proofs

    def _repairs(self, overrides: Mapping[int, Override], trial: Trial) -> bool:
        right = trial.right(trial.run(overrides))
        return self.name in right and right >= set(trial.expected) - trial.wrong

    def _value_that_repairs(self, step: Step, only: str | None) -> Quantity | None:
        """Return a cotangent or a value that repairs the results in the place of a step.

        With `only`, those alone are tried that a step of this name may be expected to hold.
        """
        if step.place.kind == "argument" or time.process_time() > self.end:
            return None
        repairing = [
            quantity
            for k, quantity in enumerate(self.trials[0].quantities)
            if quantity.kind != "factor"
            and (only is None or (alike(quantity.of, only) and step.match is not quantity))
            and self._with_value(step, k)
        ]
        order = ("gradient", "value", "minus", "term")
        return min(
            repairing,
            key=lambda q: (not alike(q.of, step.place.text), order.index(q.kind)),
            default=None,
        )

    def _with_value(self, step: Step, k: int) -> bool:
        """Return whether the results are right with the k-th quantity in the place of a step."""
        for trial, own in zip(self.trials, step.values, strict=True):
            value = trial.quantities[k].value
            if same(own, value) or not any(
                self._repairs({step.place.number: always(shaped)}, trial)
                for shaped in _shaped(value, own)
            ):
                return False
        return True

    def _edits(self, i: int) -> list[Edit]:
        """List the edits of a step that repair the results."""
        if i not in self.by_edit:
            self.by_edit[i] = list(self._edits_that_repair(i))
        return self.by_edit[i]

    def _edits_that_repair(self, i: int) -> Iterator[Edit]:
        step = self.steps[i]
        names = self._names(step.place)
        for place in self._expressions(step.place):
            for edit in edits_of(place, self.places, names):
                if time.process_time() > self.end:
                    return
                overrides = {place.number: edit.override}
                if all(self._repairs(overrides, trial) for trial in self.trials):
                    yield edit

    def _expressions(self, slot: Place) -> list[Place]:
        wanted = _below(slot, self.places)
        return [place for place in self.places if place.number in wanted]

    def _names(self, at: Place) -> dict[str, str]:
        names = {
            place.text: key_of(place)
            for place in self.places
            if place.kind in ("assignment", "argument")
            and place.function == at.function
            and place.statement < at.statement
        }
        stored = [key for key in self.trials[0].constants if "." in key]
        return {**names, **{key: key for key in stored}}


def always(value: Any) -> Override:
    """Return an override by one value."""
    return lambda _, __: value


def _below(slot: Place, places: Sequence[Place]) -> set[int]:
    found: set[int] = set()
    todo = list(slot.parts)
    while todo:
        number = todo.pop()
        found.add(number)
        todo += places[number].parts
    return found


# --- what was computed ------------------------------------------------------------------------


def steps_of(trials: Sequence[Trial]) -> list[Step]:
    """List the steps of a backward pass, in the order in which they were executed."""
    places = trials[0].copy.places
    slots = ("argument", "assignment", "result")
    runs = [
        [(k, n, value) for k, (n, value) in enumerate(trial.events) if places[n].kind in slots]
        for trial in trials
    ]
    if len({tuple(n for _, n, _ in run) for run in runs}) != 1:
        return _common(trials, runs)
    return _steps(trials, runs)


def _common(trials: Sequence[Trial], runs: list[list[tuple[int, int, Any]]]) -> list[Step]:
    """Of runs that went different ways, as where one raised, take the part that is the same."""
    length = 0
    for some in zip(*runs, strict=False):
        if len({n for _, n, _ in some}) != 1:
            break
        length += 1
    return _steps(trials, [run[:length] for run in runs])


def _steps(trials: Sequence[Trial], runs: list[list[tuple[int, int, Any]]]) -> list[Step]:
    places = trials[0].copy.places
    counts = trials[0].recorder.counts
    objects = trials[0].recorder.objects
    latest: dict[str, int] = {}
    holders: dict[int, int] = {}  # of an object: the step that had it last
    steps: list[Step] = []
    for some in zip(*runs, strict=True):
        event, number, _ = some[0]
        place = places[number]
        values = tuple(value for _, _, value in some)
        inputs = _inputs(place, event, trials[0], latest, holders)
        passes_on = _is_a_name(place, places) and any(
            same(steps[i].values[0], values[0]) for i in inputs
        )
        match = None
        if counts.get(number, 0) == 1 or place.kind == "argument":
            match = matching(trials, values, place.text)
        if not _is_number(values[0]):
            match = match or Quantity("other", place.text, None)
        results = trials[0].results or {}
        # What is as its name says, or is only taken from the cache, is returned by mistake.
        known = isinstance(values[0], int)
        if match is not None:
            known |= alike(match.of, place.text) or _is_taken(match, inputs, steps)
        wrong = any(
            objects[event] is results.get(name)
            and (place.kind == "result" or not known or alike(name, place.text))
            for name in trials[0].wrong
        )
        steps.append(Step(place, values, match, inputs, passes_on, wrong))
        if place.kind != "result":
            latest[key_of(place)] = len(steps) - 1
        if isinstance(objects[event], np.ndarray):
            holders[id(objects[event])] = len(steps) - 1
    return steps


def _is_taken(match: Quantity, inputs: Sequence[int], steps: Sequence[Step]) -> bool:
    """Return whether a step takes a value of the forward from the cache."""
    kinds = [one.kind for one in (steps[i].match for i in inputs) if one is not None]
    return match.kind == "value" and len(kinds) == len(inputs) and set(kinds) <= {"other"}


def _is_a_name(place: Place, places: Sequence[Place]) -> bool:
    """Return whether a step assigns what another name holds."""
    if len(place.parts) != 1 or isinstance(place.node, ast.AugAssign):
        return False
    return isinstance(places[place.parts[0]].node, ast.Name | ast.Attribute)


def _is_number(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | float) and not isinstance(value, bool)


def _inputs(
    place: Place, event: int, trial: Trial, latest: Mapping[str, int], holders: Mapping[int, int]
) -> tuple[int, ...]:
    """List the steps whose values an event has read: by name, or as the same object."""
    places = trial.copy.places
    found: dict[int, None] = {}
    below = _below(place, places)
    k = event - 1
    while k >= 0:
        number, _ = trial.events[k]
        read = places[number]
        if read.statement == place.statement and read.kind == "expression":
            if number in below:
                key = key_of(read)
                if isinstance(read.node, ast.Name | ast.Attribute) and key in latest:
                    found.setdefault(latest[key])
                elif id(trial.recorder.objects[k]) in holders:
                    found.setdefault(holders[id(trial.recorder.objects[k])])
        elif read.statement != place.statement and read.function == place.function:
            break
        k -= 1
    if isinstance(place.node, ast.AugAssign) and key_of(place) in latest:
        found.setdefault(latest[key_of(place)])
    itself = id(trial.recorder.objects[event])
    if itself in holders:  # as an argument, or as what a function has returned
        found.setdefault(holders[itself])
    return tuple(found)


def matching(trials: Sequence[Trial], values: Sequence[Any], name: str) -> Quantity | None:
    """Return the quantity that the values equal in all trials; of several, the one of that name."""
    if not _is_number(values[0]) and not isinstance(values[0], int):
        return None
    found = [
        quantity
        for k, quantity in enumerate(trials[0].quantities)
        if all(
            same(value, trial.quantities[k].value)
            for value, trial in zip(values, trials, strict=True)
        )
    ]
    order = ("gradient", "value", "minus", "term", "factor")
    return min(found, key=lambda q: (not alike(q.of, name), order.index(q.kind)), default=None)


def alike(of: str, name: str) -> bool:
    """Return whether a name may be that of `of` or of its gradient: self.dx_hat and xhat."""
    return _stem(of) == _stem(name)


def _stem(name: str) -> str:
    last = re.sub(r"\W", "", name.rpartition(".")[2]).lower().replace("_", "")
    return re.sub(r"^(grad|d)(?=.)|(?<=\D)\d+$", "", last)


def same(value: Any, quantity: Any) -> bool:
    """Return whether two values are equal, up to axes of length 1."""
    if value is None or quantity is None or isinstance(value, str | tuple | list | dict):
        return False
    a, b = np.squeeze(np.asarray(value)), np.squeeze(np.asarray(quantity))
    return a.shape == b.shape and close(a, b)


def _shaped(value: Any, like: Any) -> list[Any]:
    """List the shapes in which a quantity may stand for a value."""
    shape = np.shape(like)
    if value.shape == shape:
        return [value]
    if np.squeeze(value).shape == tuple(n for n in shape if n != 1):
        return [value.reshape(shape)]
    squeezed = np.squeeze(value)
    return [squeezed] if squeezed.shape == value.shape else [squeezed, value]
