"""tinygrad-bn write: the tests that it writes pass on right code, and fail on wrong code."""

from __future__ import annotations

import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from mutants import mutant

from tinygrad_bn.cli import main
from tinygrad_bn.testing.catalogue import CATALOGUE
from tinygrad_bn.testing.write import written

HERE = Path(__file__).parent
LAYERS = cleandoc(
    """
    import numpy as np

    def rms_norm(x, gamma, eps=1e-5):
        return x / np.sqrt((x * x).mean(axis=1, keepdims=True) + eps) * gamma

    def rms_norm_vjp(w, x, gamma):
        r = np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5)
        x_hat, d = x / r, w * gamma
        dx = (d - x_hat * (d * x_hat).mean(axis=1, keepdims=True)) / r
        return dx, (w * x_hat).sum(axis=0)

    def affine_forward(x, w, b):
        return x @ w + b, (x, w)

    def affine_backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout, dout.sum(axis=0)

    def cube(x):
        return x**3

    def cube_grad(dout, x):
        return 3 * dout * x**2
    """
)

# A second each: all of them in `make thorough`.
MISTAKES = CATALOGUE if settings().max_examples > 1000 else CATALOGUE[::16]


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch):
    """The file is imported in this process, which changes these."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def failures(path):
    """Write the tests of a file, and run them one by one until one fails: its name."""
    text = written(path, None, path.parent)
    without_shrinking = "derandomize=True, database=None, phases=[Phase.generate]"
    text = text.replace("given, settings", "given, settings, Phase")
    text = text.replace("max_examples=30", f"max_examples=30, {without_shrinking}")
    scope = {"__name__": "written_tests"}
    exec(compile(text, "written_tests.py", "exec"), scope)
    for name, value in scope.items():
        if name.startswith("test_"):
            try:
                value()
            except Exception:
                return name
    return None


def run_pytest(folder, *args):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_what_is_written_runs_and_passes_in_a_folder_of_its_own(tmp_path, capsys):
    code = tmp_path / "src" / "layers.py"
    code.parent.mkdir()
    source = (HERE / "right_batch_norms.py").read_text()
    code.write_text(f"{LAYERS}\n\n{source[source.index('def steps_forward') :]}")
    code.write_text(code.read_text().split("def compact_forward")[0])
    (tmp_path / "tests").mkdir()
    out = tmp_path / "tests" / "test_layers.py"
    assert main(["write", str(code), "--out", str(out)]) == 0
    assert capsys.readouterr().err == ""
    text = out.read_text()
    for name in (
        "gradients_of_rms_norm_are_right", "rms_norm_does_not_change_when_x_is_scaled",
        "gradients_of_affine_are_right", "affine_of_a_batch_in_another_order",
        "gradients_of_cube_are_right",
    ):  # fmt: skip
        assert name in text
    assert "rms_norm_does_not_change_when_x_is_shifted" not in text
    slow = settings().max_examples <= 1000
    done = run_pytest(tmp_path, "tests/test_layers.py", *(["-k", "not the_judge"] if slow else []))
    assert done.returncode == 0, done.stdout
    code.write_text(code.read_text().replace("3 * dout * x**2", "2 * dout * x**2"))
    done = run_pytest(tmp_path, "tests/test_layers.py", "-k", "cube")
    assert done.returncode == 1
    assert "the gradient is wrong" in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "E,F,W", "--line-length", "100", out],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("row", MISTAKES, ids=lambda row: row.name)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_written_fails_on_every_known_mistake(row, tmp_path):
    names = "(BatchNorm,) = subject.things.values()"
    if len(mutant(row).things) == 2:
        names = "batchnorm_forward, batchnorm_backward = subject.things.values()"
        if row.ndim == 4:
            names = names.replace("batchnorm_", "spatial_batchnorm_")
    path = tmp_path / "planted.py"
    path.write_text(
        f"import sys\nsys.path.insert(0, {str(HERE)!r})\n"
        "from mutants import mutant\nfrom tinygrad_bn.testing.catalogue import CATALOGUE\n"
        f"subject = mutant(CATALOGUE[{CATALOGUE.index(row)}])\n{names}\n"
    )
    with np.errstate(all="ignore"):
        assert failures(path) is not None


def test_it_is_printed_and_a_file_that_is_there_is_kept(tmp_path, capsys):
    code = tmp_path / "layers.py"
    code.write_text(LAYERS)
    assert main(["write", str(code), "--name", "cube"]) == 0
    printed = capsys.readouterr().out
    assert "from layers import cube, cube_grad" in printed
    assert "affine" not in printed
    out = tmp_path / "mine.py"
    out.write_text("mine")
    assert main(["write", str(code), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_a_layer_in_a_package_is_imported_from_its_package(tmp_path):
    package = tmp_path / "nets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "scale.py").write_text("FACTOR = 3\n")
    source = "from .scale import FACTOR\n\ndef cube(x):\n    return x**3\n\n"
    source += "def cube_grad(dout, x):\n    return FACTOR * dout * x**2\n"
    (package / "layer.py").write_text(source)
    out = tmp_path / "test_layer.py"
    assert main(["write", str(package / "layer.py"), "--out", str(out)]) == 0
    assert "from nets.layer import cube, cube_grad" in out.read_text()
    done = run_pytest(tmp_path, "test_layer.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is not there"),
        ("x = 1", "nothing to test"),
        ("x = ", "cannot be used: your code raised SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_status_2(tmp_path, capsys, text, sentence):
    code, out = tmp_path / "code.py", tmp_path / "out.py"
    if text is not None:
        code.write_text(text)
    assert main(["write", str(code), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert not out.exists()
