"""Single-token mutants of backward passes, each with the line on which it differs."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
SWAPPED = {"+": "-", "-": "+", "*": "/", "/": "*", "**": "*"}


@dataclass(frozen=True)
class LineMutant:
    """Source code in which one token differs from that of a right implementation."""

    style: str
    source: str
    line: int
    change: str
    names: tuple[str, ...]

    def load(self) -> Any:
        """Return the mutated pair of functions or class."""
        return loaded(self.source, self.names)


def loaded(source: str, names: tuple[str, ...]) -> Any:
    """Run a source as a file; return the pair of functions or the class."""
    file = f"<source {zlib.crc32(source.encode())}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    namespace: dict[str, Any] = {"np": np, "__name__": "mutant"}
    exec(compile(source, file, "exec"), namespace)
    things = tuple(namespace[name] for name in names)
    return things[0] if len(things) == 1 else things


def source_of(implementation: Any) -> tuple[str, tuple[str, ...]]:
    things = implementation if isinstance(implementation, tuple) else (implementation,)
    source = "\n\n".join(textwrap.dedent(inspect.getsource(thing)) for thing in things)
    return "import numpy as np\n\n" + source, tuple(thing.__name__ for thing in things)


def line_mutants(style: str, source: str, names: tuple[str, ...]) -> Iterator[LineMutant]:
    """Yield every single-token mutant of the backward in a source."""
    backward = next(
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name.endswith("backward")
    )
    seen = {source}
    for home, node, text, change in _changes(backward, source):
        lines = source.splitlines(True)
        first = lines[: node.lineno - 1]
        start = sum(map(len, first)) + node.col_offset
        end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
        mutated = source[:start] + text + source[end:]
        try:
            ast.parse(mutated)
        except SyntaxError:
            continue
        if mutated not in seen:
            seen.add(mutated)
            yield LineMutant(style, mutated, home, change, names)


def _changes(backward: ast.FunctionDef, source: str) -> Iterator[tuple[int, Any, str, str]]:
    """Yield the line of a statement or a returned value, a node in it, its new text, and why."""
    for statement in backward.body:
        value = getattr(statement, "value", None)
        parts = [statement]
        if isinstance(statement, ast.Return) and isinstance(value, ast.Tuple):
            parts = value.elts  # type: ignore[assignment]
        for part in parts:
            for change in _changes_of(part, backward, source):
                yield part.lineno, *change


def _changes_of(
    part: Any, backward: ast.FunctionDef, source: str
) -> Iterator[tuple[Any, str, str]]:
    locals_ = [
        node.id
        for node in ast.walk(backward)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    locals_ = list(dict.fromkeys(["dout", *locals_]))
    attributes = list(
        dict.fromkeys(
            ast.unparse(node)
            for node in ast.walk(backward)
            if isinstance(node, ast.Attribute)
            and ast.unparse(node).startswith("self.")
            and isinstance(node.ctx, ast.Load)
        )
    )

    def text(node: Any) -> str:
        return ast.get_source_segment(source, node) or ""

    for statement in (part,):
        names = [
            n.id
            for n in ast.walk(statement)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        if names and isinstance(statement, ast.Assign) and "cache" in text(statement.value):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
                sign = SIGNS[type(node.op)]
                left, right = text(node.left), text(node.right)
                between = source_between(source, node.left, node.right)
                swapped = between.replace(sign, SWAPPED[sign])
                yield node, whole(source, node, swapped), f"{sign} -> {SWAPPED[sign]}"
                yield node, f"({left})", f"drop {sign} {right}"
                if sign != "**":
                    yield node, f"({right})", f"drop {left} {sign}"
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
                yield node, text(node.operand), "drop -"
            if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
                for other in (0, 1, 2, 3, 0.5, 1.5):
                    if other != node.value:
                        yield node, str(other), f"{node.value} -> {other}"
            if isinstance(node, ast.keyword) and node.arg == "axis":
                yield node.value, "1", "axis 1"
                yield node.value, "None", "axis None"
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                others = [name for name in locals_ if name != node.id]
                for other in others if node.id in locals_ else ():
                    yield node, other, f"{node.id} -> {other}"
            if isinstance(node, ast.Attribute) and text(node) in attributes:
                for other in attributes:
                    if other != text(node):
                        yield node, other, f"{text(node)} -> {other}"
            if isinstance(node, ast.Attribute) and node.attr in ("sum", "mean"):
                other = "mean" if node.attr == "sum" else "sum"
                yield node, f"{text(node.value)}.{other}", f"{node.attr} -> {other}"
            if isinstance(node, ast.Call) and text(node.func) == "np.sqrt":
                yield node, f"({text(node.args[0])})", "drop sqrt"
        if isinstance(statement, ast.Assign | ast.AugAssign) and not isinstance(
            statement.value, ast.Tuple
        ):
            yield statement.value, f"-({text(statement.value)})", "minus"


def source_between(source: str, left: Any, right: Any) -> str:
    lines = source.splitlines(True)
    a = sum(map(len, lines[: left.end_lineno - 1])) + left.end_col_offset
    b = sum(map(len, lines[: right.lineno - 1])) + right.col_offset
    return source[a:b]


def whole(source: str, node: ast.BinOp, between: str) -> str:
    """Write an operation with another sign; the brackets stay where they are."""
    lines = source.splitlines(True)

    def at(line: int, column: int) -> int:
        return sum(map(len, lines[: line - 1])) + column

    start = at(node.lineno, node.col_offset)
    left_end = at(node.left.end_lineno or 0, node.left.end_col_offset or 0)
    right_start = at(node.right.lineno, node.right.col_offset)
    end = at(node.end_lineno or 0, node.end_col_offset or 0)
    return source[start:left_end] + between + source[right_start:end]


# --- right rewrites ---------------------------------------------------------------------------


class _Renamed(ast.NodeTransformer):
    """Names without meaning for all locals, so that no name is a hint."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if not node.name.endswith("backward"):
            return node
        stored = [
            n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        self.names = {name: f"q{i}" for i, name in enumerate(dict.fromkeys(stored))}
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(getattr(self, "names", {}).get(node.id, node.id), node.ctx)


class _Turned(ast.NodeTransformer):
    """Products and sums with their operands exchanged."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self.generic_visit(node) if node.name.endswith("backward") else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        self.generic_visit(node)
        if isinstance(node.op, ast.Mult | ast.Add):
            node.left, node.right = node.right, node.left
        return node


class _Split(ast.NodeTransformer):
    """Each operand of an assigned expression on a line of its own."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name.endswith("backward"):
            self.count = 0
            node.body = [new for old in node.body for new in self.split(old)]
        return node

    def split(self, statement: ast.stmt) -> list[ast.stmt]:
        value = getattr(statement, "value", None)
        if not isinstance(value, ast.BinOp):
            return [statement]
        before: list[ast.stmt] = []
        for side in ("left", "right"):
            operand = getattr(value, side)
            if isinstance(operand, ast.BinOp | ast.Call):
                self.count += 1
                name = f"part{self.count}"
                before.append(ast.Assign([ast.Name(name, ast.Store())], operand))
                setattr(value, side, ast.Name(name, ast.Load()))
        return [*before, statement]


class _Late(ast.NodeTransformer):
    """The gradients of gamma and beta computed last."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name.endswith("backward"):
            late = [s for s in node.body if _stores(s) & {"dgamma", "dbeta"} and not _used(s, node)]
            rest = [s for s in node.body if s not in late]
            node.body = [*rest[:-1], *late, rest[-1]]
        return node


def _stores(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Assign):
        return set()
    return {ast.unparse(t).rpartition(".")[2] for t in statement.targets}


def _used(statement: ast.stmt, function: ast.FunctionDef) -> bool:
    """Return whether a statement before the return reads what another one stores."""
    names = _stores(statement)
    read = [
        n.id
        for other in function.body[:-1]
        for n in ast.walk(other)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    ]
    return bool(names & set(read))


REWRITERS: dict[str, tuple[type[ast.NodeTransformer], ...]] = {
    "renamed": (_Renamed,),
    "turned": (_Turned,),
    "split": (_Split,),
    "late": (_Late,),
    "renamed and turned": (_Renamed, _Turned),
    "turned and split": (_Turned, _Split),
    "all": (_Late, _Turned, _Split, _Renamed),
}


def rewritten(implementation: Any, how: str) -> tuple[str, tuple[str, ...]]:
    """Return the source of a right rewrite of an implementation, and the names in it."""
    source, names = source_of(implementation)
    tree: ast.AST = ast.parse(source)
    for rewriter in REWRITERS[how]:
        tree = rewriter().visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree)), names
