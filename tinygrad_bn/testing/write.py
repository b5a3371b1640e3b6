"""The command ``tinygrad-bn write``: a ready pytest file for the layers and functions in a file.

The batch norms are found as ``tinygrad-bn check`` finds them, and called by the statements that
their sessions run. Other functions are found by name: ``f`` with ``f_vjp``, and ``f_forward`` with
``f_backward``. What a batch norm must have is always tested. Of another function, an invariance is
tested if it holds in a trial: its own test is run.
"""

from __future__ import annotations

import argparse
import inspect
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write
from ..tables import InputError
from .batch import BATCH_NORM
from .calls import Caller, CallError, TimeLimitError
from .conventions import NothingToJudgeError, Subject, find
from .loading import load
from .templates import (
    GRADIENT,
    HEAD,
    INFERENCE,
    INVARIANCES,
    JUDGED,
    KEEPS_SHAPE,
    NORMALIZED,
    SHAPES_OF,
)

SECONDS_PER_CALL, SECONDS = 5.0, 60.0
SHAPES = ("(d,)", "(d, 3)", "(3,)", "(m, d)", "()")  # tried for all arguments but the first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tinygrad-bn write`` to `parser`."""
    parser.add_argument(
        "file",
        metavar="FILE.py",
        help="the file with the layer or the functions. It is run as ordinary Python, with your "
        "rights: give only files that you would run",
    )
    parser.add_argument("--name", help="only this class or function")
    parser.add_argument(
        "--out", metavar="TEST.py", help="write to this file, which must not be there yet"
    )


def run(args: argparse.Namespace) -> int:
    """Write the tests. Raises InputError for bad input."""
    path = Path(args.file)
    if not path.is_file():
        what = "is a directory, not a Python file" if path.is_dir() else "is not there"
        raise InputError(f"{path} {what}")
    if path.suffix != ".py":
        raise InputError(f"{path} is not a .py file, so that a test file cannot import it")
    if find_spec("hypothesis") is None:
        raise InputError("this needs hypothesis: pip install hypothesis")
    out = Path(args.out) if args.out else None
    if out is not None and out.exists():
        raise InputError(f"{out} is there already; give another name, or remove it first")
    if out is not None and not out.parent.is_dir():
        raise InputError(f"{out.parent} is not a directory")
    text = written(path, args.name, out.parent if out else path.parent)
    if out is None:
        print(text, end="")
    else:
        write(out, text.encode())
    return 0


@dataclass
class Target:
    """What is tested: statements that call it, its arguments, and the candidates for tests."""

    title: str
    names: tuple[str, ...]
    arguments: dict[str, str]  # the shape of each, in terms of m examples and d features
    forward: list[str]
    backward: list[str]
    tests: list[str]  # always written
    trials: list[str] = field(default_factory=list)  # written if they pass
    inference: list[str] = field(default_factory=list)
    prelude: str = ""  # code that the statements need


def written(path: Path, name: str | None, home: Path) -> str:
    """Return the text of the test file.

    `home` is the folder in which the test file is to be. Raises InputError if nothing is found.
    """
    call = Caller(SECONDS_PER_CALL, SECONDS)
    try:
        namespace = Caller(SECONDS, SECONDS)(f"import {path.stem}", load, path).namespace
        targets = [*_batch_norms(namespace, name, call), *_pairs(namespace, name, call)]
    except (CallError, TimeLimitError) as error:
        raise InputError(f"{path} cannot be used: {error}") from None
    if not targets:
        wanted = f"{name!r} in {path}" if name else str(path)
        raise InputError(
            f"nothing to test in {wanted}: looked for a batch norm as `tinygrad-bn check` does, "
            "and for functions f with f_vjp(w, ...), or f_forward(x, ...) -> (out, cache) with "
            "f_backward(dout, cache)"
        )
    parts = [_part(target, namespace, call) for target in targets]
    names = sorted({name for target in targets for name in target.names})
    head = _head(path, namespace["__name__"], names, home, "\n".join(parts))
    return head + "\n\n".join(parts)


# --- batch norms ----------------------------------------------------------------------------


def _batch_norms(namespace: Mapping[str, Any], name: str | None, call: Caller) -> list[Target]:
    try:
        subjects = find(namespace, name, call).subjects
    except NothingToJudgeError:
        return []
    found: dict[tuple[str, ...], Target] = {}
    for subject in subjects:
        if subject.names in found or not subject.has_backward:  # a class, for more or fewer axes
            continue
        target = _batch_norm(subject, call)
        if target:
            found[subject.names] = target
    return list(found.values())


def _batch_norm(subject: Subject, call: Caller) -> Target | None:
    """Make the target of a norm from the statements of its sessions; None if it fails.

    What a batch norm must have is not what another norm has, so of these it is tried.
    """
    rng = np.random.default_rng(0)
    shape = (4, 3) if subject.ndim == 2 else (4, 3, 2, 3)
    x, dout, ones = rng.normal(size=shape), rng.normal(size=shape), np.ones(3)
    try:
        session = subject.session(call, ones.copy(), ones.copy(), (0 * ones, ones.copy()))
        session.train(x.copy())
        forward = list(session.statements)
        has_running = any(value is not None for value in session.running())
        session.backward(dout)
        backward = list(session.statements)
        inference: list[str] = []
        if subject.has_test_mode and has_running:
            session = subject.session(call, ones.copy(), ones.copy(), (0 * ones, ones.copy()))
            session.test(x.copy())
            inference = list(session.statements)
    except (CallError, TimeLimitError):
        return None
    wide = "(m, d)" if subject.ndim == 2 else "(m, d, 2, 3)"
    arguments = {"x": wide, "gamma": "(d,)", "beta": "(d,)"}
    arguments = {n: shape for n, shape in arguments.items() if f"d{n}" in subject.gradients}
    names = ", ".join(subject.names)
    judged = JUDGED.replace("SUBJECT", f"({names})" if len(subject.names) > 1 else names)
    tests, others = [GRADIENT, KEEPS_SHAPE], [*INVARIANCES.values(), judged]
    if subject.norm is BATCH_NORM:
        tests, others = [*tests, NORMALIZED, *others], []
        tests[-1:-1] = [INFERENCE] if inference else []
    return Target(
        " and ".join(subject.names), subject.names, arguments,
        forward, backward, tests, others, inference, subject.prelude,
    )  # fmt: skip


# --- other functions ------------------------------------------------------------------------


def _pairs(namespace: Mapping[str, Any], name: str | None, call: Caller) -> Iterator[Target]:
    """Find functions with a backward, by name, and arguments that they run on, by trial."""
    known = {n for target in _batch_norms(namespace, name, call) for n in target.names}
    for forward, function in namespace.items():
        if not inspect.isfunction(function) or forward in known:
            continue
        for backward in _backwards(forward):
            if callable(namespace.get(backward)) and (name in (None, forward, backward)):
                target = _pair(namespace, forward, backward, call)
                if target:
                    yield target


def _backwards(forward: str) -> list[str]:
    if forward.endswith("forward"):
        return [forward.removesuffix("forward") + "backward"]
    return [f"{forward}_vjp", f"{forward}_backward", f"{forward}_grad"]


def _pair(namespace: Mapping[str, Any], forward: str, backward: str, call: Caller) -> Target | None:
    parameters = inspect.signature(namespace[forward]).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind in (0, 1)]
    if not needed:
        return None
    shown = ", ".join(needed)
    cached = forward.endswith("forward")
    run = f"out, cache = {forward}({shown})" if cached else f"out = {forward}({shown})"
    gradients = [f"d{name}" for name in needed]
    back = f"{backward}(dout, cache)" if cached else f"{backward}(dout, {shown})"
    statements = [*([run] if cached else []), f"{', '.join(gradients)} = {back}"]
    for shapes in itertools.product(SHAPES, repeat=len(needed) - 1):
        arguments = dict(zip(needed, ("(m, d)", *shapes), strict=True))
        target = Target(
            f"{forward} and {backward}", (forward, backward), arguments, [run], statements,
            [GRADIENT, SHAPES_OF], list(INVARIANCES.values()),
        )  # fmt: skip
        if _passes(_helpers(target), SHAPES_OF, target, namespace, call):
            return target
    return None


# --- text -----------------------------------------------------------------------------------


def _part(target: Target, namespace: Mapping[str, Any], call: Caller) -> str:
    """Write the part for one target, with those trials that pass."""
    helpers = _helpers(target)
    kept = [t for t in target.trials if _passes(helpers, t, target, namespace, call)]
    tests = [_filled(test, target).strip("\n") for test in (*target.tests, *kept)]
    return "\n\n\n".join([helpers.strip("\n"), *tests]) + "\n"


def _filled(template: str, target: Target) -> str:
    first, *others = target.arguments
    rest = ", ".join(others)
    filled = {
        "AXES": "(0, 2, 3)" if target.arguments[first].count(",") == 3 else "0",
        "X, REST =": f"{first}, {rest} =" if rest else f"({first},) =",
        ", REST": f", {rest}" if rest else "",
        "NAME": target.names[0].replace("_forward", "").strip("_").lower(),
        "X": first,
    }
    for mark, text in filled.items():
        template = template.replace(mark, text)
    return template


def _helpers(target: Target) -> str:
    """Write the functions by which the tests call the code."""
    names = ", ".join(target.arguments)
    gradients = ", ".join(f"d{name}" for name in target.arguments)
    trailing = "," if len(target.arguments) == 1 else ""
    prefix = _filled("NAME", target)
    lines = [
        f"# {target.title}", "", "",
        *([target.prelude, "", ""] if target.prelude else []),
        f"def {prefix}_inputs(seed, m, d):",
        f'    """Draw {names}: no two values of the first are near each other."""',
        "    rng = np.random.default_rng(seed)",
    ]  # fmt: skip
    for i, (name, shape) in enumerate(target.arguments.items()):
        lines.append(f"    {name} = {'apart' if i == 0 else 'values'}(rng, {shape})")
    lines += [f"    return {names}{trailing}", "", ""]
    if prefix not in target.names:
        lines += [f"def {prefix}({names}):", *_body(target.forward), "    return out", "", ""]
    lines += [
        f"def {prefix}_gradients(dout, {names}):",
        *_body(target.backward),
        f"    return {gradients}{trailing}",
    ]
    if target.inference:
        lines += [
            "", "", f"def {prefix}_inference({names}, running_mean, running_var):",
            *_body(target.inference, given=True), "    return out",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _body(statements: Sequence[str], given: bool = False) -> list[str]:
    body = [f"    {line}" for statement in statements for line in statement.split("\n")]
    if not given and any("running_mean" in line for line in body):
        body.insert(0, "    running_mean, running_var = np.zeros_like(gamma), np.ones_like(gamma)")
    return body


def _head(path: Path, module: str, names: Sequence[str], home: Path, body: str) -> str:
    """Write the imports; of a file in a package, from the folder in which the package is."""
    folder = os.path.relpath(path.resolve().parents[module.count(".")], home.resolve())
    lines = [f"from {module} import {', '.join(names)}"]
    if folder != ".":
        place = f'Path(__file__).parent / "{Path(folder).as_posix()}"'
        lines = [f"sys.path.insert(0, str({place}))", "", lines[0] + "  # noqa: E402"]
    imports = ["import sys", "from pathlib import Path", ""] if folder != "." else []
    used = [name for name in ("check_batch_norm", "gradcheck") if name in body]
    return (
        HEAD.replace("FILE", path.name)
        .replace("STANDARD\n", "\n".join([*imports, ""]) if imports else "")
        .replace("USED", ", ".join(used))
        .replace("IMPORTS", "\n".join(lines))
    )


def _passes(
    helpers: str, test: str, target: Target, namespace: Mapping[str, Any], call: Caller
) -> bool:
    """Run one test, as it would be written, on the code as it is now."""
    scope: dict[str, Any] = {**namespace, "__name__": "trial"}
    head = HEAD.replace("STANDARD\n", "").replace("USED", "check_batch_norm, gradcheck")
    exec(head.replace("IMPORTS", ""), scope)
    hypothesis = import_module("hypothesis")
    scope["property_test"] = hypothesis.settings(
        max_examples=10, deadline=None, database=None, derandomize=True,
        phases=[hypothesis.Phase.generate],
    )  # fmt: skip
    exec(helpers + "\n\n" + _filled(test, target), scope)
    function = next(value for key, value in scope.items() if key.startswith("test_"))
    try:
        Caller(SECONDS, call.seconds_left)("trial", function)
    except (CallError, TimeLimitError):
        return False
    return True
