"""The process in which ``tinygrad-bn check`` runs the file that it checks.

If the user's code prints, exits, crashes or runs forever, it does so only in this process. The
process writes one JSON object to a file, and what it is doing to another. If it does not end, the
command ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from .calls import Caller, CallError, TimeLimitError
from .conventions import Found, NothingToJudgeError, find, subject_of
from .judge import check
from .lines.page import graph_page, page
from .loading import Loaded, load, load_definitions
from .report import Report


def main(request: dict[str, Any], answers: str, doing: str) -> NoReturn:
    """Check as requested, write the answer to a file, and exit, even if threads still run."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    Path(answers).write_text(json.dumps(answer(**request, doing=doing)))
    os._exit(0)


def answer(
    file: str,
    name: str | None,
    adapter: str | None,
    examples: int,
    seed: int,
    seconds: float,
    seconds_per_call: float,
    doing: str,
    graph_name: str | None = None,
) -> dict[str, Any]:
    """Return the report as text and data, or an error message in one sentence.

    With `graph_name`, also the page, and the explorers of the forwards: the first is linked to
    from the page under that name, the others with a number in it.
    """
    path = Path(file)

    latest = 0.0

    def progress(text: str) -> None:
        nonlocal latest
        if time.monotonic() > latest + 0.1:
            latest = time.monotonic()
            with contextlib.suppress(OSError):
                Path(doing).write_text(text)

    call = Caller(seconds_per_call, seconds)
    try:
        loaded, found = _defined(path, name, adapter, call, progress)
    except CallError as error:
        return {"error": f"{path} cannot be imported: {error.told}"}
    except TimeLimitError as late:
        return {"error": f"{path} cannot be imported: {late}"}
    except NothingToJudgeError as reason:
        return {"error": f"{path}: {reason}"}
    report = check(found, call, examples, seed, progress)
    report = replace(report, notes=tuple(loaded.notes))
    answered = {"text": str(report), "report": report.as_dict()}
    return answered if graph_name is None else {**answered, **_pages(report, graph_name)}


def _pages(report: Report, graph_name: str) -> dict[str, Any]:
    graphs: dict[str, str] = {}
    links: list[str | None] = []
    for number, verdict in enumerate(report.verdicts, start=1):
        name = graph_name if number == 1 else f"{number}-{graph_name}"
        graph = graph_page(verdict)
        links.append(name if graph else None)
        if graph:
            graphs[name] = graph
    return {"page": page(report, links), "graphs": graphs}


def _defined(
    path: Path, name: str | None, adapter: str | None, call: Caller, progress: Any
) -> tuple[Loaded, Found]:
    """Run the file, or else its definitions, and find what there is to judge."""

    def found_in(loaded: Loaded) -> Found:
        progress("finding what there is to judge")
        if adapter is None:
            return find(loaded.namespace, name, call)
        return Found([subject_of(*_adapter(Path(adapter), loaded, call))], [], [])

    progress("running the file")
    try:
        # A slow import is not a mistake, so only the limit for the whole check applies.
        limit = Caller(call.seconds, call.seconds)
        loaded = limit(f"import {path.stem}", load, path)
    except (CallError, TimeLimitError) as why:
        call.allow(call.seconds)
        try:
            loaded = call(f"the definitions of {path.name}", load_definitions, path)
            found = found_in(loaded)
        except (CallError, TimeLimitError, NothingToJudgeError):
            raise why from None
        told = why.told if isinstance(why, CallError) else str(why)
        loaded.notes.insert(0, f"only the definitions of {path.name} were taken, for it does not "
                               f"run as a whole: {told}")  # fmt: skip
        return loaded, found
    call.allow(call.seconds)
    return loaded, found_in(loaded)


def _adapter(path: Path, loaded: Loaded, call: Caller) -> tuple[dict[str, Any], ModuleType]:
    """Run an adapter, in which the definitions of the checked file are known."""
    module = ModuleType("adapter")
    taken = {k: v for k, v in loaded.namespace.items() if not k.startswith("__")}
    own: dict[str, Any] = {}

    def run() -> None:
        vars(module).update(taken)
        exec(compile(path.read_text(), str(path), "exec"), vars(module))
        own.update({k: v for k, v in vars(module).items() if v is not taken.get(k)})

    try:
        call(f"the adapter {path}", run)
    except CallError as error:
        raise NothingToJudgeError(f"the adapter {path} cannot be run: {error.told}") from None
    return own, module
