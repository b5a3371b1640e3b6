"""Damaged files: the command says what is wrong in one sentence, and a state loads whole or not."""

from __future__ import annotations

import io
import warnings
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn.cli import main

IN_TMP_PATH = settings(suppress_health_check=[*HealthCheck])  # each example overwrites its file


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


RNG = np.random.default_rng(0)
WHOLE = {
    "x.npy": [
        npy(RNG.normal(size=(6, 3))),
        npy(np.arange(6)),
        npy(np.asfortranarray(RNG.normal(size=(4, 2)).astype(np.float16))),
        npz(a=RNG.normal(size=(4, 2))),
    ],
    "x.csv": [
        b"a,b\n1,2\n3,4\n5,7\n",
        b'"x ""y""";"z\nw"\n1;2\n3;5\n',
        "größe\t名\n1\t2\n3\t4.5e3\n".encode(),
        b"2019,2020\n1,2\n3,9\n",
    ],
}
PIECES = [
    b"(", b")", b"[", b"{", b"'", b'"', b",", b"\n", b"\r", b"\0", b"9" * 30, b"-1", b"1e999",
    b"nan", b"\xff", b"\\", b"\\d", b"(" * 150, b"PK\x03\x04", b"True", b"#", b"1_0", b"\x1c",
    "\u2028".encode(), b"0x", b"1if",
]  # fmt: skip


@st.composite
def damaged(draw, wholes: list[bytes]) -> bytes:
    """Change a few bytes: flipped, inserted, overwritten, cut out, or cut off."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(["byte", "insert", "overwrite", "delete", "cut"]))
        if kind == "byte":
            content[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "insert":
            content[at:at] = draw(st.sampled_from(PIECES))
        elif kind == "overwrite":
            piece = draw(st.sampled_from(PIECES))
            content[at : at + len(piece)] = piece
        elif kind == "delete":
            del content[at : at + draw(st.integers(1, 20))]
        else:
            del content[at:]
    return bytes(content)


def run(path: Path, *options: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("error")
        status = main(["run", str(path), "--no-pictures", *options])
    return status, out.getvalue(), err.getvalue()


@IN_TMP_PATH
@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
def test_run_of_a_damaged_file_succeeds_or_is_one_sentence(name, data, tmp_path) -> None:
    """Never a traceback, a warning, or the exit status 1, which means that the check failed."""
    path = tmp_path / name
    path.write_bytes(data.draw(damaged(WHOLE[name])))
    status, _, err = run(path)
    assert (status, err.count("\n")) in [(0, 0), (2, 1)]


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': (6, 3), }"
HEADERS = {
    "TokenError": HEADER.replace("(6, 3)", "(6, 3"),
    "SyntaxError": HEADER.replace("False", "1if"),
    "MemoryError": HEADER.replace("(6, 3)", f"({2**40}, {2**20})"),
    "OverflowError": HEADER.replace("(6, 3)", f"({10**30}, 3)"),
    "ValueError": HEADER.replace("<f8", "<q9"),
    "nested too deeply": "(" * 200,
    "a warning": HEADER.replace("<f8", "\\d"),
    "negative": HEADER.replace("(6, 3)", "(-6, 3)"),
    "objects": HEADER.replace("<f8", "|O"),
    "complex": HEADER.replace("<f8", "<c8"),
    "text": HEADER.replace("<f8", "<U2"),
    "a structure": HEADER.replace("'<f8'", "[('a', '<f8')]"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_damaged_header_of_an_npy_file(name: str, tmp_path) -> None:
    header = HEADERS[name].encode("latin-1").ljust(117) + b"\n"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    path = tmp_path / "x.npy"
    path.write_bytes(start + header + bytes(8 * 18))
    status, _, err = run(path)
    assert (status, err.count("\n")) == (2, 1)
    assert str(path) in err


def test_an_npz_that_is_called_npy(tmp_path) -> None:
    (tmp_path / "x.npy").write_bytes(WHOLE["x.npy"][-1])
    status, _, err = run(tmp_path / "x.npy")
    assert status == 2
    assert "not an NPY file" in err


# The state of a network


def network() -> tg.nn.Sequential:
    return tg.nn.Sequential(tg.nn.Linear(3, 2, generator=0), tg.nn.BatchNorm(2))


STATES = [npz(**network().state_dict())]
file = io.BytesIO()
np.savez_compressed(file, **network().state_dict())
STATES.append(file.getvalue())


@IN_TMP_PATH
@given(content=damaged(STATES))
def test_a_damaged_state_is_a_value_error_and_changes_nothing(content: bytes, tmp_path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    model = network()
    for parameter in model.parameters():
        parameter.data = parameter.data + 1.0
    before = model.state_dict()
    refused = False
    try:
        model.load(path)
    except ValueError:  # any other exception fails the test
        refused = True
    if refused:
        for name, value in model.state_dict().items():
            assert value.tobytes() == before[name].tobytes()


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return file.getvalue()


GOOD = {f"{name}.npy": npy(value) for name, value in network().state_dict().items()}
START = b"\x93NUMPY\x01\x00\x76\x00"
WRONG_STATES = {
    "empty": b"",
    "one array": npy(np.zeros(3)),
    "a member that is no array": archive(**{**GOOD, "1.num_batches_tracked.npy": b"12"}),
    "a text": archive(**{**GOOD, "1.num_batches_tracked.npy": npy(np.array("12"))}),
    "complex": archive(**{**GOOD, "1.num_batches_tracked.npy": npy(np.array(1j))}),
    "raw bytes": archive(
        **{k: v for k, v in GOOD.items() if "num" not in k}, **{"1.num_batches_tracked": b"1"}
    ),
    "TokenError": archive(
        **{**GOOD, "0.bias.npy": START + HEADERS["TokenError"].encode().ljust(117) + b"\n"}
    ),
    "SyntaxError": archive(
        **{**GOOD, "0.bias.npy": START + HEADERS["SyntaxError"].encode().ljust(117) + b"\n"}
    ),
    "OverflowError": archive(
        **{**GOOD, "0.bias.npy": START + HEADERS["OverflowError"].encode().ljust(117) + b"\n"}
    ),
    "an encrypted member": archive(**GOOD).replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
    ),
    "a compression that is not there": archive(**GOOD).replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x63\x00"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_STATES)
def test_what_is_no_state_is_a_value_error(name: str, tmp_path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(WRONG_STATES[name])
    assert WRONG_STATES[name] != archive(**GOOD)
    with pytest.raises(ValueError, match="not a state that save"):
        network().load(path)


# Reading a table


def test_line_numbers_count_the_lines_inside_of_quotes(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('"a\nb",c\n1,2\n\n3,zwei\n')
    status, _, err = run(path)
    assert status == 2
    assert "line 5, column 'c' is 'zwei'" in err


def test_a_header_of_numbers_is_not_data_in_silence(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("2019,2020\n1,2\n3,5\n")
    status, out, _ = run(path)
    assert status == 0
    assert "3 rows" in out
    assert "first line (2019,2020) is read as data; --header makes it names" in out
    status, out, _ = run(path, "--header", "--columns", "2020")
    assert status == 0
    assert "2 rows and 1 column" in out
    assert "is read as data" not in out
    path.write_text("1.5,2.25\n3.0,4.0\n2.0,1.0\n")
    assert "is read as data" not in run(path)[1]
