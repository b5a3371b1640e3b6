"""What the judge found, as a person reads it and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

from .catalogue import Mistake

NO_MATCH = "no known mistake matches"


@dataclass(frozen=True)
class Line:
    """The verdict on one property. A failed one says what was wrong, and how to see it.

    `counterexample` is code to paste: it ends in an assertion that fails, or in the call that
    raises. `searched`: the catalogue was asked, also if no `mistake` came of it.
    """

    property: str
    passed: bool
    text: str
    counterexample: str = ""
    mistake: Mistake | None = None
    searched: bool = False

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
        parts += ["    to see it:", textwrap.indent(self.counterexample, " " * 6)]
        return "\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        mistake = self.mistake and {
            key: getattr(self.mistake, key) for key in ("name", "sentence", "term")
        }
        shown = {"property": self.property, "passed": self.passed, "text": self.text}
        return {**shown, "counterexample": self.counterexample, "mistake": mistake}


@dataclass(frozen=True)
class Verdict:
    """The lines on one implementation, after how many examples, and what else is worth knowing."""

    name: str
    convention: str
    examples: int
    lines: list[Line]
    notes: list[str] = field(default_factory=list)
    stopped: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every property holds, and all examples were judged."""
        return self.stopped is None and all(line.passed for line in self.lines)

    def __str__(self) -> str:
        parts = [f"{self.name}\n  taken as: {self.convention}", *map(str, self.lines)]
        parts += [textwrap.indent(f"note: {note}", "  ") for note in self.notes]
        if self.stopped:
            parts.append(textwrap.indent(f"STOPPED: {self.stopped}", "  "))
        parts.append(f"  {self._conclusion()} ({self.examples} examples)")
        return "\n".join(parts)

    def _conclusion(self) -> str:
        wrong = [line.property for line in self.lines if not line.passed]
        if wrong:
            return f"wrong: {', '.join(wrong)}"
        return "could not be judged" if self.stopped else "right"


@dataclass(frozen=True)
class Report:
    """The verdicts on all implementations. True if all are right; printed, it explains itself."""

    verdicts: list[Verdict]

    @property
    def ok(self) -> bool:
        """Whether every implementation is right."""
        return all(verdict.ok for verdict in self.verdicts)

    @property
    def exit_code(self) -> int:
        """0: all right. 1: something is wrong. 2: something could not be judged."""
        if any(not line.passed for verdict in self.verdicts for line in verdict.lines):
            return 1
        return 0 if self.ok else 2

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.verdicts))

    __repr__ = __str__

    def as_dict(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        verdicts = []
        for verdict in self.verdicts:
            lines = [line.as_dict() for line in verdict.lines]
            shallow = {k: v for k, v in vars(verdict).items() if k != "lines"}
            verdicts.append({**shallow, "ok": verdict.ok, "lines": lines})
        return {"ok": self.ok, "exit_code": self.exit_code, "verdicts": verdicts}
