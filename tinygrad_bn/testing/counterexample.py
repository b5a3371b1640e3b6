"""Findings as code that can be run, which ends in a failing assertion or in a call that raises."""

from __future__ import annotations

import re

import numpy as np

from .batch import Array, Batch
from .catalogue import elsewhere
from .conventions import Subject
from .expectation import Finding, literal
from .observation import Seen


def script(subject: Subject, batch: Batch, seen: Seen, finding: Finding) -> str:
    """Write code that shows a finding: it ends in a failing assertion or in a call that raises."""
    arrays = {
        "x": batch.x, "gamma": batch.gamma, "beta": batch.beta, "dout": batch.dy,
        "running_mean": batch.running_mean, "running_var": batch.running_var,
        "x_first": elsewhere(batch, "first").x, "x_latest": elsewhere(batch, "latest").x,
    }  # fmt: skip
    body = "\n".join((*seen.statements, finding.wanted))
    used = [name for name in arrays if _uses(body, name)]
    lines = ["import numpy as np", _import(subject), "", *filter(None, [subject.prelude])]
    lines += [f"{name} = {_literal(arrays[name])}" for name in used]
    lines += seen.statements
    if finding.wanted:
        lines.append(f"assert {finding.wanted}")
    return "\n".join(lines)


def _import(subject: Subject) -> str:
    names, module = ", ".join(subject.names), subject.module
    if module is None:
        return f"# and {names}, as you defined it"
    if all(part.isidentifier() for part in module.split(".")):
        return f"from {module} import {names}"
    pulled = [f'{n} = importlib.import_module("{module}").{n}' for n in subject.names]
    return "\n".join(["import importlib", "", *pulled])


def _uses(code: str, name: str) -> bool:
    return re.search(rf"(?<![\w.\"'])(?<!\w\.){name}\b(?![\"'])", code) is not None


def _literal(array: Array) -> str:
    return f"np.array({literal(array)}{'' if array.dtype == np.float64 else ', np.float32'})"
