"""The command ``tinygrad-bn run``: show batch norm on a mini-batch, and check its gradient.

It reads a table and records batch norm on it. It prints the forward and the backward pass step by
step from the Graph, and compares the gradient with the three closed forms.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
import webbrowser
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import closed_form, writing
from .batch_norm import batch_norm
from .output import printable
from .rewrite import Derivation, derive
from .tables import InputError, Table, choose_columns, read_table
from .tensor import Tensor

if TYPE_CHECKING:
    from .graph import Graph

Array = npt.NDArray[Any]

SIX_NUMBERS = (1, 4, 6, 8, 10, 9)  # the worked example of source 4
CLOSED_FORMS = {
    "paper": closed_form.backward_paper,
    "steps": closed_form.backward_steps,
    "compact": closed_form.backward_compact,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tinygrad-bn run`` to `parser`."""
    add = parser.add_argument
    add("file", nargs="?", type=Path, metavar="FILE",
        help="the mini-batch, rows are examples and columns features: CSV, with or without a "
        "header, or .npy; left out, the six numbers of a worked example")  # fmt: skip
    add("--header", action="store_true",
        help="the first line of the CSV file has the names, though they are numbers")  # fmt: skip
    add("--columns", type=_list, default=[], metavar="A,B,...",
        help="only these columns: names of the header, or numbers counted from 0")  # fmt: skip
    add("--eps", type=float, default=1e-5, help="added to the variance (default %(default)s)")
    add("--gamma", type=_floats, default=[1.0], metavar="G[,G...]",
        help="scale: one number, or one for each column (default 1)")  # fmt: skip
    add("--beta", type=_floats, default=[0.0], metavar="B[,B...]",
        help="shift: one number, or one for each column (default 0)")  # fmt: skip
    cotangent = parser.add_mutually_exclusive_group()
    cotangent.add_argument("--upstream", type=Path, metavar="FILE",
        help="the upstream gradient dy, a table of the shape of the mini-batch")  # fmt: skip
    cotangent.add_argument("--seed", type=_seed, default=0,
        help="draw dy from a normal distribution with this seed (default 0)")  # fmt: skip
    add("--dtype", choices=("float16", "float32", "float64"), default="float64")
    add("--out", type=Path, default=Path("batch_norm_output"), metavar="DIR",
        help="where the picture (batch_norm.svg, .dot), the explorer (batch_norm.html) and the "
        "derivation (derivation.html) go (default %(default)s)")  # fmt: skip
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--no-pictures", action="store_true", help="write no files")
    files.add_argument("--open", action="store_true", help="open the explorer in a browser")
    parser.set_defaults(run=run)


def _list(argument: str) -> list[str]:
    return [part.strip() for part in argument.split(",") if part.strip()]


def _floats(argument: str) -> list[float]:
    try:
        return [float(part) for part in argument.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{argument!r} is not a number or a list of them"
        ) from None


def _seed(argument: str) -> int:
    if not argument.isdecimal():
        raise argparse.ArgumentTypeError(f"{argument!r} is not a whole number of at least 0")
    return int(argument)


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit status."""
    from .graph import graph  # loaded on use, as all readers are

    table = _mini_batch(args)
    x, gamma, beta, dy = _inputs(args, table)
    with np.errstate(all="ignore"):  # an overflow is reported below
        y = batch_norm(x, gamma, beta, eps=args.eps)
        recorded = graph(y, gradient=dy)
    if not all(np.isfinite(node.value).all() for node in recorded.nodes):
        raise InputError(
            f"the forward pass is not finite in {args.dtype} with eps {args.eps:g}: the values are "
            "too large, or a column is constant and eps is 0"
        )
    width = max(40, shutil.get_terminal_size((100, 24)).columns)
    rows, columns = x.shape
    size = f"{rows} rows and {columns} column{'s'[: columns > 1]}"
    print(_paragraph(f"Batch normalization of {size}, {x.dtype}", width))
    if args.file is None:
        print(_paragraph(_six_numbers(), width))
    if table.note:
        print(_paragraph(table.note, width))
    print(_account("Forward", ("result", "operation"), _forward(recorded), width))
    print(_account("Backward", ("gradient", "comes from"), _backward(recorded), width))
    agree = _verdict(recorded, dy, args.eps, table.columns, width)
    found = derive(batch_norm, np.zeros((2, 3)), np.ones(3), np.zeros(3))
    print(_paragraph("Derived from the graph (the steps: tinygrad-bn derive):", width))
    print(_paragraph(f"{found.name} = {found.formula}", width))
    if not args.no_pictures:
        _draw(recorded, found, args.out, args.open)
    return 0 if agree else 1


# --- input ----------------------------------------------------------------------------------


def _mini_batch(args: argparse.Namespace) -> Table:
    if args.file is None:
        table = Table(("x",), np.array(SIX_NUMBERS, np.float64)[:, None])
    else:
        table = read_table(args.file, args.header)
    if args.columns:
        table = choose_columns(table, args.columns)
    rows, columns = table.values.shape
    if columns == 0:
        raise InputError(f"{args.file}: the table has no columns")
    if rows < 2:
        raise InputError(f"a mini-batch needs at least 2 rows; {args.file or 'this'} has {rows}")
    if not 0 <= args.eps < np.inf:
        raise InputError(f"--eps must be finite and at least 0, not {args.eps}")
    return table


def _inputs(args: argparse.Namespace, table: Table) -> tuple[Tensor, Tensor, Tensor, Array]:
    shape = table.values.shape
    parameters = {}
    for name, given in (("gamma", args.gamma), ("beta", args.beta)):
        if len(given) not in (1, shape[1]):
            raise InputError(
                f"--{name} has {len(given)} numbers; give 1, or {shape[1]}, one a column"
            )
        parameters[name] = np.resize(np.array(given), shape[1])
    if args.upstream is None:
        dy = np.random.default_rng(args.seed).normal(size=shape)
    else:
        dy = read_table(args.upstream).values
        if dy.shape != shape:
            raise InputError(f"{args.upstream} has shape {dy.shape}, the mini-batch {shape}")
    arrays = {"x": table.values, **parameters, "dy": dy}
    for name, array in arrays.items():
        with np.errstate(over="ignore"):
            arrays[name] = array.astype(args.dtype)
        if not np.isfinite(arrays[name]).all():
            largest = float(np.abs(array).max())
            raise InputError(f"{name} has a value of {largest:g}, which {args.dtype} cannot hold")
    dy = arrays.pop("dy")
    x, gamma, beta = (Tensor(a, requires_grad=True, name=name) for name, a in arrays.items())
    return x, gamma, beta, dy


# --- the two passes, step by step -----------------------------------------------------------


class Step(NamedTuple):
    """One line of the printed steps: the name of a result, its terms, and its value."""

    name: str
    terms: list[str]
    value: Array


def _forward(recorded: Graph) -> list[Step]:
    from .graph import text

    steps = []
    for node in recorded.nodes:
        if node.kind != "constant":
            how = "given"
            if node.op and node.formula:
                operands = [text.expression(recorded.nodes[i], recorded.nodes) for i in node.inputs]
                how = f"{node.op}: {text.filled_in(node.formula, operands)}"
            steps.append(Step(text.expression(node, recorded.nodes), [how], node.value))
    return steps


def _backward(recorded: Graph) -> list[Step]:
    from .graph import text

    steps = []
    arrivals: dict[int, list[str]] = {recorded.nodes[-1].id: ["upstream"]}
    for node in reversed(recorded.nodes):
        for position, source in enumerate(node.inputs):
            rule = text.backward_rule(node, position, recorded.nodes)
            arrivals.setdefault(source, []).append(f"{node.op}: {rule}")
        if node.grad is not None:
            name = text.cotangent(node, recorded.nodes)
            steps.append(Step(name, arrivals[node.id], node.grad))
    return steps


def _account(title: str, head: tuple[str, str], steps: list[Step], width: int) -> str:
    """Write steps as a table, or as a list if the window is too narrow for a table."""
    rows = [[*head, "shape"]]
    steps = [Step(printable(s.name), [*map(printable, s.terms)], s.value) for s in steps]
    for step in steps:
        first, *more = step.terms
        rows.append([step.name, first, writing.shape(step.value.shape)])
        rows += [["", f"+ {term}", ""] for term in more]
    room = width - sum(max(len(row[i]) for row in rows) + 2 for i in range(3))
    if room >= 20:
        values = iter(step.value for step in steps)
        for row in rows:
            row.append(writing.numbers(next(values), room) if row[2] not in ("", "shape") else "")
        rows[0][3] = "value"
        return f"\n{title}\n{writing.aligned(rows)}"
    lines = ["", title]
    for step in steps:
        lines.append(f"{step.name} {writing.shape(step.value.shape)}")
        for i, term in enumerate(step.terms):
            sign = "  + " if i else "  "
            lines += textwrap.wrap(term, width, initial_indent=sign, subsequent_indent="    ")
        lines.append(f"  = {writing.numbers(step.value, width - 4)}")
    return "\n".join(lines)


def _paragraph(words: str, width: int) -> str:
    return textwrap.fill(" ".join(words.split()), min(width, 100), break_on_hyphens=False)


def _six_numbers() -> str:
    m, total = len(SIX_NUMBERS), sum(SIX_NUMBERS)
    mean = Fraction(total, m)
    var = sum((value - mean) ** 2 for value in SIX_NUMBERS) / m
    printed_mean = total // m
    squares = sum((value - printed_mean) ** 2 for value in SIX_NUMBERS)
    return f"""
        x = {", ".join(map(str, SIX_NUMBERS))}: the worked example of source 4. Its true mean is
        {mean} = {float(mean):.4f} and its true variance {var} = {float(var):.4f}. The source
        prints {printed_mean} and {squares // m}: its divisions were the integer divisions of
        Python 2, {total} // {m} = {printed_mean} and then {squares} // {m} = {squares // m}.
    """


# --- the verdict ----------------------------------------------------------------------------


def _verdict(recorded: Graph, dy: Array, eps: float, columns: tuple[str, ...], width: int) -> bool:
    x, gamma, beta = (recorded[name] for name in ("x", "gamma", "beta"))
    _, cache = closed_form.forward(x.value, gamma.value, beta.value, eps=eps)
    bound = closed_form.error_bound(dy, cache)
    forms = {name: backward(dy, cache) for name, backward in CLOSED_FORMS.items()}
    rows = [["gradient", *forms, "tolerance", ""]]
    agree = True
    for i, node in enumerate((x, gamma, beta)):
        assert node.grad is not None
        tolerance = 2 * bound[i]
        differences = [
            np.abs(node.grad.astype(np.float64) - gradients[i]) for gradients in forms.values()
        ]
        within = bool(all((d <= tolerance).all() for d in differences))
        agree &= within
        closest = np.argmax(np.max(differences, axis=0) / tolerance)
        cells = [f"{float(d.max()):.2g}" for d in differences]
        rows.append(
            [f"d{node.name}", *cells, f"{float(tolerance.flat[closest]):.2g}",
             "agrees" if within else "DIFFERS"]
        )  # fmt: skip
    title = "Largest difference between the gradient from the graph and each closed form"
    print("\n" + _paragraph(title, width))
    lines = writing.aligned(rows)
    if max(map(len, lines.splitlines())) > width:  # too narrow for a table
        lines = "\n".join(f"{row[0]} {row[-1]}: {', '.join(row[1:-1])}".strip() for row in rows)
    print(lines)
    u, v = np.finfo(cache.std.dtype).eps, np.finfo(np.float64).eps
    kappa = closed_form.condition(cache)
    reason = f"""
        The tolerance is twice the rounding error that {x.dtype} allows (closed_form.error_bound),
        shown where the difference comes closest to it: sums of m = {cache.m} terms lose up to
        (m + 30) u, with u = {u:.2g}, and rounding the mean shifts x_hat by up to
        kappa = (m + 4) v max|x| / std = {float(kappa.max()):.2g}, where v = {v:.2g}.
    """
    print(_paragraph(reason, width))
    if kappa.max() > 0.01:
        column = columns[int(np.argmax(kappa))]
        print(_paragraph(f"""Column {column!r} is so far from 0 for its spread that float64 leaves
              it few digits or none (kappa = {float(kappa.max()):.2g}): there the agreement says
              little. Subtract a constant from it first.""", width))  # fmt: skip
    verdict = "agrees with all three closed forms" if agree else "DIFFERS from the closed forms"
    print("\n" + _paragraph(f"The gradient from the graph {verdict}.", width))
    return agree


# --- the pictures ---------------------------------------------------------------------------


def _draw(recorded: Graph, derivation: Derivation, directory: Path, open_explorer: bool) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for ending in ("dot", "svg", "html"):  # only the first needs no Graphviz engine
            path = recorded.save(directory / f"batch_norm.{ending}")
            print(f"Wrote {path}")
        derivation.save(directory / "derivation.html")
        print(f"Wrote {directory / 'derivation.html'}")
        if open_explorer and not webbrowser.open(path.resolve().as_uri()):
            print(f"--open: no browser was found; open {path} yourself", file=sys.stderr)
    except OSError as error:
        raise InputError(f"--out {directory}: {(error.strerror or str(error)).lower()}") from None
    except RuntimeError as error:  # no Graphviz engine: the check above is still valid
        print(f"No picture and no explorer: {error}", file=sys.stderr)
