"""The verdicts of a check, as text and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

from .catalogue import Mistake
from .lines import Lines, Where

NO_MATCH = "no known mistake matches"


@dataclass(frozen=True)
class Line:
    """The verdict on one property. If it failed, `text` describes what is wrong.

    `counterexample` is code that shows the failure: it ends in an assertion that fails, or in the
    call that raises. `searched` is whether the catalogue was searched; `mistake` is None if no row
    of it fits.
    """

    property: str
    passed: bool
    text: str
    counterexample: str = ""
    mistake: Mistake | None = None
    searched: bool = False
    where: Where | None = None  # the line of a backward pass at which it goes wrong

    def __str__(self) -> str:
        if self.passed:
            return f"  ok      {self.property}: {self.text}"
        parts = [f"  WRONG   {self.property}: {self.text}"]
        if self.mistake:
            parts.append(f"    the mistake: {self.mistake.sentence}")
            if self.mistake.term:
                parts.append(f"    the formula: {self.mistake.term}")
        elif self.searched:
            parts.append(f"    the mistake: {NO_MATCH}")
        if self.where:
            parts.append(f"    the line: {self.where}".replace("\n", "\n      "))
        parts += ["    to see it:", textwrap.indent(self.counterexample, " " * 6)]
        return "\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Return the contents as a dict that can be written as JSON."""
        mistake = self.mistake and {
            key: getattr(self.mistake, key) for key in ("name", "sentence", "term")
        }
        shown = {"property": self.property, "passed": self.passed, "text": self.text}
        where = self.where and self.where.as_dict()
        more = {"counterexample": self.counterexample, "mistake": mistake, "line": where}
        return {**shown, **more}


@dataclass(frozen=True)
class Verdict:
    """The verdict on one implementation: its lines, the number of examples, and remarks."""

    name: str
    convention: str
    examples: int
    lines: list[Line]
    notes: list[str] = field(default_factory=list)
    stopped: str | None = None
    unwritten: bool = False  # there is nothing to judge yet
    unjudged: dict[str, str] = field(default_factory=dict)  # what cannot be judged, and why
    adapter: str = ""  # a file to complete, with which it can be judged
    above: list[str] = field(default_factory=list)  # wrong, and reported with another backward
    search: Lines | None = field(default=None, repr=False)  # for the page

    @property
    def ok(self) -> bool:
        """Return whether every property holds and the check was not stopped."""
        undecided = self.stopped is not None or self.unjudged
        wrong = self.above or not all(line.passed for line in self.lines)
        return not undecided and not wrong

    def __str__(self) -> str:
        parts = [self.name, f"  taken as: {self.convention}"] if self.convention else [self.name]
        parts += map(str, self.lines)
        parts += [
            textwrap.indent(f"  ?       {what}: cannot be judged: {why}", "    ").removeprefix(
                "    "
            )
            for what, why in self.unjudged.items()
        ]
        parts += [textwrap.indent(f"note: {note}", "  ") for note in self.notes]
        if self.stopped:
            word = "STOPPED" if self.convention else "cannot be judged"
            parts.append(textwrap.indent(f"{word}: {self.stopped}", "  "))
        if self.adapter:
            parts.append(f"  to have it judged, save this as adapter.py, complete the lines marked "
                         f"TODO,\n  and give --adapter adapter.py:\n\n"
                         f"{textwrap.indent(self.adapter, '      ')}")  # fmt: skip
        parts.append(f"  {self.conclusion}")
        return "\n".join(parts)

    @property
    def conclusion(self) -> str:
        """Return the verdict in one line."""
        return f"{self._conclusion()} ({self.examples} examples)"

    def _conclusion(self) -> str:
        wrong = [f"{name} (as reported above)" for name in self.above]
        wrong += [line.property for line in self.lines if not line.passed]
        if wrong:
            return f"wrong: {', '.join(wrong)}"
        if self.unwritten:
            return "not written yet"
        if self.stopped:
            return "could not be judged"
        if self.unjudged:
            right = ", ".join(line.property for line in self.lines)
            return f"right: {right}; could not be judged: {', '.join(self.unjudged)}"
        partly = any("is not written yet" in note for note in self.notes)
        return "right, as far as it is written" if partly else "right"


@dataclass(frozen=True)
class Report:
    """The verdicts on all implementations. It is true if all are right; print it to read them."""

    verdicts: list[Verdict]
    others: tuple[str, ...] = ()  # what else could be judged
    notes: tuple[str, ...] = ()  # remarks on the file

    @property
    def ok(self) -> bool:
        """Return whether every implementation is right."""
        return all(verdict.ok for verdict in self.verdicts)

    @property
    def exit_code(self) -> int:
        """Return 0 if all is right, 1 if something is wrong, 2 if something is undecided.

        Parts that are not written yet do not count, unless nothing else is there.
        """
        if any(not line.passed for verdict in self.verdicts for line in verdict.lines):
            return 1
        nothing_judged = all(verdict.unwritten for verdict in self.verdicts)
        return 0 if self.ok and not nothing_judged else 2

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        parts = [*map(str, self.verdicts), *(f"note: {note}" for note in self.notes)]
        if self.others:
            parts.append(f"note: not asked for, but could be judged: {'; '.join(self.others)}")
        return "\n\n".join(parts)

    __repr__ = __str__

    def as_dict(self) -> dict[str, Any]:
        """Return the contents as a dict that can be written as JSON."""
        verdicts = []
        for verdict in self.verdicts:
            lines = [line.as_dict() for line in verdict.lines]
            shallow = {k: v for k, v in vars(verdict).items() if k not in ("lines", "search")}
            verdicts.append({**shallow, "ok": verdict.ok, "lines": lines})
        return {"ok": self.ok, "exit_code": self.exit_code, "verdicts": verdicts,
                "others": list(self.others), "notes": list(self.notes)}  # fmt: skip
