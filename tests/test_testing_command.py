"""tinygrad-bn check: exit codes, and no file that it does not survive."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import textwrap
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
        ("x = 1\n", "no norm was recognised; looked for functions such as NAME_forward(x, gamma"),
        ("\x00", "cannot be imported: "),
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
    assert "not everything could be judged" in err


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
    err = capsys.readouterr().err
    assert "needs hypothesis: pip install -e '.[testing]' in a clone" in err
    assert "pip install 'tinygrad-bn[testing]' from an index" in err
    code = f"import sys; sys.path[:] = {sys.path}; sys.modules['hypothesis'] = None\n"
    code += "import tinygrad_bn.testing as t\ntry: t.strategies\nexcept ImportError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install -e '.[testing]'" in done.stdout


# What is not understood, and adapters

CONFIGURED = """
import numpy as np
from types import SimpleNamespace as Config

class BatchNorm:
    def __init__(self, cfg):
        self.gamma, self.beta = np.ones(cfg.hidden), np.zeros(cfg.hidden)

    def forward(self, x):
        self.s = np.sqrt(x.var(axis=0) + 1e-5)
        self.x_hat = (x - x.mean(axis=0)) / self.s
        return self.gamma * self.x_hat + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.x_hat).sum(axis=0), dout.sum(axis=0)
        n = len(dout)
        return self.gamma / self.s * (dout - self.dbeta / n - self.x_hat * self.dgamma / n)
"""
DOC = (Path(__file__).parents[1] / "docs" / "check-your-own.md").read_text()


def adapter_of(out: str) -> str:
    """Return the adapter that a report has in it."""
    block = out.split("give --adapter adapter.py:\n\n")[1].split("\n  could not be judged")[0]
    return textwrap.dedent(block)


def test_what_is_not_understood_is_not_wrong_and_its_adapter_can_be_completed(check, capsys):
    assert check(CONFIGURED) == 2
    out = capsys.readouterr().out
    assert "the judge does not know what cfg is" in out
    assert "WRONG" not in out
    adapter = adapter_of(out).replace("cfg=...", "cfg=Config(hidden=gamma.size)")
    adapter = "\n".join(
        line for line in adapter.splitlines() if "running" not in line or "def" in line
    )
    adapter = adapter[: adapter.index("def running")]
    Path("adapter.py").write_text(adapter)
    assert check(CONFIGURED, "--adapter", "adapter.py") == 0
    assert "as the adapter says" in capsys.readouterr().out
    wrong = CONFIGURED.replace("self.gamma / self.s", "1 / self.s")
    assert check(wrong, "--adapter", "adapter.py") == 1
    assert "wrong: dx" in capsys.readouterr().out


def test_the_adapter_of_the_documentation_works(check, capsys):
    (adapter,) = re.findall(r"```python\n(def make.*?)```", DOC, re.DOTALL)
    Path("adapter.py").write_text(adapter)
    assert check(CONFIGURED, "--adapter", "adapter.py") == 0, capsys.readouterr()


@pytest.mark.parametrize(
    ("adapter", "sentence"),
    [
        ("", "the adapter must define the function make"),
        ("def make(): pass\ndef forward(): pass\nndim = 3\n", "ndim is 2 or 4"),
        ("1 / 0\n", "the adapter adapter.py cannot be run: ZeroDivisionError"),
        (None, "adapter.py is not there"),
    ],
)
def test_a_bad_adapter_is_told(check, capsys, adapter, sentence):
    if adapter is not None:
        Path("adapter.py").write_text(adapter)
    assert check(CONFIGURED, "--adapter", "adapter.py") == 2
    assert sentence in capsys.readouterr().err


def test_what_is_understood_is_judged_beside_what_is_not(check, capsys):
    assert check(GOOD + CONFIGURED) == 2
    out, err = capsys.readouterr()
    assert "right (20 examples)" in out
    assert "BatchNorm\n  cannot be judged" in out
    assert "not everything could be judged" in err


def test_a_name_chooses_and_the_report_lists_what_else_there_is(check, capsys):
    assert check(GOOD + CONFIGURED, "--name", "batchnorm_forward") == 0
    assert "not asked for, but could be judged: BatchNorm" in capsys.readouterr().out


def test_a_script_that_does_not_run_here_is_judged_by_its_definitions(check, capsys):
    source = "import missing_here as m\n" + GOOD + "\nm.show(open('missing'))\n"
    assert check(source) == 0
    out = capsys.readouterr().out
    assert "only the definitions of mine.py were taken, for it does not run as a whole" in out
    assert check(source.replace(GOOD, WRONG)) == 1


def test_on_a_terminal_a_line_says_what_is_being_done_and_it_is_gone_at_the_end(
    check, capsys, monkeypatch
):
    assert check(GOOD) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert check(GOOD) == 0
    err = capsys.readouterr().err
    assert "\r\033[Kmine.py: " in err
    assert err.endswith("\r\033[K")


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


def test_html_is_not_written_over_another_kind_of_file(check, capsys):
    assert check(GOOD, "--html", "mine.py") == 2
    assert "a name that ends in .html" in capsys.readouterr().err
    assert "def " in Path("mine.py").read_text()


def test_html_says_what_is_not_judged_and_where_lines_are_not_marked(check, tmp_path):
    rms = "import numpy as np\n\ndef rms_norm(x, gamma, eps=1e-5):\n"
    rms += "    return gamma * x / np.sqrt((x * x).mean(axis=1, keepdims=True) + eps)\n"
    check(rms + CONFIGURED, "--html", "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "the judge does not know what cfg is" in page
    assert "def make(" in page
    assert "Lines are marked only in a batch norm" in page
    assert list(tmp_path.glob("*-graph.html")) == []


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
