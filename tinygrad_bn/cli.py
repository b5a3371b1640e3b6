"""The command ``tinygrad-bn``: its arguments, and its exit status.

The exit status is 0 if all is well, 1 if the check failed, and 2 for bad usage or bad input, which
is described in one sentence on stderr.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from .output import complain, guarded
from .tables import InputError


class Command(NamedTuple):
    """A command: the module that has its ``add_arguments`` and ``run``, and what it is for."""

    home: str
    help: str
    description: str


COMMANDS = {
    "run": Command(
        ".run",
        "follow a mini-batch forward and backward, and check the gradient",
        "Normalize a mini-batch, show every step forward and backward, hold the gradient from the "
        "graph against the three closed forms, and draw the graph.",
    ),
    "check": Command(
        ".testing.command",
        "judge the batch norm in a Python file of yours",
        "Judge a batch norm written in NumPy: hold its backward pass against the derivative of its "
        "own forward pass, show the smallest case that fails, and name the mistake. The file is "
        "run as ordinary Python.",
    ),
    "derive": Command(
        ".rewrite.command",
        "derive the closed form of the gradient, step by step",
        "Find the closed form of batch norm's gradient from the recorded backward pass, and print "
        "the steps from the rules to it, each with its law and checked on numbers.",
    ),
    "write": Command(
        ".testing.write",
        "write property tests for the layers and functions in a Python file of yours",
        "Write a pytest file with property tests for the batch norm, or for the functions with a "
        "backward, in a Python file: gradients, shapes, invariances, training and inference. It is "
        "printed, or written to a new file. The file is run as ordinary Python.",
    ),
    "bench": Command(
        ".bench.command",
        "time batch norm beside the peers that are installed",
        "Time batch norm forward and backward, and the engine, beside PyTorch, MyGrad, autograd "
        "and JAX, as far as they are installed (extra `bench`), each held against the closed form "
        "first.",
    ),
}


class Parser(argparse.ArgumentParser):
    """The standard library's parser; its own print_help ignores errors of writing."""

    def print_help(self, file: Any = None) -> None:
        """Print the help."""
        print(self.format_help(), end="", file=file)


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    top = Parser(
        prog="tinygrad-bn",
        description="Batch normalization from primitives: differentiate it, draw it, check it.",
        epilog="Exit status: 0 all well, 1 the check failed, 2 bad usage or bad input.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (home, words, description) in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=description)
        module = import_module(home, __package__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return guarded("tinygrad-bn", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    args = parser().parse_args(arguments)
    try:
        status: int = args.run(args)
    except InputError as error:
        complain(f"tinygrad-bn {args.command}: {error}")
        return 2
    return status
