"""The command ``tinygrad-bn check``: check the batch norm in a Python file.

The check runs in a second process (worker.py). This process ends the second one if it does not
end by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .. import files
from . import INSTALL

GRACE = 15.0  # seconds to start and to report, beyond the limit that the second process has
BOOT = (
    "import json, sys; given = json.loads(sys.argv.pop()); sys.path[:] = given.pop('path'); "
    "from tinygrad_bn.testing.worker import main; main(**given)"
)


class _CannotJudgeError(Exception):
    """There is no verdict. The message is the reason, in one sentence."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tinygrad-bn check`` to `parser`."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="the file with the batch norm, .py or .ipynb (of which only the definitions are run). "
        "It is run as ordinary Python, with your rights: "
        "check only files that you would run",
    )
    parser.add_argument(
        "--name", help="judge only this class, forward function or backward function"
    )
    parser.add_argument(
        "--adapter",
        metavar="ADAPTER.py",
        help="how to use the implementation, where that cannot be guessed: a file with functions "
        "make, forward and backward, which the report writes for you to complete",
    )
    parser.add_argument(
        "--examples", type=_positive(int), default=200, metavar="K", help="cases (default: 200)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="draw other cases (default: 0)"
    )
    parser.add_argument("--json", action="store_true", help="give the report as JSON")
    parser.add_argument(
        "--html", metavar="OUT.html", help="write a page with your code and the values beside it"
    )
    parser.add_argument(
        "--seconds",
        type=_positive(float),
        default=60.0,
        metavar="T",
        help="stop after so long (default: 60)",
    )
    parser.add_argument(
        "--seconds-per-call",
        type=_positive(float),
        default=5.0,
        metavar="T",
        help="how long one call of your code may take (default: 5)",
    )


def run(args: argparse.Namespace) -> int:
    """Check the file. Return 0 if all is right, 1 if something is wrong, 2 if that is undecided."""
    try:
        answer = _answer(args)
        if "error" in answer:
            raise _CannotJudgeError(answer["error"])
    except _CannotJudgeError as reason:
        if args.json:
            print(json.dumps({"ok": False, "exit_code": 2, "error": str(reason)}, indent=2))
        print(f"tinygrad-bn check: {reason}", file=sys.stderr)
        return 2
    if args.html:
        _write(Path(args.html), answer)
    report = answer["report"]
    print(json.dumps(report, indent=2) if args.json else answer["text"])
    if report["exit_code"] == 2:
        empty = all(verdict["unwritten"] for verdict in report["verdicts"])
        why = "nothing is written yet" if empty else "not everything could be judged"
        print(f"tinygrad-bn check: {why}", file=sys.stderr)
    code: int = report["exit_code"]
    return code


def _write(out: Path, answer: dict[str, Any]) -> None:
    """Write the page, and the explorers that it links to beside it."""
    for name, text in answer["graphs"].items():
        files.write(out.with_name(name), text.encode())
    files.write(out, answer["page"].encode())


def _positive(kind: Any) -> Any:
    def positive(text: str) -> Any:
        number = kind(text)
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not a positive number")
        return number

    positive.__name__ = "number"
    return positive


def _answer(args: argparse.Namespace) -> dict[str, Any]:
    for path in map(Path, filter(None, (args.file, args.adapter))):
        if not path.is_file():
            what = "is a directory, not a Python file" if path.is_dir() else "is not there"
            raise _CannotJudgeError(f"{path} {what}")
    if args.html and Path(args.html).suffix != ".html":
        raise _CannotJudgeError(f"the page needs a name that ends in .html, not {args.html}")
    if args.html and not Path(args.html).parent.is_dir():
        raise _CannotJudgeError(f"{args.html} cannot be written: its folder is not there")
    if find_spec("hypothesis") is None:
        raise _CannotJudgeError(f"this needs hypothesis: {INSTALL}")
    names = ("file", "name", "adapter", "examples", "seed", "seconds", "seconds_per_call")
    request = {name: getattr(args, name) for name in names}
    request["graph_name"] = f"{Path(args.html).stem}-graph.html" if args.html else None
    with tempfile.TemporaryDirectory() as place:
        return _asked(request, Path(place), 2 * args.seconds + GRACE)


def _asked(request: dict[str, Any], place: Path, seconds: float) -> dict[str, Any]:
    """Run the check in a second process and return its answer.

    The answer is passed through a file. Reading a pipe would also wait for the processes that the
    user's code has started.
    """
    file, answer, errors = request["file"], place / "answer", place / "errors"
    doing = place / "doing"
    boot = json.dumps(
        {"path": sys.path, "request": request, "answers": str(answer), "doing": str(doing)}
    )
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", BOOT, boot],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
            start_new_session=True, env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(place)},
        )  # fmt: skip
        try:
            status = _wait(process, seconds, file, doing)
        except subprocess.TimeoutExpired:
            raise _CannotJudgeError(
                f"{file} did not come to an end, and could not be interrupted: a loop that "
                "catches every exception, or that waits outside of Python?"
            ) from None
        finally:
            _end(process)
    try:
        answered: dict[str, Any] = json.loads(answer.read_text())
    except (OSError, ValueError):
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        said = errors.read_text(errors="replace").strip().rpartition("\n")[2]
        raise _CannotJudgeError(
            f"the process that ran {file} ended {how} before it was judged"
            + (f": {said}" if said else "")
        ) from None
    return answered


def _wait(process: subprocess.Popen[bytes], seconds: float, file: str, doing: Path) -> int:
    """Wait for the process. On a terminal, show in one line what it is doing."""
    if not sys.stderr.isatty():
        return process.wait(seconds)
    end, shown = time.monotonic() + seconds, ""
    try:
        while time.monotonic() < end:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(0.1)
            with contextlib.suppress(OSError):
                width = shutil.get_terminal_size().columns - 1
                shown = f"{file}: {doing.read_text()}"[:width]
                print(f"\r\033[K{shown}", end="", file=sys.stderr, flush=True)
        raise subprocess.TimeoutExpired(process.args, seconds)
    finally:
        print("\r\033[K" if shown else "", end="", file=sys.stderr, flush=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process; on POSIX systems, also the processes that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
