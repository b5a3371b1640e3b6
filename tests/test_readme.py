"""The README says what is so."""

import doctest
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_examples_in_the_readme_show_what_they_say():
    failed, tried = doctest.testfile(
        str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert tried > 10
    assert failed == 0


@pytest.mark.parametrize("target", ["run", "test"])
def test_the_readme_names_targets_that_the_makefile_has(target):
    assert f"make {target}" in README.read_text()
    assert f"\n{target}:" in (README.parent / "Makefile").read_text()
