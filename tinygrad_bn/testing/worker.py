"""The process in which ``tinygrad-bn check`` runs the file that it judges.

Whatever that code does (print, exit, loop for ever, crash), it does here; this process leaves one
JSON object in a file, and is ended by the command if it does not.
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


def main(request: dict[str, Any], answers: str) -> NoReturn:
    """Judge as requested, write the answer into a file, and end, whatever threads still run."""
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
) -> dict[str, Any]:
    """Give the report as text and data, or the sentence that says why there is none."""
    path = Path(file)
    try:
        # Importing may take long without being wrong: the limit for the whole holds.
        defined = Caller(seconds, seconds)(f"import {path.stem}", namespace_of, path)
        subjects = recognise(defined, name)
    except CallError as error:
        return {"error": f"{path} cannot be imported: {error.told}"}
    except TimeLimitError as late:
        return {"error": f"{path} cannot be imported: {late}"}
    except NothingToJudgeError as reason:
        return {"error": f"{path}: {reason}"}
    report = check(subjects, Caller(seconds_per_call, seconds), examples, seed)
    return {"text": str(report), "report": report.as_dict()}


def namespace_of(path: Path) -> dict[str, Any]:
    """Run a Python file as a module, beside whose file it may import others."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(path.resolve().parent))
    sys.argv = [str(path)]
    loader = SourceFileLoader(path.stem, str(path))
    module = module_from_spec(spec_from_loader(path.stem, loader))  # type: ignore[arg-type]
    sys.modules.setdefault(path.stem, module)  # never in place of what others have imported
    loader.exec_module(module)
    return vars(module)
