"""Files appear whole or not at all, with the permissions and at the place that they had."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinygrad_bn import files

posix = pytest.mark.skipif(os.name == "nt", reason="permissions and links as POSIX has them")


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@posix
@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o644, 0o666, 0o755, 0o400])
def test_a_file_keeps_its_permissions(permissions: int, tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    path.write_bytes(b"old")
    path.chmod(permissions)
    files.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == permissions
    assert names(tmp_path) == ["x.svg"]


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_a_new_file_has_the_permissions_that_new_files_have(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        files.write(tmp_path / "x.svg", b"new")
    finally:
        os.umask(before)
    assert mode(tmp_path / "x.svg") == 0o666 & ~umask


@posix
def test_a_private_file_is_private_while_it_is_written(tmp_path: Path, monkeypatch) -> None:
    path, seen = tmp_path / "x.npz", []
    path.write_bytes(b"old")
    path.chmod(0o600)
    replace = os.replace

    def watched(source, target) -> None:
        seen.append((Path(source).name, mode(Path(source))))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    monkeypatch.setattr(os, "chmod", lambda *_: None)
    files.write(path, b"new")
    ((name, permissions),) = seen
    assert permissions == 0o600
    assert name.startswith(".tinygrad_bn-")
    assert name.endswith(".tmp")


@posix
@pytest.mark.parametrize("exists", [True, False], ids=["to a file", "dangling"])
def test_a_symbolic_link_stays_one(exists: bool, tmp_path: Path) -> None:
    store, place = tmp_path / "store", tmp_path / "place"
    store.mkdir()
    place.mkdir()
    if exists:
        (store / "real.svg").write_bytes(b"old")
    (place / "second.svg").symlink_to(Path("..", "store", "real.svg"))
    (place / "x.svg").symlink_to("second.svg")
    files.write(place / "x.svg", b"new")
    assert (place / "x.svg").is_symlink()
    assert (place / "second.svg").is_symlink()
    assert (store / "real.svg").read_bytes() == b"new"
    assert not (store / "real.svg").is_symlink()
    assert names(place) == ["second.svg", "x.svg"]
    assert names(store) == ["real.svg"]


@posix
def test_what_is_no_regular_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.svg").symlink_to("/dev/null")
    files.write(tmp_path / "x.svg", b"new")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert names(tmp_path) == ["x.svg"]
    with pytest.raises(IsADirectoryError):
        files.write(tmp_path, b"new")


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".svg")
    files.write(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_after_an_error_the_old_file_is_there_and_nothing_else(error, tmp_path, monkeypatch):
    path = tmp_path / "x.svg"
    path.write_bytes(b"old")

    def fails(*_) -> None:
        raise error

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(type(error)):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x.svg"]


WRITER = """
import os, signal, sys
from pathlib import Path
from tinygrad_bn import files
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
files.write(Path(sys.argv[1]), b"new")
"""


@posix
def test_what_a_killed_process_left_is_removed_by_a_later_write(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    path.write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", WRITER, str(path)])
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    (left,) = set(names(tmp_path)) - {"x.svg"}
    (tmp_path / ".tinygrad_bn-notes").write_text("the user's own")
    (tmp_path / "tinygrad_bn-1.tmp").write_text("the user's own")
    files.write(path, b"newer")  # the other process might be at work still
    assert left in names(tmp_path)
    old = time.time() - 2 * files.ABANDONED
    for name in names(tmp_path):
        os.utime(tmp_path / name, (old, old))
    files.write(path, b"newest")
    assert names(tmp_path) == [".tinygrad_bn-notes", "tinygrad_bn-1.tmp", "x.svg"]
    assert path.read_bytes() == b"newest"
