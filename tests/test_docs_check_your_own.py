"""The story of docs/check-your-own.md is true: its code gives its reports."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from tinygrad_bn.testing import command

DOC = (Path(__file__).parent.parent / "docs" / "check-your-own.md").read_text()


def test_the_story_happens_as_told(tmp_path, monkeypatch, capsys):
    wrong, fixed_line = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)[:2]
    reports = re.findall(r"```console\n\$ tinygrad-bn check my_bn.py\n(.*?)```", DOC, re.DOTALL)
    slip = next(line for line in wrong.splitlines(True) if "dvar =" in line)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    monkeypatch.chdir(tmp_path)
    told = []
    for source in (wrong, wrong.replace(slip, fixed_line)):
        Path("my_bn.py").write_text(source)
        status = command.run(parser.parse_args(["my_bn.py"]))
        told.append((status, capsys.readouterr().out))
    assert told == [(1, reports[0]), (0, reports[1])]


def test_the_last_example_runs():
    example = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)[-1]
    namespace: dict = {}
    exec(example, namespace)
    namespace["test_my_layer"]()
