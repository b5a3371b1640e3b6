"""Where the commands write: streams without Σ, closed, or full. Never a traceback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_bn import output
from tinygrad_bn.cli import main

COMMAND = [sys.executable, "-m", "tinygrad_bn"]
RUN = [*COMMAND, "run", "--no-pictures"]
FULL = Path("/dev/full")  # every write fails, as on a disk without space
needs_dev_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def stream(encoding: str, errors: str = "strict") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "utf-8"])
def test_what_cannot_be_shown_is_a_word_and_columns_stay_aligned(encoding, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stdout", stream(encoding))
    monkeypatch.setattr(sys, "stderr", stream("ascii"))
    assert main(["run", "--no-pictures"]) == 0
    sys.stdout.flush()
    text = sys.stdout.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert ("(1/m) Σ x_centered^2" if encoding == "utf-8" else "(1/m) sum x_centered^2") in text
    assert ("√(var + eps)" if encoding == "utf-8" else "sqrt(var + eps)") in text
    forward = text.split("Forward\n")[1].split("\n\n")[0].splitlines()
    column = forward[0].index("shape")
    for line in forward[1:]:
        assert line[column] == "(", line
        assert line[column - 2 : column] == "  ", line


def test_words_stand_apart_from_names_and_the_unknown_is_escaped() -> None:
    for text, words in {
        "√a": b"sqrt a",
        "Σ a": b"sum a",
        "σ(a) (1 - σ(a))": b"sigma(a) (1 - sigma(a))",
        "a ≠ b": b"a != b",
        "größe 名": b"gr\\xf6\\xdfe \\u540d",
        "plain": b"plain",
        "\udcff": b"\\udcff",
    }.items():
        assert text.encode("ascii", output.HANDLER) == words


def test_a_file_name_and_a_header_in_other_letters(tmp_path, monkeypatch) -> None:
    path = tmp_path / "größe名.csv"
    path.write_text("größe,名\n1,2\n3,x\n", encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream("ascii"))
    monkeypatch.setattr(sys, "stderr", stream("cp1252"))
    assert main(["run", str(path)]) == 2
    said = sys.stderr.buffer.getvalue().decode("cp1252")  # type: ignore[attr-defined]
    assert "größe\\u540d.csv: line 3, column '\\u540d' is 'x'" in said


@needs_dev_full
@pytest.mark.parametrize("arguments", [RUN, [*COMMAND, "--help"]], ids=["run", "help"])
def test_a_full_disk_is_one_sentence_and_exit_2(arguments) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "tinygrad-bn: the output: no space left on device\n"


@needs_dev_full
def test_bad_input_keeps_its_status_where_nothing_can_be_said() -> None:
    with FULL.open("w") as full:
        done = subprocess.run([*RUN, "nothing.csv"], stdout=full, stderr=full)
    assert done.returncode == 2


@needs_dev_full
def test_a_picture_on_a_full_disk_is_one_sentence(monkeypatch, tmp_path, capfd) -> None:
    def no_space(path, content) -> None:
        os.write(os.open(FULL, os.O_WRONLY), content)

    monkeypatch.setattr("tinygrad_bn.files.write", no_space)
    assert main(["run", "--out", str(tmp_path)]) == 2
    assert f"--out {tmp_path}: no space left on device" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="closing by the shell")
def test_a_closed_output_ends_quietly_and_the_files_are_written(tmp_path) -> None:
    line = f"{sys.executable} -m tinygrad_bn run --out {tmp_path} >&- 2>&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "batch_norm.html").read_text(encoding="utf-8").endswith("</html>\n")
