"""Writing of files such that an error, or the end of the process, leaves no incomplete file.

What is written first goes to a temporary file beside the target. A process that is killed leaves
that file behind; it is recognised by its name, and removed by a later write in the same directory.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PREFIX, SUFFIX = ".tinygrad_bn-", ".tmp"  # of temporary files
ABANDONED = 3600.0  # seconds after which a temporary file is nobody's any more


def write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all; it keeps its permissions.

    Of a symbolic link, the file that it points to is written. What is no regular file, such as
    /dev/stdout, is written to directly.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        permissions = None  # what the process gives to new files
    else:
        if not stat.S_ISREG(mode):
            target.write_bytes(content)
            return
        permissions = stat.S_IMODE(mode)
    beside = target.with_name(f"{PREFIX}{os.urandom(8).hex()}{SUFFIX}")
    try:
        with open(beside, "xb", opener=_opener(permissions)) as file:
            file.write(content)
        if permissions is not None:
            os.chmod(beside, permissions)  # the process may have masked some
        os.replace(beside, target)
    except BaseException:
        with suppress(FileNotFoundError):
            beside.unlink()
        raise
    _remove_abandoned(target.parent)


def _opener(permissions: int | None) -> Callable[[str, int], int]:
    """Open with these permissions from the start: the content may be for the owner alone."""
    return lambda path, flags: os.open(path, flags, 0o666 if permissions is None else permissions)


def _remove_abandoned(directory: Path) -> None:
    oldest = time.time() - ABANDONED
    for path in directory.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):  # another process may be removing it too
            if path.lstat().st_mtime < oldest:
                path.unlink()
