"""The guide "Test your own layer", run as what it says: a repository of its own, with pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "guides" / "test-your-own-layer.md"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The files of the guide: a block goes to the file that was named last before it."""
    folder = tmp_path_factory.mktemp("repository")
    text, name = PAGE.read_text(), ""
    last = 0
    for block in BLOCK.finditer(text):
        named = re.findall(r"`(\w+\.py)`", text[last : block.start()])
        name, last = (named or [name])[-1], block.end()
        if block[1] == "python":
            path = folder / name
            path.write_text((path.read_text() if path.exists() else "") + block[2] + "\n\n")
    return folder


def run_pytest(folder, *args):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_tests_of_the_guide_pass(repository):
    done = run_pytest(repository, "test_rms.py")
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_they_pass_under_a_strict_profile_of_another_project(repository):
    (repository / "conftest.py").write_text(
        "from hypothesis import settings\n"
        "settings.register_profile('strict', deadline=100, max_examples=20)\n"
        "settings.load_profile('strict')\n"
    )
    done = run_pytest(repository, "test_rms.py", "-W", "error")
    (repository / "conftest.py").unlink()
    assert done.returncode == 0, done.stdout


def test_the_wrong_one_fails_as_the_guide_shows(repository):
    done = run_pytest(repository, "test_wrong.py")
    assert done.returncode == 1
    (shown,) = [block[2] for block in BLOCK.finditer(PAGE.read_text()) if block[1] == "text"]
    for line in shown.splitlines():
        pattern = re.escape(line.removeprefix("E").strip()).replace(re.escape("..."), ".*")
        assert re.search(pattern, done.stdout), (line, done.stdout)
