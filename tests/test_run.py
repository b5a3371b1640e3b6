"""The command: what it prints and writes, what it refuses, and its exit status."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_wine

from tinygrad_bn import closed_form, run
from tinygrad_bn.cli import main
from tinygrad_bn.graph import render


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


def files(directory):
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def test_without_a_file_it_follows_the_six_numbers_and_says_why_the_source_differs(capfd, tmp_path):
    assert main(["run"]) == 0
    out, err = capfd.readouterr()
    for words in ("19/3 = 6.3333", "86/9 = 9.5556", "prints 6 and 9", "integer divisions"):
        assert words in out
    assert "agrees with all three closed forms" in out
    assert err == ""
    written = [f"batch_norm_output/batch_norm.{ending}" for ending in ("dot", "html", "svg")]
    written.append("batch_norm_output/derivation.html")
    assert files(tmp_path) == written
    assert all(name in out for name in written)


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_window(capfd, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["run", "--no-pictures"]) == 0
    longest = max(map(len, capfd.readouterr().out.splitlines()))
    assert longest <= max(width, 46)  # the narrowest line that a verdict fits in


def test_the_real_wine_table_is_followed_and_agrees(capfd, tmp_path):
    wine = load_wine()
    header = ",".join(f'"{name}"' for name in wine.feature_names)
    np.savetxt("wine.csv", wine.data, delimiter=",", header=header, comments="")
    assert main(["run", "wine.csv"]) == 0
    assert "178 rows and 13 columns" in capfd.readouterr().out
    assert main(["run", "wine.csv", "--columns", "hue,0", "--gamma", "1,2", "--no-pictures"]) == 0
    assert "178 rows and 2 columns" in capfd.readouterr().out


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("options", [[], ["--eps", "0.001", "--gamma=-2", "--beta", "3"]])
def test_it_agrees_in_every_dtype(dtype, options, capfd):
    assert main(["run", "--no-pictures", "--dtype", dtype, *options]) == 0
    assert dtype in capfd.readouterr().out


def test_csv_without_a_header_and_npy_give_the_same(capfd):
    x = np.random.default_rng(0).normal(size=(5, 2))
    np.savetxt("x.csv", x, delimiter=";", fmt="%.17g")
    np.save("x.npy", x)
    outputs = []
    for name in ("x.csv", "x.npy"):
        assert main(["run", name, "--no-pictures"]) == 0
        outputs.append(capfd.readouterr().out)
    assert outputs[0] == outputs[1]


def test_an_upstream_gradient_is_taken_from_its_file(capfd):
    np.save("dy.npy", np.arange(6.0) * 111)
    assert main(["run", "--upstream", "dy.npy", "--no-pictures"]) == 0
    assert "0, 111, 222, 333, 444, 555" in capfd.readouterr().out


def test_the_seed_decides_the_cotangent(capfd):
    outputs = []
    for seed in ("1", "1", "2"):
        main(["run", "--seed", seed, "--no-pictures"])
        outputs.append(capfd.readouterr().out)
    assert outputs[0] == outputs[1] != outputs[2]


def test_a_wrong_gradient_is_found_and_the_exit_status_is_1(capfd, monkeypatch):
    def forgets_the_mean(dy, cache):
        right = closed_form.backward_compact(dy, cache)
        return right._replace(dx=right.dx + cache.gamma / cache.std * dy.mean(0))

    monkeypatch.setitem(run.CLOSED_FORMS, "steps", forgets_the_mean)
    assert main(["run", "--no-pictures"]) == 1
    out = capfd.readouterr().out
    assert "DIFFERS" in out
    assert "agrees with all" not in out


BAD_FILES = {
    "words.csv": ("a,b\n1,2\n3,zwei\n", "line 3, column 'b' is 'zwei', not a number"),
    "hole.csv": ("1,2\n3,\n", "line 2, column '1' is empty"),
    "ragged.csv": ("1,2\n3,4,5\n", "line 2 has 3 cells, but line 1 has 2"),
    "empty.csv": ("", "the file is empty"),
    "blank.csv": ("\n  \n", "the file is empty"),
    "header.csv": ("a,b\n", "a header but no row"),
    "mixed.csv": ("1,b\n2,3\n", "line 1, column '1' is 'b', not a number"),
    "nan.csv": ("1,2\n3,nan\n", "row 2, column '1' is nan"),
    "inf.csv": ("x\n1\n-inf\n", "row 2, column 'x' is -inf"),
    "one_row.csv": ("1,2\n", "at least 2 rows"),
    "quote.csv": ('"1,2\n3,4\n', "not a CSV file"),
    "text.npy": ("hello", "not an NPY file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_sentence_on_stderr_exit_2_and_nothing_written(name, capfd, tmp_path):
    content, words = BAD_FILES[name]
    (tmp_path / name).write_text(content)
    assert main(["run", name]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert files(tmp_path) == [name]


BAD_ARRAYS = {
    "cube": (np.zeros((2, 2, 2)), "(2, 2, 2)"),
    "complex": (np.ones((3, 1), complex), "complex128"),
    "strings": (np.array(["a", "b"]), "<U1"),
    "no_columns": (np.zeros((3, 0)), "no columns"),
    "huge": (np.array([1e200, -1e200]), "not finite"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_a_bad_array_is_one_sentence_on_stderr_and_exit_2(name, capfd):
    array, words = BAD_ARRAYS[name]
    np.save("x.npy", array)
    assert main(["run", "x.npy"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.csv"], "missing.csv: no such file"),
        (["."], "is a directory"),
        (["--columns", "hue"], "no column 'hue': the columns are x"),
        (["--columns", "1"], "no column '1'"),
        (["--eps=-1"], "--eps must be finite and at least 0"),
        (["--eps", "nan"], "--eps must be finite"),
        (["--gamma", "1,2"], "--gamma has 2 numbers; give 1"),
        (["--gamma", "inf"], "gamma has a value of inf"),
        (["--upstream", "missing.npy"], "missing.npy: no such file"),
        (["--dtype", "float16", "--beta", "1e6"], "1e+06, which float16 cannot hold"),
    ],
)
def test_a_bad_argument_is_one_sentence_on_stderr_and_exit_2(arguments, words, capfd, tmp_path):
    assert main(["run", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert files(tmp_path) == []


def test_a_constant_column_with_eps_0_is_refused(capfd):
    np.save("x.npy", np.full((4, 1), 3.0))
    assert main(["run", "x.npy", "--eps", "0"]) == 2
    assert "constant and eps is 0" in capfd.readouterr().err


def test_an_upstream_of_another_shape_is_refused(capfd):
    np.save("dy.npy", np.zeros((5, 1)))
    assert main(["run", "--upstream", "dy.npy"]) == 2
    assert "(5, 1), the mini-batch (6, 1)" in capfd.readouterr().err


@pytest.mark.parametrize("usage", ["", "dance", "run --eps x", "run --seed -1", "run a b"])
def test_bad_usage_exits_2(usage, capfd):
    with pytest.raises(SystemExit) as left:
        main(usage.split())
    assert left.value.code == 2
    assert "Traceback" not in capfd.readouterr().err


def test_a_place_that_cannot_be_written_is_one_sentence(capfd, tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert main(["run", "--out", "taken"]) == 2
    assert "--out taken: file exists" in capfd.readouterr().err


@pytest.mark.parametrize("there_is_a_browser", [True, False])
def test_open_shows_the_explorer_in_a_browser(there_is_a_browser, capfd, monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr(run.webbrowser, "open", lambda u: opened.append(u) or there_is_a_browser)
    assert main(["run", "--open"]) == 0
    assert opened == [(tmp_path / "batch_norm_output/batch_norm.html").as_uri()]
    assert ("no browser was found" in capfd.readouterr().err) != there_is_a_browser


def test_without_a_graphviz_engine_the_check_still_stands(capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(render.shutil, "which", lambda name: None)
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None)
    assert main(["run"]) == 0
    out, err = capfd.readouterr()
    assert "agrees" in out
    assert "tinygrad-bn[render]" in err
    assert files(tmp_path) == ["batch_norm_output/batch_norm.dot"]


def test_the_module_is_the_command_and_a_closed_pipe_is_no_error():
    command = [sys.executable, "-m", "tinygrad_bn", "run", "--no-pictures"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "agrees with all three" in done.stdout
    piped = subprocess.run(
        f"{' '.join(command)} | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert piped.stderr == ""


def test_importing_the_package_imports_nothing_heavy():
    heavy = ["hypothesis", "matplotlib", "sklearn", "pygraphviz", "pytest", "scipy", "tqdm"]
    code = f"import tinygrad_bn, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
