"""The report as a page: the user's code, with a mark and the values beside each line.

The page is one file that needs no network and has no script. It reads what the search for the line
has found, and the values on one small batch: the smallest on which the code fails, if it fails.
"""

from __future__ import annotations

import base64
import hashlib
import linecache
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from ...program import trace
from ...tensor import Tensor
from ..batch import Batch
from ..report import Report, Verdict
from . import Lines, words
from .locating import Found, Step, steps_of
from .trial import DIRECT, CannotTellError, Trial

MOST_SHOWN, MOST_ON_A_LINE = 24, 6  # values of an array


@dataclass(frozen=True)
class Sheet:
    """What is shown of one implementation: its search, a batch, and the values on it."""

    verdict: Verdict
    lines: Lines
    batch: Batch
    trial: Trial
    steps: Sequence[Step]


def page(report: Report, graphs: Sequence[str | None]) -> str:
    """Return the page as HTML. `graphs` are the links to the graph of each forward, or None."""
    style = (resources.files(__package__) / "static" / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'"
    parts = [
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>",
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>Batch norm, checked</title><style>{style}</style></head><body><main>",
        "<h1>Batch norm, checked</h1>",
        "<p class='quiet'>Beside each line of your code: its values on one small batch, and the "
        "gradients that they are.</p>",
        "<ul class='legend'><li><span class='ok'></span>the value belongs there</li>"
        "<li><span class='wrong'></span>here it goes wrong</li>"
        "<li>? or here: the two do not fit together</li>"
        "<li>&middot; not judged by itself</li></ul>",
    ]
    parts += [f"<p>note: {escape(note)}</p>" for note in report.notes]
    for number, (verdict, graph) in enumerate(zip(report.verdicts, graphs, strict=True)):
        parts += _verdict(verdict, graph, f"v{number}-")
    return "\n".join([*parts, "</main></body></html>\n"])


def graph_page(verdict: Verdict) -> str | None:
    """Return the explorer of the user's forward as HTML; None if it cannot be recorded."""
    sheet = _sheet(verdict)
    if sheet is None:
        return None
    b, copy, subject = sheet.batch, sheet.trial.copy, sheet.lines.subject
    names = {p.number: p.text for p in copy.places if p.kind == "assignment"}

    def name(place: int, value: Any) -> Any:
        if place in names and isinstance(value, Tensor) and value.name is None:
            value.name = names[place]
        return value

    def forward(x: Any, gamma: Any, beta: Any) -> Any:
        running = np.array(b.running_mean), np.array(b.running_var)
        return subject.session(DIRECT, gamma, beta, running).train(x)

    try:
        with copy.noted_by(name):
            program = trace(forward, b.x, b.gamma, b.beta)
        graph = program.graph(b.x, b.gamma, b.beta, gradient=b.dy)
        with tempfile.TemporaryDirectory() as place:
            return graph.save(Path(place) / "graph.html").read_text(encoding="utf-8")
    except Exception:  # the forward may do what only arrays can
        return None


def _sheet(verdict: Verdict) -> Sheet | None:
    lines = verdict.search
    if lines is None:
        return None
    batch = lines.shown_on or _small(lines)
    try:
        trial, steps = lines.at(batch), steps_of(lines.trials())
    except CannotTellError:
        return None
    return Sheet(verdict, lines, batch, trial, steps)


def _small(lines: Lines) -> Batch:
    shape = (3, 2) if lines.subject.ndim == 2 else (2, 2, 1, 2)
    x = np.arange(float(np.prod(shape))).reshape(shape) ** 2 % 5
    return Batch(
        x, np.array([1.0, 2.0]), np.array([0.0, 1.0]), np.sign(x - 2.5) + (x == 1),
        tuple(i for i in range(len(shape)) if i != 1), lines.eps,
        np.zeros(2), np.ones(2),
    )  # fmt: skip


# --- one implementation -----------------------------------------------------------------------


def _verdict(verdict: Verdict, graph: str | None, anchor: str) -> Iterator[str]:
    yield f"<h2>{escape(verdict.name)}</h2>"
    kind = "good" if verdict.ok and not verdict.unwritten else "bad"
    yield f"<p class='verdict {kind}'>{escape(verdict.conclusion)}</p>"
    if verdict.convention:
        yield f"<p class='quiet'>taken as: {escape(verdict.convention)}</p>"
    yield "<ul class='properties'>"
    for line in verdict.lines:
        kind, said = ("ok", line.text) if line.passed else ("wrong", "see below")
        yield f"<li class='{kind}' title='{escape(said)}'>{escape(line.property)}</li>"
    yield "</ul>"
    for note in verdict.notes:
        yield f"<p>note: {escape(note)}</p>"
    reasons = [f"{what}: {why}" for what, why in verdict.unjudged.items()]
    for reason in [*reasons, *filter(None, [verdict.stopped])]:
        yield f"<p>not judged:</p><pre>{escape(reason)}</pre>"
    if verdict.adapter:
        yield "<details><summary>An adapter to complete, for --adapter</summary>"
        yield f"<pre>{escape(verdict.adapter)}</pre></details>"
    yield from _shown(verdict, graph, anchor)
    for line in verdict.lines:
        if not line.passed:
            yield f"<details><summary>The report on {escape(line.property)}</summary>"
            yield f"<pre>{escape(str(line))}</pre></details>"


def _shown(verdict: Verdict, graph: str | None, anchor: str) -> Iterator[str]:
    if verdict.search is None:
        yield "<p>Lines are marked only in a batch norm whose backward can be judged.</p>"
        return
    sheet = _sheet(verdict)
    if sheet is None:
        yield "<p>The values of your lines cannot be shown: neither could the forward be recorded, "
        yield "nor is it that of batch norm, or its source is not there.</p>"
        return
    if graph:
        yield f"<p><a href='{escape(graph)}'>The graph of your forward, step by step</a></p>"
    yield from _inputs(sheet)
    yield from _code(sheet, anchor)


def _inputs(sheet: Sheet) -> Iterator[str]:
    b = sheet.batch
    yield "<h3>The batch</h3><div class='values'><dl>"
    for name, value in (("x", b.x), ("gamma", b.gamma), ("beta", b.beta), ("dout", b.dy)):
        yield f"<dt>{name} {_shape(value)}</dt><dd class='array'>{_array(value)}</dd>"
    yield "</dl></div>"


def _code(sheet: Sheet, anchor: str) -> Iterator[str]:
    functions = sorted(
        {
            (f.__code__.co_filename, f.__code__.co_firstlineno, _last_line(f.__code__), f.__name__)
            for f, _ in sheet.trial.copy.functions
        }
    )
    marks = _marks(sheet)
    for file, first, last, name in functions:
        yield f"<h3>{escape(name)}, {escape(Path(file).name)}</h3><div class='sheet'><table>"
        for number in range(first, last + 1):
            code = escape(linecache.getline(file, number).rstrip("\n"))
            mark = marks.get((file, number), "")
            shown = _linked("".join(_values(sheet, file, number)), anchor)
            yield (
                f"<tr id='{anchor}{number}' class='{mark}'><td class='number'>{number}</td>"
                f"<td class='mark'></td><td class='code'><code>{code}</code></td>"
                f"<td class='values'>{shown}</td></tr>"
            )
        yield "</table></div>"


def _last_line(code: CodeType) -> int:
    return max([line for _, _, line in code.co_lines() if line], default=0)


def _marks(sheet: Sheet) -> dict[tuple[str, int], str]:
    marks: dict[tuple[str, int], str] = {}
    for step in sheet.steps:
        if step.place.kind != "argument":
            place = step.place.file, step.place.line
            right = step.right and marks.get(place, "right") == "right"
            marks[place] = "right" if right else "open"
    for found in sheet.lines.found.values():
        for other in found.others:
            marks[other.place.file, other.place.line] = "rival"
        if found.suspect:
            marks[found.suspect.place.file, found.suspect.place.line] = "suspect"
    return marks


def _values(sheet: Sheet, file: str, number: int) -> Iterator[str]:
    """Yield what stands beside a line."""
    accused = [
        (name, found)
        for name, found in sheet.lines.found.items()
        if found.suspect and (found.suspect.place.file, found.suspect.place.line) == (file, number)
    ]
    if accused:
        name, found = accused[0]
        yield from _why(sheet, found, name)
    rows: dict[str, None] = {}
    for step in sheet.steps:
        place = step.place
        if (place.file, place.line) != (file, number) or place.kind == "argument":
            continue
        if any(found.suspect and found.suspect.place is place for _, found in accused):
            continue
        value = sheet.trial.value_at(place.number)
        if _is_shown(value):
            about = f", {step.match}" if step.match and step.match.kind != "other" else ""
            name = place.text if about == f", {place.text}" else f"{place.text}{about}"
            rows.setdefault(_row(name, value))
    places = sheet.trial.copy.places
    for event, value in sheet.trial.forward_events:
        place = places[event]
        if (place.file, place.line) != (file, number) or place.kind != "assignment":
            continue
        if _is_shown(value):
            rows.setdefault(_row(place.text, value))
            for quantity in sheet.trial.quantities:
                here = (quantity.kind, quantity.of, quantity.line, quantity.file)
                if here == ("gradient", place.text, number, file):
                    rows.setdefault(_row(f"the gradient of {place.text}", quantity.value))
                    break
    if rows:
        yield f"<dl>{''.join(rows)}</dl>"


def _why(sheet: Sheet, found: Found, name: str) -> Iterator[str]:
    assert found.suspect is not None
    first, *rest = words.clauses(found, name)
    first = first.partition(": ")[2] or "here it goes wrong"
    said = "".join(f"<li>{escape(clause)}</li>" for clause in (first, *rest))
    yield f"<ul class='why'>{said}</ul><dl>"
    value = sheet.trial.value_at(found.suspect.place.number)
    ought = sheet.lines.expected_at(found, sheet.trial)
    if ought is not None:
        yield _row("should be", ought)
    if value is not None:
        yield _row("is", value)
    yield "</dl>"


def _row(name: str, value: Any) -> str:
    return f"<dt>{escape(name)} {_shape(value)}</dt><dd class='array'>{_array(value)}</dd>"


def _shape(value: Any) -> str:
    shape = np.shape(value)
    return f"<span class='quiet'>{escape(str(shape))}</span>" if shape else ""


def _is_shown(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | float | int) and not isinstance(value, bool)


def _array(value: Any) -> str:
    """Write an array, on one line if it is small."""
    value = np.asarray(value)
    if not value.shape:
        return escape(f"{value.item():.6g}")
    text = np.array2string(
        value, precision=4, suppress_small=True, threshold=MOST_SHOWN, edgeitems=2, separator=", "
    )
    if value.size <= MOST_ON_A_LINE:
        text = re.sub(r"\s*\n\s*", " ", text)
    return escape(text)


def _linked(text: str, anchor: str) -> str:
    return re.sub(r"\bline (\d+)", rf"<a href='#{anchor}\1'>line \1</a>", text)
