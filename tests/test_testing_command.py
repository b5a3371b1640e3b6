"""tinygrad-bn check: exit codes, and no file that it does not survive."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_bn.testing import command

RIGHT = Path(__file__).with_name("right_batch_norms.py")
GOOD = """
import numpy as np

def batchnorm_forward(x, gamma, beta, eps):
    s = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / s
    return gamma * x_hat + beta, (x_hat, gamma, s)

def batchnorm_backward(dout, cache):
    x_hat, gamma, s = cache
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    dx = gamma / s * (dout - dbeta / len(dout) - x_hat * dgamma / len(dout))
    return dx, dgamma, dbeta
"""
WRONG = GOOD.replace(" - x_hat * dgamma / len(dout)", "")


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Run the command on source code, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)

    def run(source: str | None, *options: str) -> int:
        if source is not None:
            Path("mine.py").write_text(source)
        return command.run(parser.parse_args(["mine.py", "--examples", "20", *options]))

    return run


def test_a_right_file_gives_0(check, capsys):
    assert check(GOOD) == 0
    assert "right (20 examples)" in capsys.readouterr().out


def test_a_wrong_file_gives_1_and_the_mistake_and_code_that_fails(check, capsys, tmp_path):
    assert check(WRONG) == 1
    out = capsys.readouterr().out
    assert "the mistake: The path through the variance is missing" in out
    code = out.split("to see it:\n")[1].split("  ok ")[0]
    script = "\n".join(line.strip() for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True)
    assert b"AssertionError" in done.stderr


def test_json_says_the_same(check, capsys):
    assert check(WRONG, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    (verdict,) = report["verdicts"]
    wrong = [line for line in verdict["lines"] if not line["passed"]]
    assert (report["ok"], report["exit_code"]) == (False, 1)
    assert [line["mistake"]["name"] for line in wrong] == ["path through the variance dropped"]


def test_without_a_name_everything_recognised_is_judged_and_a_name_chooses(check, capsys):
    source = RIGHT.read_text() + "\nbatchnorm_forward, batchnorm_backward = PAIRS[1]\n"
    assert check(source, "--examples", "3") == 0
    out = capsys.readouterr().out
    for name in ("spatial_batchnorm_forward,", "BatchNormalization\n", "BatchNorm2d\n"):
        assert name in out
    assert check(source, "--name", "BatchNorm2d") == 0
    assert capsys.readouterr().out.startswith("BatchNorm2d\n  taken as: class with forward(x, tr")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (None, "mine.py is not there"),
        ("def f(:\n", "mine.py cannot be imported: SyntaxError"),
        ("x = 1 / 0\n", "ZeroDivisionError: division by zero\n  at mine.py:1"),
        ("import nowhere_to_be_found\n", "No module named 'nowhere_to_be_found'"),
        ("import sys; sys.exit(3)\n", "cannot be imported: SystemExit: 3"),
        ("import os; os._exit(3)\n", "ended with status 3 before it was judged"),
        ("import os; os.kill(os.getpid(), 9)\n", "ended by SIGKILL before it was judged"),
        ("x = 1\n", "no batch norm was recognised; looked for functions NAME_forward(x, gamma"),
        ("\x00", "cannot be imported: "),
        (GOOD.replace("eps)", "eps, what)", 1), "also needs what, which the judge does not know"),
        ("while True: pass\n", "mine.py cannot be imported: the 0.5 seconds"),
    ],
)
def test_what_cannot_be_judged_gives_2_and_a_sentence(check, capsys, source, sentence):
    assert check(source, "--seconds", "0.5") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tinygrad-bn check: ")
    assert sentence in err
    assert "Traceback" not in err


def test_the_sentence_comes_as_json_too(check, capsys):
    assert check("x = 1\n", "--json") == 2
    assert "looked for" in json.loads(capsys.readouterr().out)["error"]


LOOP = "    while True: pass\n    x_hat, gamma, s = cache"
STUBBORN = "    import time\n    while True:\n        try: time.sleep(9)\n        except: pass\n"


def test_a_loop_without_end_gives_2_and_names_the_call_and_the_line(check, capsys):
    assert (
        check(GOOD.replace("    x_hat, gamma, s = cache", LOOP), "--seconds-per-call", "0.3") == 2
    )
    out, err = capsys.readouterr()
    assert "did not return within 0.3 seconds: dx, dgamma, dbeta = batchnorm_backward" in out
    assert "in batchnorm_backward: while True: pass" in out
    assert "stopped before all was judged" in err


def test_a_loop_that_catches_everything_is_ended_from_outside(check, capsys, monkeypatch):
    monkeypatch.setattr(command, "GRACE", 3.0)
    source = GOOD.replace("    x_hat, gamma, s = cache", STUBBORN + "    x_hat, gamma, s = cache")
    assert check(source, "--seconds", "0.5") == 2
    assert "did not come to an end" in capsys.readouterr().err


@pytest.mark.parametrize(
    "nuisance",
    [
        "print('x' * 10**6)",
        "import sys; sys.stderr.write('x' * 10**6)",
        "import os; os.write(1, b'x' * 10**6)",
        "import warnings; warnings.warn('careful')",
        "import threading, time; threading.Thread(target=time.sleep, args=(99,)).start()",
        "import os, time\nif os.fork() == 0: time.sleep(99)",
        "import atexit; atexit.register(print, 'bye')",
    ],
)
def test_nuisances_do_not_disturb_the_verdict(check, capsys, nuisance):
    inside = "\n".join("    " + line for line in nuisance.splitlines()[:1])
    repeated = GOOD.replace("    x_hat, gamma, s = cache", f"{inside}\n    x_hat, gamma, s = cache")
    harmless = "print" in nuisance or "write" in nuisance or "warn" in nuisance
    assert check(f"{nuisance}\n{repeated if harmless else GOOD}") == 0
    assert "right" in capsys.readouterr().out


def test_nothing_is_left_beside_the_file(check, tmp_path):
    check(GOOD)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.parametrize("options", [("--examples", "0"), ("--seconds", "-1"), ("--seconds", "x")])
def test_bad_options_give_2(check, capsys, options):
    with pytest.raises(SystemExit) as stop:
        check(GOOD, *options)
    assert stop.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_importing_the_package_and_the_command_imports_no_hypothesis():
    code = (
        "import sys, tinygrad_bn, tinygrad_bn.testing.command; print('hypothesis' in sys.modules)"
    )
    path = "import sys; sys.path[:] = " + repr(sys.path)
    done = subprocess.run([sys.executable, "-c", f"{path}; {code}"], capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_without_hypothesis_there_is_one_clear_sentence(check, capsys, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert check(GOOD) == 2
    assert "needs hypothesis: pip install 'tinygrad-bn[testing]'" in capsys.readouterr().err
    code = f"import sys; sys.path[:] = {sys.path}; sys.modules['hypothesis'] = None\n"
    code += "import tinygrad_bn.testing as t\ntry: t.strategies\nexcept ImportError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'tinygrad-bn[testing]'" in done.stdout


def test_html_is_a_page_without_network_that_marks_the_line(check, capsys, tmp_path):
    assert check(WRONG, "--html", "page.html") == 1
    page = (tmp_path / "page.html").read_text()
    line = 1 + next(i for i, text in enumerate(WRONG.splitlines()) if "dx =" in text)
    assert f"id='v0-{line}' class='suspect'" in page
    assert page.count("class='suspect'") == 1
    assert f"id='v0-{line - 1}' class='right'" in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "href='page-graph.html'" in page
    graph = (tmp_path / "page-graph.html").read_text()
    assert "x_hat" in graph
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["page-graph.html", "page.html"]


def test_html_of_a_right_file_has_no_suspect(check, tmp_path):
    assert check(GOOD, "--html", "page.html") == 0
    page = (tmp_path / "page.html").read_text()
    assert "class='suspect'" not in page
    assert "class='right'" in page


def test_html_that_cannot_be_written_is_said_before_anything_runs(check, capsys, tmp_path):
    assert check(GOOD, "--html", "nowhere/page.html") == 2
    assert "its folder is not there" in capsys.readouterr().err
    assert not list(tmp_path.glob("**/*.html"))


def test_html_escapes_the_users_code(check, tmp_path):
    source = WRONG.replace("dgamma, dbeta = ", "a = '<script>alert(1)</script>'; dgamma, dbeta = ")
    assert check(source, "--html", "page.html") == 1
    assert "<script>" not in (tmp_path / "page.html").read_text()


def test_json_has_the_line(check, capsys):
    check(WRONG, "--json")
    (verdict,) = json.loads(capsys.readouterr().out)["verdicts"]
    (wrong,) = [line for line in verdict["lines"] if not line["passed"]]
    assert wrong["line"]["target"] == "dx"
    assert wrong["line"]["line"] == 12
    assert len(wrong["line"]["expected"]) == len(wrong["line"]["got"])
