"""What was found out about a line, in words."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .locating import Found, Step
from .trial import Trial, close

NUMBERS = (
    ("", 1.0), ("2", 2.0), ("1/2", 0.5), ("4", 4.0), ("1/4", 0.25), ("3", 3.0), ("2/3", 2 / 3),
)  # fmt: skip


def clauses(found: Found, name: str) -> list[str]:
    """Return what there is to say about the suspect, without its values."""
    step = found.suspect
    assert step is not None
    here = f"line {step.place.line}, {shown(step)}"
    said = [f"{here}: should be {found.ought}" if found.ought is not None else here]
    ratio = times(found)
    if ratio:
        said.append(ratio)
    if found.edit is not None:
        then, now = found.edit.then, found.edit.place.text
        said.append(f"{name} is right with `{then}` in place of `{now}`")
    said += [
        f"or it is line {other.place.line}, {shown(other)}, that has the wrong sign: the two "
        "lines do not fit together"
        for other in found.others
    ]
    right = right_lines(found)
    return [*said, right] if right else said


def shown(step: Step) -> str:
    """Return a step as people write it."""
    if step.place.kind == "result":
        text = step.place.text
        return f"`return ... {text if len(text) < 30 else text[:27] + '...'}`"
    return f"`{step.place.text} = ...`"


def right_lines(found: Found) -> str:
    """Return which lines before the suspect are right."""
    assert found.suspect is not None
    before = list(itertools.takewhile(lambda step: step is not found.suspect, found.steps))
    here = found.suspect.place
    steps = [
        step
        for step in before
        if step.place.file == here.file
        and step.place.function == here.function
        and step.place.kind == "assignment"
        and step.place.line != here.line
    ]
    lines = list(dict.fromkeys(step.place.line for step in steps))
    fine = [
        line
        for line in lines
        if all(step.right for step in steps if step.place.line == line)
        and not any(other.place.line == line for other in found.others)
    ]
    runs: list[list[int]] = []
    for line in fine:
        if runs and lines.index(line) == lines.index(runs[-1][-1]) + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    spans = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    if not spans:
        return ""
    if len(spans) == 1 and len(runs[0]) == 1:
        return f"line {spans[0]} is right"
    *first, last = spans
    return f"lines {', '.join(first)}{' and ' if first else ''}{last} are right"


def times(found: Found) -> str:
    """Return by which factor the value of the suspect differs from what it should be, or ""."""
    assert found.suspect is not None
    ratios = []
    for trial, value in zip(found.trials, found.suspect.values, strict=True):
        ought = quantity_of(found, trial)
        if ought is None or np.squeeze(value).shape != np.squeeze(ought).shape:
            return ""
        with np.errstate(all="ignore"):
            ratios.append(np.squeeze(np.asarray(value)) / np.squeeze(ought))
    if not all(np.all(np.isfinite(ratio)) for ratio in ratios):
        return ""
    if all(np.all(ratio == 0) for ratio in ratios):
        return "it is 0"
    powers = itertools.product(NUMBERS, (0, 1, -1), (0, 1, -1, 2, -2, 3, -3), (0, 1, -1))
    ordered = sorted(powers, key=lambda p: (abs(p[1]) + abs(p[2]) + abs(p[3]), p[0][0] != ""))
    for (number, factor), m, s, g in ordered:
        for sign in (1, -1):
            if all(
                _is(ratio, sign * factor, m, s, g, trial)
                for ratio, trial in zip(ratios, found.trials, strict=True)
            ):
                return _times(sign, number, m, s, g)
    return ""


def _is(ratio: Any, factor: float, m: int, s: int, g: int, trial: Trial) -> bool:
    b = trial.batch
    expected = factor * float(b.m) ** m * np.squeeze(b.s) ** s * np.squeeze(b.g) ** g
    try:
        spread = np.broadcast_to(_along(expected, ratio, b.x.shape), ratio.shape)
    except ValueError:
        return False
    return close(ratio, spread)


def _along(per_feature: Any, ratio: Any, shape: tuple[int, ...]) -> Any:
    if ratio.ndim == len(shape) == 4 and ratio.shape == shape:
        return per_feature[:, None, None]
    return per_feature


def _times(sign: int, number: str, m: int, s: int, g: int) -> str:
    above, _, below = number.partition("/")
    top, bottom = [above] if above not in ("", "1") else [], [below] if below else []
    for name, power in (("m", m), ("s", s), ("gamma", g)):
        if power:
            written = name if abs(power) == 1 else f"{name}^{abs(power)}"
            (top if power > 0 else bottom).append(written)
    if not top and not bottom:
        return "it has the wrong sign" if sign < 0 else ""
    text = " ".join(top) or "1"
    if bottom:
        text += "/" + (bottom[0] if len(bottom) == 1 else f"({' '.join(bottom)})")
    meaning = " (s is the standard deviation)" if s else ""
    return f"it is {'-' if sign < 0 else ''}{text} times that{meaning}"


def quantity_of(found: Found, trial: Trial) -> Any:
    """Return the value that the suspect should have in a trial."""
    ought = found.ought
    for first, here in zip(found.trials[0].quantities, trial.quantities, strict=False):
        if first is ought:
            return here.value
    return None
