"""A copy of the user's functions that notes every value and can be run with other values.

The source is parsed, and each expression ``e`` becomes ``note(17, e)``, where 17 is the number of
its place in the source; after each assignment the value of the target is noted too. A note returns
the value, or another one in its place: so one compiled copy answers every question "what if this
had been that?". A tracing function could do neither: it sees the locals at the end of a line, but
no attribute, no part of an expression, and before Python 3.13 it cannot set a local. While the copy
is in use, the user's function objects run its code; afterwards they run their own again.
"""

from __future__ import annotations

import ast
import gc
import linecache
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

NOTE = "_note_of_tinygrad_bn_"
Note = Callable[[int, Any], Any]

# Folders with code that is not the user's.
NOT_THEIRS = tuple(
    str(Path(folder).resolve())
    for folder in (
        Path(__file__).parents[2], Path(np.__file__).parent,
        sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A place in the source that has a value: an expression, or the target of an assignment.

    `kind` is "argument", "assignment", "result" (of a function) or "expression". `text` is the
    target or the expression. `statement` numbers the statements of all files; the places of one
    statement, in the order of evaluation, have the same number. `node` is the expression, and
    `parts` are the places of its operands.
    """

    number: int
    kind: str
    file: str
    function: str
    line: int
    text: str
    statement: int
    node: ast.AST
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Copy:
    """The instrumented code of functions, with the places that it notes."""

    functions: tuple[tuple[FunctionType, CodeType], ...]
    places: tuple[Place, ...]

    @contextmanager
    def noted_by(self, note: Note) -> Iterator[None]:
        """Run the instrumented code in place of the functions; its values go through `note`."""
        own = [function.__code__ for function, _ in self.functions]
        try:
            for function, code in self.functions:
                function.__globals__[NOTE] = note
                function.__code__ = code
            yield
        finally:
            for (function, _), code in zip(self.functions, own, strict=True):
                function.__code__ = code
                function.__globals__.pop(NOTE, None)


def functions_run_by(run: Callable[[], object]) -> list[FunctionType]:
    """Return the functions of the user's that are called while `run` runs."""
    codes: dict[CodeType, None] = {}

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            codes.setdefault(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(before)
    theirs = [code for code in codes if is_theirs(code)]
    return [
        function
        for code in theirs
        for function in gc.get_referrers(code)
        if isinstance(function, FunctionType) and function.__code__ is code
    ]


def is_theirs(code: CodeType) -> bool:
    """Return whether the source of this code can be read, and is the user's."""
    if not linecache.getline(code.co_filename, code.co_firstlineno):
        return False
    return not str(Path(code.co_filename).resolve()).startswith(NOT_THEIRS)


def copy_of(functions: Sequence[FunctionType]) -> Copy:
    """Make the instrumented copy of functions, without those whose source is not theirs now."""
    places: list[Place] = []
    statements = 0
    copies: list[tuple[FunctionType, CodeType]] = []
    for file in dict.fromkeys(function.__code__.co_filename for function in functions):
        mine = [function for function in functions if function.__code__.co_filename == file]
        try:
            tree = ast.parse("".join(linecache.getlines(file)), file)
        except (SyntaxError, ValueError):  # as of a notebook cell with a magic
            continue
        wanted = {(f.__code__.co_name, f.__code__.co_firstlineno) for f in mine}
        writer = _Writer(file, places, wanted, statements)
        tree = ast.fix_missing_locations(writer.visit(tree))
        statements = writer.statement
        found = {
            (code.co_name, code.co_firstlineno, code.co_freevars): code
            for code in _inside(compile(tree, file, "exec", dont_inherit=True))
        }
        for function in mine:
            own = function.__code__
            code = found.get((own.co_name, own.co_firstlineno, own.co_freevars))
            if code is not None:
                copies.append((function, code))
    return Copy(tuple(copies), tuple(places))


def _inside(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _inside(constant)


NOTED = (
    ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Call, ast.Constant,
)  # fmt: skip
SCOPES = (
    ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.JoinedStr,
    ast.NamedExpr,
)  # fmt: skip


class _Writer(ast.NodeTransformer):
    """Writes the notes into the functions that are `wanted`, and numbers the places."""

    def __init__(
        self, file: str, places: list[Place], wanted: set[tuple[str, int]], statement: int
    ) -> None:
        self.file, self.places, self.wanted, self.statement = file, places, wanted, statement
        self.function: str | None = None
        self.tops: dict[int, tuple[int, ...]] = {}  # of the elements of a tuple: their places

    # Functions and statements

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        first = min([node.lineno, *[d.lineno for d in node.decorator_list]])
        outer = self.function
        self.function = node.name if (node.name, first) in self.wanted else None
        body: list[ast.stmt] = []
        if self.function:
            self.statement += 1
            body = [
                self._noted_target(ast.Name(a.arg, ast.Load()), "argument", a)
                for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            ]
        rest = [written for child in node.body for written in self._statement(child)]
        docstring = ast.get_docstring(node) is not None
        node.body = [*rest[:docstring], *body, *rest[docstring:]]
        self.function = outer
        return node

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        written = self.visit(node)
        return written if isinstance(written, list) else [written]

    def visit_Assign(self, node: ast.Assign) -> Any:
        return self._assignment(node, node.targets)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        return self._assignment(node, [node.target])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return self._assignment(node, [node.target]) if node.value else node

    def _assignment(self, node: Any, targets: Sequence[ast.expr]) -> Any:
        if self.function is None:
            return self.generic_visit(node)
        self.statement += 1
        pairs = _pairs(node.value, targets)
        node.value, whole = self._expression(node.value)
        after = []
        for target, value in pairs:
            # One of `a, b = e, f` is computed by its own expression.
            parts = self.tops.get(id(value), whole)
            after += [
                self._noted_target(leaf, "assignment", node, parts) for leaf in _leaves(target)
            ]
        return [node, *after]

    def visit_Return(self, node: ast.Return) -> Any:
        if self.function is None or node.value is None:
            return node
        self.statement += 1
        value = node.value
        if isinstance(value, ast.Tuple) and not any(isinstance(e, ast.Starred) for e in value.elts):
            value.elts = [self._result(element) for element in value.elts]
        elif isinstance(value, ast.Dict):
            value.values = [self._result(element) for element in value.values]
        else:
            node.value = self._result(value)
        return node

    def _result(self, node: ast.expr) -> ast.expr:
        text = ast.unparse(node)
        written, parts = self._expression(node)
        return self._noted(written, "result", text, node, parts)

    def visit_Expr(self, node: ast.Expr) -> Any:
        if self.function is None:
            return node
        self.statement += 1
        node.value, _ = self._expression(node.value)
        return node

    def _noted_target(
        self, target: ast.expr, kind: str, node: Any, parts: tuple[int, ...] = ()
    ) -> ast.stmt:
        text = ast.unparse(target)
        value = self._noted(_copied(target, ast.Load()), kind, text, node, parts)
        assignment = ast.Assign([_copied(target, ast.Store())], value)
        for part in ast.walk(assignment):
            ast.copy_location(part, node)
        return assignment

    # Expressions

    def _expression(self, node: Any) -> tuple[Any, tuple[int, ...]]:
        """Write the notes into an expression; return it and the places at its top."""
        if isinstance(node, SCOPES):
            return node, ()
        original = ast.unparse(node) if isinstance(node, NOTED) else ""
        parts: list[int] = []
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                node.func.value, inner = self._expression(node.func.value)
                parts += inner
            for i, argument in enumerate(node.args):
                node.args[i], inner = self._expression(argument)
                parts += inner
            for keyword in node.keywords:
                keyword.value, inner = self._expression(keyword.value)
                parts += inner
        else:
            for name, value in ast.iter_fields(node):
                if isinstance(value, ast.expr):
                    written, inner = self._expression(value)
                    setattr(node, name, written)
                    parts += inner
                elif isinstance(value, list):
                    for i, element in enumerate(value):
                        if isinstance(element, ast.expr):
                            value[i], inner = self._expression(element)
                            self.tops[id(element)] = inner
                            parts += inner
        is_noted = isinstance(node, NOTED) and isinstance(
            getattr(node, "ctx", ast.Load()), ast.Load
        )
        if isinstance(node, ast.Constant):
            is_noted = isinstance(node.value, int | float)
        if not is_noted:
            return node, tuple(parts)
        written = self._noted(node, "expression", original, node, tuple(parts))
        return written, (len(self.places) - 1,)

    def _noted(
        self, written: ast.expr, kind: str, text: str, node: Any, parts: tuple[int, ...]
    ) -> ast.expr:
        number = len(self.places)
        assert self.function is not None
        self.places.append(
            Place(number, kind, self.file, self.function, node.lineno, text, self.statement, node,
                  parts)
        )  # fmt: skip
        call = ast.Call(ast.Name(NOTE, ast.Load()), [ast.Constant(number), written], [])
        return ast.copy_location(call, node)


def _pairs(value: ast.expr, targets: Sequence[ast.expr]) -> list[tuple[ast.expr, ast.expr]]:
    """Pair each target with its expression: those of `a, b = e, f` with one each."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    for target in targets:
        elements = getattr(target, "elts", []), getattr(value, "elts", [])
        if len(elements[0]) == len(elements[1]) > 0:
            pairs += zip(*elements, strict=True)
        else:
            pairs.append((target, value))
    return pairs


def _leaves(target: ast.expr) -> Iterator[ast.expr]:
    """List what an assignment assigns to; an array, if it assigns to a part of it."""
    if isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _leaves(element)
    elif isinstance(target, ast.Name | ast.Attribute) and _is_plain(target):
        yield target
    elif isinstance(target, ast.Subscript) and _is_plain(target.value):
        yield target if isinstance(target.slice, ast.Constant) else target.value


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_plain(node.value))


def _copied(target: ast.expr, context: ast.expr_context) -> Any:
    copied = ast.parse(ast.unparse(target), mode="eval").body
    copied.ctx = context  # type: ignore[attr-defined]
    return copied
