"""A derivation as a page: mathematics in MathML, no script, no network."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files, mathml
from .writing import LATEX, latex_name

if TYPE_CHECKING:
    from .derivation import Derivation
    from .steps import Step


def save(derivation: Derivation, path: Path) -> None:
    """Write the page of a derivation."""
    if path.suffix != ".html":
        raise ValueError(f"save: a derivation is saved as .html, not as {path.suffix or path.name}")
    files.write(path, page(derivation).encode())


def page(derivation: Derivation) -> str:
    """Return the page as HTML."""
    style = (resources.files(__package__) / "page.css").read_text(encoding="utf-8")
    template = (resources.files(__package__) / "page.html").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    name = derivation.recorded.name.partition(",")[0]
    where = derivation.names.definitions(derivation.closed, LATEX)
    parts = {
        "policy": f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'",
        "style": style,
        "title": escape(f"{derivation.name} of {name}"),
        "closed": mathml.convert(f"{latex_name(derivation.name)} = {derivation.latex}"),
        "where": "".join(
            f"<li>{mathml.convert(f'{a} = {_length(b)}')}</li>"
            for a, b in where.items()
            if a.strip("()") != b.replace(" ", "")
        ),
        "sums": f"<li>Σ over {escape(over)}</li>" if (over := derivation.names.sums_over) else "",
        "lines": "".join(
            _line(key, list(steps)) for key, steps in groupby(derivation.steps, lambda s: s.name)
        ),
        "error": f"{max(step.error for step in derivation.steps):.0e}",
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda slot: parts[slot[1]], template)


def _length(words: str) -> str:
    """Write what a length is, such as x.shape[0], as a program does."""
    return rf"\texttt{{{words}}}" if ".shape[" in words else words


def _line(name: str, steps: list[Step]) -> str:
    rows = []
    for i, step in enumerate(steps):
        left = mathml.convert(step.name_latex) if i == 0 else ""
        rows.append(
            f"<tr><td class=name>{left}</td><td class=formula>{mathml.convert('= ' + step.latex)}"
            f"</td><td class=law>{mathml.convert(step.law_latex)}</td></tr>"
        )
    return f"<tbody>{''.join(rows)}</tbody>"
