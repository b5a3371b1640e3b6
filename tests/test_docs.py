"""The documentation says what is so: its code runs, its links lead somewhere, its words are spelt.

The site itself is built by another command (CONTRIBUTING.md), which checks its links once more.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import io
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbclient import NotebookClient

import tinygrad_bn as tg
from tinygrad_bn.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

# Lines that set up a machine or run a whole job; everything else in a shell block is tried here.
NOT_OURS_TO_RUN = ("make ", "pip ", "python -m pip ", "git ", "pytest", "cd ", "mkdocs ", "python ")

# These pages come with the parts of the package that they describe, whose tests try their code.
ELSEWHERE = {"check-your-own.md", "gallery.md", "test-your-own-layer.md"}

name_of = {page: str(page.relative_to(ROOT)) for page in [*PAGES, *NOTEBOOKS]}.__getitem__


def run_python(block: str, at: str, names: dict[str, object]) -> None:
    """Run a block: with prompts its output is compared, without it may print nothing."""
    if ">>>" not in block:
        exec(compile(block, at, "exec"), names)
        return
    assert block.lstrip().startswith(">>>"), f"{at}: text before the first prompt is never run"
    report = io.StringIO()
    test = doctest.DocTestParser().get_doctest(block, names, at, at, 0)
    test.globs = names  # shared: a page is read from top to bottom
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.write, clear_globs=False)
    assert not report.getvalue(), report.getvalue()


def run_shell(block: str, at: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the commands of this package (``$ tinygrad-bn ...``) and compare what they print."""
    for command in re.split(r"^\$ ", block, flags=re.MULTILINE):
        line, _, expected = command.partition("\n")
        if line.startswith("tinygrad-bn "):
            main(line.split()[1:])
            printed = capsys.readouterr().out
            same = doctest.OutputChecker().check_output(expected, printed, OPTIONS)
            assert same, f"{at}: $ {line}\nprints\n{printed}"
        else:
            assert line.startswith(NOT_OURS_TO_RUN) or not line, f"{at}: $ {line} is not tried"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in ELSEWHERE], ids=name_of
)
def test_the_code_of_a_page_runs_and_prints_what_it_says(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # what a page saves goes there
    monkeypatch.setenv("COLUMNS", "100")
    text = page.read_text()
    names: dict[str, object] = {"__name__": "__main__"}
    for found in FENCE.finditer(text):
        language, block = found[2], inspect.cleandoc(found[3]) + "\n"
        at = f"{page.name}:{text[: found.start()].count(chr(10)) + 1}"
        if language == "python":
            run_python(block, at, names)
        elif language == "console":
            run_shell(block, at, capsys)
        else:
            assert language == "text", f"{at}: a block of {language or 'no language'} is not tried"


def test_no_code_hides_outside_of_the_blocks_that_are_run():
    for page in PAGES:
        assert ">>>" not in FENCE.sub("", page.read_text()), page


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page):
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("https://", "#")):
            path = target.partition("#")[0]
            made_at_build = path.endswith("speed.md")  # of benchmarks/, by docs/hooks.py
            assert made_at_build or (page.parent / path).exists(), f"{page.name}: {target}"


def test_every_page_is_in_the_navigation_once():
    navigation = re.findall(r"[\w/.-]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert len(set(navigation)) == len(navigation)
    assert set(pages) <= set(navigation)


def public_names(module: ModuleType) -> set[str]:
    """List what a module offers, and what the modules offer that it offers."""
    own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__]
    names = set()
    for name in getattr(module, "__all__", [n for n in own if n[0] != "_"]):
        value = getattr(module, name)
        names |= public_names(value) if inspect.ismodule(value) else {name}
    return names


def test_every_public_name_is_in_the_reference():
    text = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    places = [place.rpartition(".") for place in re.findall(r"^::: (\S+)", text, re.MULTILINE)]
    for module, _, name in places:
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
    assert public_names(tg) - {name for _, _, name in places} == set()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_runs_and_is_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(ROOT)}}).execute()


def test_words_are_spelt_as_in_a_dictionary():
    where = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "examples", "tinygrad_bn"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "codespell_lib",
            "--skip",
            "*.svg,*.png,*.js",
            "--ignore-words-list",
            "dout,fro,nin",
            *where,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
