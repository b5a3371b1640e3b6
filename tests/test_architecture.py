"""Each reader of what the engine records can be taken out without breaking an import elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_bn

PACKAGE = Path(tinygrad_bn.__file__).parent
READERS = ("graph", "nn", "testing", "bench", "optim.py")
IMPORT_ALL = """
import pkgutil, sys
import tinygrad_bn as tg
for module in pkgutil.walk_packages(tg.__path__, "tinygrad_bn."):
    if module.name not in ("tinygrad_bn.__main__",):
        __import__(module.name)
x = tg.Tensor([[1.0], [2.0], [4.0]], requires_grad=True)
assert tg.trace(tg.batch_norm, x).gradient()(x.data, x.data).shape == (3, 1)
print(tg.__file__)
"""


@pytest.mark.parametrize("reader", READERS)
def test_everything_else_imports_without(reader: str, tmp_path: Path) -> None:
    copy = tmp_path / "tinygrad_bn"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    taken = copy / reader
    shutil.rmtree(taken) if taken.is_dir() else taken.unlink()
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == copy


def test_importing_the_package_loads_numpy_and_no_reader_but_the_graph() -> None:
    code = "import sys, tinygrad_bn; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"graphviz", "hypothesis", "matplotlib", "sklearn", "pygraphviz"}
    heavy |= {f"tinygrad_bn.{name}" for name in ("nn", "testing", "bench", "optim", "run", "cli")}
    assert not loaded & heavy


def test_readers_are_there_on_use() -> None:
    assert tinygrad_bn.nn.Linear(2, 2)
    assert {"nn", "optim", "testing", "graph"} <= set(dir(tinygrad_bn))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        tinygrad_bn.nothing  # noqa: B018
