"""The process in which ``tinygrad-bn check`` runs the file that it checks.

If the user's code prints, exits, crashes or runs forever, it does so only in this process. The
process writes one JSON object to a file. If it does not end, the command ends it.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any, NoReturn

from .calls import Caller, CallError, TimeLimitError
from .conventions import NothingToJudgeError, recognise
from .judge import check
from .lines.page import graph_page, page
from .report import Report


def main(request: dict[str, Any], answers: str) -> NoReturn:
    """Check as requested, write the answer to a file, and exit, even if threads still run."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    Path(answers).write_text(json.dumps(answer(**request)))
    os._exit(0)


def answer(
    file: str,
    name: str | None,
    examples: int,
    seed: int,
    seconds: float,
    seconds_per_call: float,
    graph_name: str | None = None,
) -> dict[str, Any]:
    """Return the report as text and data, or an error message in one sentence.

    With `graph_name`, also the page, and the explorers of the forwards: the first is linked to
    from the page under that name, the others with a number in it.
    """
    path = Path(file)
    try:
        # A slow import is not a mistake, so only the limit for the whole check applies.
        defined = Caller(seconds, seconds)(f"import {path.stem}", namespace_of, path)
        subjects = recognise(defined, name)
    except CallError as error:
        return {"error": f"{path} cannot be imported: {error.told}"}
    except TimeLimitError as late:
        return {"error": f"{path} cannot be imported: {late}"}
    except NothingToJudgeError as reason:
        return {"error": f"{path}: {reason}"}
    report = check(subjects, Caller(seconds_per_call, seconds), examples, seed)
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


def namespace_of(path: Path) -> dict[str, Any]:
    """Run a Python file as a module, which may import other files of its folder."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(path.resolve().parent))
    sys.argv = [str(path)]
    loader = SourceFileLoader(path.stem, str(path))
    module = module_from_spec(spec_from_loader(path.stem, loader))  # type: ignore[arg-type]
    sys.modules.setdefault(path.stem, module)  # a module imported before is not replaced
    loader.exec_module(module)
    return vars(module)
