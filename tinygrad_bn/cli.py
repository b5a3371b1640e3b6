"""The command ``tinygrad-bn``: its arguments, and its exit status.

0: all well. 1: the check failed. 2: bad usage or bad input, said in one sentence on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import run
from .bench import command as bench
from .tables import InputError
from .testing import command as check


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="tinygrad-bn",
        description="Batch normalization from primitives: differentiate it, draw it, check it.",
        epilog="Exit status: 0 all well, 1 the check failed, 2 bad usage or bad input.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run.add_arguments(
        commands.add_parser(
            "run",
            help="follow a mini-batch forward and backward, and check the gradient",
            description="Normalize a mini-batch, show every step forward and backward, hold the "
            "gradient from the graph against the three closed forms, and draw the graph.",
        )
    )
    judge = commands.add_parser(
        "check",
        help="judge the batch norm in a Python file of yours",
        description="Judge a batch norm written in NumPy: hold its backward pass against the "
        "derivative of its own forward pass, show the smallest case that fails, and name the "
        "mistake. The file is run as ordinary Python.",
    )
    check.add_arguments(judge)
    judge.set_defaults(run=check.run)
    bench.add_arguments(
        commands.add_parser(
            "bench",
            help="time batch norm beside the peers that are installed",
            description="Time batch norm forward and backward, and the engine, beside PyTorch, "
            "MyGrad, autograd and JAX, as far as they are installed (extra `bench`), each held "
            "against the closed form first.",
        )
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    args = parser().parse_args(arguments)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except InputError as error:
        print(f"tinygrad-bn {args.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status
