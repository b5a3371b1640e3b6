"""The command ``tinygrad-bn derive``: the closed form of batch norm's gradient, step by step."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..batch_norm import batch_norm, layer_norm
from ..tables import InputError
from .derivation import derive

INPUTS = ("x", "gamma", "beta", "dy")
FUNCTIONS = {"batch_norm": batch_norm, "layer_norm": layer_norm}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tinygrad-bn derive`` to `parser`."""
    add = parser.add_argument
    add("function", nargs="?", choices=FUNCTIONS, default="batch_norm", metavar="FUNCTION",
        help="batch_norm (default) or layer_norm")  # fmt: skip
    add("--wrt", choices=INPUTS, default="x", help="with respect to what (default %(default)s)")
    add("--order", type=int, choices=(1, 2), default=1,
        help="1: the gradient; 2: that of Σ dx ddx, the double backward (default 1)")  # fmt: skip
    add("--latex", action="store_true", help="print the steps as LaTeX")
    add("--html", type=Path, metavar="FILE", help="write the derivation as a page")


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit status."""
    if args.order == 1 and args.wrt == "dy":
        raise InputError("the gradient with respect to dy is of order 2: add --order 2")
    example = np.zeros((6, 3)), np.ones(3), np.zeros(3)
    try:
        found = derive(FUNCTIONS[args.function], *example, wrt=args.wrt, order=args.order)
        if args.html is not None:
            found.save(args.html)
    except (ValueError, RuntimeError) as error:
        raise InputError(str(error)) from None
    print(found._repr_latex_() if args.latex else found)
    if args.html is not None:
        print(f"\nwrote {args.html}")
    return 0
