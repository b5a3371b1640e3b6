"""``tinygrad-bn bench``: measure in a separate process, then print, store and draw the results.

The exit status is 0 if all is well. It is 1 if a result of this package was wrong; such a case is
not timed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .. import files
from ..tables import InputError
from . import measure, plot, report
from .machine import environment_with_this_package, thread_settings
from .peers import COLUMNS
from .records import WRONG


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tinygrad-bn bench`` to `parser`."""
    add = parser.add_argument
    add("--quick", action="store_true",
        help="small shapes, few rounds: seconds, to see that it works")  # fmt: skip
    add("--threads", type=_positive, default=2, metavar="N",
        help="threads for every library (default %(default)s)")  # fmt: skip
    add("--rounds", type=_positive, default=None, metavar="N",
        help="interleaved rounds, of which the median counts (default 21; quick 3)")  # fmt: skip
    add("--only", type=_some_of(measure.SECTIONS), default=list(measure.SECTIONS),
        metavar="SECTION,...", help=f"some of {', '.join(measure.SECTIONS)}")  # fmt: skip
    add("--columns", type=_some_of(tuple(COLUMNS)), default=list(COLUMNS), metavar="COLUMN,...",
        help=f"batch norm by some of {', '.join(COLUMNS)}")  # fmt: skip
    add("--out", type=Path, default=Path("benchmark_output"), metavar="DIR",
        help="for results.json, results.txt and results.svg (default %(default)s)")  # fmt: skip
    parser.set_defaults(run=run)


def _positive(argument: str) -> int:
    if not (argument.isdecimal() and int(argument) > 0):
        raise argparse.ArgumentTypeError(f"{argument!r} is not a whole number of at least 1")
    return int(argument)


def _some_of(names: tuple[str, ...]) -> Any:
    def chosen(argument: str) -> list[str]:
        parts = [part.strip() for part in argument.split(",")]
        for part in parts:
            if part not in names:
                raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(names)}")
        return parts

    return chosen


def run(args: argparse.Namespace) -> int:
    """Measure, report, and return the exit status."""
    _prepare(args.out)  # an error here is raised before the measurement, which takes minutes
    results = _measured(args)
    tables = report.tables(results)
    paths = _store(args.out, results, tables)
    print(tables, "", *(f"Wrote {path}" for path in paths), sep="\n")
    wrong = [r for r in results["records"] if r["status"] == WRONG and _is_ours(r["column"])]
    return 1 if wrong else 0


def _is_ours(column: str) -> bool:
    return column == "ours" or column in report.GRAPHS


def _measured(args: argparse.Namespace) -> dict[str, Any]:
    rounds = args.rounds or (3 if args.quick else 21)
    options = measure.Options(args.threads, rounds, args.quick, args.only, args.columns)
    environment = {**environment_with_this_package(), **thread_settings(args.threads)}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "results.json"
        module = [sys.executable, "-m", measure.__name__]
        done = subprocess.run([*module, json.dumps(options._asdict()), file], env=environment)
        if done.returncode:
            raise InputError(f"measuring ended with status {done.returncode}; see above for why")
        results: dict[str, Any] = json.loads(file.read_text())
    return results


def _prepare(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise _unusable(directory, error) from None


def _unusable(directory: Path, error: OSError) -> InputError:
    return InputError(f"--out {directory}: {(error.strerror or str(error)).lower()}")


def _store(directory: Path, results: dict[str, Any], tables: str) -> list[Path]:
    contents = {
        "results.json": json.dumps(results, indent=1).encode() + b"\n",
        "results.txt": tables.encode() + b"\n",
    }
    try:
        contents["results.svg"] = plot.svg(results)
    except RuntimeError as error:
        print(f"No results.svg: {error}", file=sys.stderr)
    try:
        for name, content in contents.items():
            files.write(directory / name, content)
    except OSError as error:
        raise _unusable(directory, error) from None
    return [directory / name for name in contents]
