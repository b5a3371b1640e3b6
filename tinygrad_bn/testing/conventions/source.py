"""What the source of a function says that its signature does not.

The names of its results, the keys that it reads of a dictionary, the names that it unpacks an
argument into, and the texts that it compares a mode with. If there is no source, all are empty.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=256)
def tree_of(function: Callable[..., Any]) -> ast.AST | None:
    """Return the syntax tree of a function or class, or None."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def _inside(function: Callable[..., Any]) -> Iterator[ast.AST]:
    """Walk a function, without the functions defined in it."""
    tree = tree_of(function)
    waiting = list(ast.iter_child_nodes(tree)) if tree else []
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def result_names(function: Callable[..., Any], count: int) -> list[str | None]:
    """Return the names in the first ``return`` of `count` values; None for what is no name."""
    for node in _inside(function):
        value = node.value if isinstance(node, ast.Return) else None
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == count:
            return [_name_of(each) for each in value.elts]
    return [None] * count


def _name_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Call | ast.Starred):  # np.array(dx), dx.reshape(...)
        inner = getattr(node, "func", None)
        return _name_of(inner.value) if isinstance(inner, ast.Attribute) else None
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) and node.id not in ("np", "numpy") else None


def keys_of(function: Callable[..., Any], argument: str, depth: int = 3) -> dict[str, bool]:
    """Return the keys that a function reads of a dictionary, and whether it needs each.

    Where it hands the dictionary on to another function of its module, that one is read, too.
    """
    keys: dict[str, bool] = {}
    for node in _inside(function):
        if isinstance(node, ast.Subscript) and _is(node.value, argument):
            key = _text(node.slice)
            if key is not None:
                needed = isinstance(node.ctx, ast.Load)
                keys[key] = keys.get(key, False) or needed
        elif isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and _is(called.value, argument):
                key = _text(node.args[0]) if node.args else None
                if called.attr in ("get", "setdefault", "pop") and key is not None:
                    keys.setdefault(key, called.attr == "pop" and len(node.args) == 1)
            elif isinstance(called, ast.Name) and depth:
                for key, needed in _handed_on(function, called.id, node, argument, depth).items():
                    keys[key] = keys.get(key, False) or needed
    return keys


def _handed_on(
    function: Callable[..., Any], called: str, node: ast.Call, argument: str, depth: int
) -> dict[str, bool]:
    other = getattr(function, "__globals__", {}).get(called)
    if not inspect.isfunction(other):
        return {}
    names = list(inspect.signature(other).parameters)
    for place, given in enumerate(node.args):
        if _is(given, argument) and place < len(names):
            return keys_of(other, names[place], depth - 1)
    return {}


def unpacked_names(function: Callable[..., Any], argument: str) -> list[str]:
    """Return the names that a function unpacks an argument into."""
    for node in _inside(function):
        if isinstance(node, ast.Assign) and _is(node.value, argument):
            target = node.targets[0]
            if isinstance(target, ast.Tuple | ast.List):
                return [each.id for each in target.elts if isinstance(each, ast.Name)]
    return []


def compared_texts(code: Callable[..., Any], name: str) -> list[str]:
    """Return the texts that an argument or attribute of this name is compared with."""
    tree = tree_of(code)
    found = []
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_is(side, name) or getattr(side, "attr", "") == name for side in sides):
                for side in sides:
                    parts = side.elts if isinstance(side, ast.Tuple | ast.List) else [side]
                    found += [text for text in map(_text, parts) if text is not None]
    return found


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
