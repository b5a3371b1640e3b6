"""What MkDocs does beyond Markdown: mathematics as MathML, pages made from the code.

MathML is written at build time, so that a reader's browser shows it without a download. The pages
`contributing.md` and `changelog.md` are the files of the repository's root, under these names. The
picture of the explorer becomes the explorer itself, which computes in the reader's browser.
"""

from __future__ import annotations

import html
import inspect
import os
import re
from pathlib import Path
from typing import Any

import griffe
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import tinygrad_bn as tg
from tinygrad_bn import cli, functions, numpy_table
from tinygrad_bn.bench import report
from tinygrad_bn.graph import explorer
from tinygrad_bn.operations import Operations
from tinygrad_bn.primitives import TABLE
from tinygrad_bn.testing import strategies

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"^(>>> .*?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
EXPLORER = re.compile(r'<img alt="([^"]*)" src="([^"]*)pictures/explorer_light\.png"[^>]*>')
MATHEMATICS = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_config(config: MkDocsConfig) -> None:
    """Say of functions that are made by others where they are found."""
    for name in tg.__all__:
        if inspect.isfunction(function := vars(functions).get(name)):
            function.__module__, function.__qualname__ = "tinygrad_bn", name
    for name, strategy in vars(strategies).items():
        if inspect.isfunction(strategy) and "<locals>" in strategy.__qualname__:
            strategy.__qualname__ = name
            strategy.__signature__ = inspect.signature(strategy)  # type: ignore[attr-defined]
            vars(strategy).pop("__wrapped__", None)  # which would lead into hypothesis
    for name, method in vars(Operations).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            method.__module__ = Operations.__module__
            method.__qualname__ = f"Operations.{name}"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside of docs/."""
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        content = (ROOT / name).read_text().replace("](docs/", "](")
        content = content.replace("](CHANGELOG.md)", "](changelog.md)")
        files.append(File.generated(config, name.lower(), content=content))
    measured = ROOT / "benchmarks"
    table, picture = (measured / "results.txt").read_text(), measured / "results.svg"
    content = (measured / "README.md").read_text()
    content += f"\n## The results\n\n![Ratios and times](results.svg)\n\n```text\n{table}```\n"
    files.append(File.generated(config, "speed.md", content=content))
    files.append(File.generated(config, "results.svg", abs_src_path=str(picture)))
    files.append(File.generated(config, "explorer.html", content=explorer.page(six_numbers())))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is made from the code, where a page has the mark ``<!-- made: ... -->``."""
    return re.sub(r"<!-- made: (\w+) -->", lambda mark: MADE[mark[1]](), markdown)


def on_page_content(html_text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace LaTeX by MathML, and the picture of the explorer by the explorer."""
    shown = (
        r'<iframe class="explorer" src="\2explorer.html" title="\1" loading="lazy"></iframe>'
        r'<a href="\2explorer.html">Open it in a page of its own</a>'
    )
    return EXPLORER.sub(shown, MATHEMATICS.sub(_mathml, html_text))


def six_numbers() -> tg.Graph:
    """Return the graph that the explorer of the documentation shows."""
    x, gamma, beta = (
        tg.Tensor(value, requires_grad=True, name=name)
        for name, value in (("x", [[1.0], [4.0], [6.0], [8.0], [10.0], [9.0]]),
                            ("gamma", [2.0]), ("beta", [10.0]))
    )  # fmt: skip
    dy = [[1.0], [-2.0], [0.5], [3.0], [-1.0], [0.0]]
    return tg.graph(tg.batch_norm(x, gamma, beta), dy)


def _mathml(found: re.Match[str]) -> str:
    display = "block" if found[2] == "[" else "inline"
    return str(convert(html.unescape(found[3]).strip(), display=display))


class Examples(griffe.Extension):
    """Put a docstring's examples into blocks of code, where no headline says that they are some."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of each object as it is read."""
        docstring = obj.docstring
        if docstring and "Examples\n---" not in docstring.value:
            docstring.value = EXAMPLE.sub(r"```python\n\1\n```", docstring.value)


def primitives() -> str:
    """Write the table of primitives: formula, the rule for each input, NumPy's names, example."""
    parts = []
    for row in TABLE.values():
        rules = ", ".join(
            f"$\\bar {letter} = {latex}$"
            for letter, (_, latex) in zip("ab", row.rules, strict=False)
        )
        known = ", ".join(f"`np.{function.__name__}`" for function in row.numpy)
        call, shown = row.example
        parts.append(
            f"## {row.name}\n\n$${row.math[1]}$$\n\nBackward: {rules}.\n\n"
            + (f"Recorded for {known}.\n\n" if known else "")
            + f"```python\n>>> {call}\n{shown}\n```\n"
        )
    return "\n".join(parts)


def numpy_names() -> str:
    """List NumPy's functions by what comes of a call with a Tensor."""
    lines = []
    for group, parts in numpy_table.numpy_table().items():
        count = sum(map(len, parts.values()))
        head = "| Why | Functions |" if group == numpy_table.REFUSED else "| Family | Functions |"
        lines += [f"## {group}\n", f"{count} functions.\n", head, "|---|---|"]
        for part, names in parts.items():
            listed = ", ".join(f"`{name}`" for name in names)
            lines.append(f"| {part[0].upper()}{part[1:]} | {listed} |")
        lines.append("")
    return "\n".join(lines)


def command_line() -> str:
    """Give the help texts of the command and its subcommands."""
    os.environ["COLUMNS"] = "90"
    top = cli.parser()
    texts = [top.format_help()]
    for action in top._subparsers._group_actions:  # type: ignore[union-attr]
        texts += [command.format_help() for command in action.choices.values()]  # type: ignore
    return "\n".join(f"```text\n{text}```\n" for text in texts)


def inside() -> str:
    """Give the measured table of what takes the time inside a step."""
    tables = (ROOT / "benchmarks/results.txt").read_text().split("\n\n")
    [table] = [table for table in tables if table.startswith(report.INSIDE)]
    head, *lines = [re.split(r"  +", line) for line in table.splitlines()[1:]]
    rows = [head, ["---", *("--:" for _ in head[1:])], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


MADE = {
    "primitives": primitives,
    "numpy_names": numpy_names,
    "command_line": command_line,
    "inside": inside,
}
