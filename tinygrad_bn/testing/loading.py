"""Files with implementations in them: modules, files of packages, scripts, notebooks.

A file is run as its own project runs it. Of a notebook, and of a file that does not run as a whole,
only the definitions are taken: imports, functions, classes and plain constants.
"""

from __future__ import annotations

import ast
import importlib
import json
import linecache
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

NOTEBOOK = "__notebook__"  # the module in which the cells of a notebook are run
_ROOTS = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", ".git")
_MAGIC = re.compile(r"^(\s*)([%!?].*|[\w., ]+=\s*[%!].*|[\w.]+\?{1,2}\s*)$")
_OF_PYTHON = re.compile(r"%%(time|timeit|capture|prun|memit)\b.*")


@dataclass
class Loaded:
    """What a file defines, and remarks on what of it was not run."""

    namespace: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def load(path: Path) -> Loaded:
    """Run a file as a module, with the imports that its project allows."""
    sys.dont_write_bytecode = True
    sys.argv = [str(path)]
    if path.suffix == ".ipynb":
        return load_definitions(path)
    package = _package_of(path)
    _extend_path(path, package)
    if package:
        return Loaded(vars(importlib.import_module(f"{package}.{path.stem}")))
    loader = SourceFileLoader(path.stem, str(path))
    module = module_from_spec(spec_from_loader(path.stem, loader))  # type: ignore[arg-type]
    sys.modules.setdefault(path.stem, module)  # a module imported before is not replaced
    loader.exec_module(module)
    return Loaded(vars(module))


def load_definitions(path: Path) -> Loaded:
    """Run only the definitions of a file or notebook. What of them fails is left out.

    Raises SyntaxError if a file cannot be parsed, and ValueError if a notebook is none.
    """
    package = _package_of(path)
    _extend_path(path, package)
    is_notebook = path.suffix == ".ipynb"
    name = NOTEBOOK if is_notebook else f"{package}.{path.stem}" if package else path.stem
    for parent in _parents(package):  # without running what their __init__.py does
        if parent not in sys.modules:
            made = ModuleType(parent)
            depth = package.count(".") - parent.count(".")
            made.__path__ = [str(path.resolve().parents[depth])]
            sys.modules[parent] = made
    module = ModuleType(name)
    module.__file__, module.__package__ = str(path), package
    sys.modules[name] = module
    loaded = Loaded(vars(module))
    sources = _cells(path) if is_notebook else [(str(path), path.read_text(errors="replace"))]
    for place, source in sources:
        try:
            tree = ast.parse(source, place)
        except SyntaxError as error:
            if not is_notebook:
                raise
            loaded.notes.append(f"{place} was left out: {error}")
            continue
        for node in tree.body:
            if _is_definition(node):
                _run(node, place, loaded)
    return loaded


def _run(node: ast.stmt, place: str, loaded: Loaded) -> None:
    try:
        exec(compile(ast.Module([node], []), place, "exec"), loaded.namespace)
    except Exception as error:
        told = f"{place}, line {node.lineno}: {type(error).__name__}: {error}"
        loaded.notes.append(f"not run: {told}")
        for alias in getattr(node, "names", ()):
            name = alias.asname or alias.name.partition(".")[0]
            loaded.namespace.setdefault(name, Missing(alias.name))


class Missing:
    """A module that is not installed here. As a decorator or base class it does nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Missing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self._name}.{name}")

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Return the decorated function or class, or else this."""
        if len(args) == 1 and not options and (callable(args[0]) or isinstance(args[0], type)):
            return args[0]
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()

    def __repr__(self) -> str:
        return f"<{self._name}, which is not installed>"


# --- which statements are definitions


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(
        node,
        ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
    ):
        return True
    if isinstance(node, ast.Try):
        return all(isinstance(each, ast.Import | ast.ImportFrom) for each in node.body)
    return isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _is_plain(
        node.value)  # fmt: skip


def _is_plain(value: ast.expr) -> bool:
    """Return whether a value is computed without running code of the file or reading anything."""
    allowed = (
        ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.Lambda,
        ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop, ast.expr_context, ast.arguments, ast.arg,
        ast.Call, ast.keyword, ast.Subscript, ast.Slice,
    )  # fmt: skip
    calls = [node for node in ast.walk(value) if isinstance(node, ast.Call)]
    return isinstance(value, ast.Lambda) or (
        all(isinstance(node, allowed) for node in ast.walk(value))
        and all(re.match(r"(np|numpy|math)\.\w+|(int|float|dict|list|tuple)\(", ast.unparse(c))
                for c in calls)
    )  # fmt: skip


# --- notebooks


def _cells(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the code cells of a notebook as Python, magics left out, with a name for messages."""
    try:
        cells = json.loads(path.read_text())["cells"]
        sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a notebook: {type(error).__name__}: {error}") from None
    number = 0
    for kind, source in sources:
        if kind != "code":
            continue
        number += 1
        lines = source.splitlines()
        if lines and lines[0].startswith("%%"):
            if not _OF_PYTHON.match(lines[0]):
                continue
            lines[0] = ""
        code = "\n".join(_MAGIC.sub(r"\1pass", line) for line in lines) + "\n"
        place = f"{path.name}[cell {number}]"
        linecache.cache[place] = (len(code), None, code.splitlines(True), place)
        yield place, code


# --- where a file may import from


def _package_of(path: Path) -> str:
    """Return the package that a file belongs to, as a dotted name; "" if it belongs to none."""
    parts: list[str] = []
    folder = path.resolve().parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    missing = _relative_levels(path) - len(parts)
    while missing > 0 and folder.name:  # relative imports without an __init__.py
        parts.insert(0, folder.name)
        folder, missing = folder.parent, missing - 1
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def _relative_levels(path: Path) -> int:
    if path.suffix == ".ipynb":
        return 0
    found = re.findall(r"^\s*from\s+(\.+)", path.read_text(errors="replace"), re.MULTILINE)
    return max(map(len, found), default=0)


def _parents(package: str) -> list[str]:
    parts = package.split(".") if package else []
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _extend_path(path: Path, package: str) -> None:
    """Let the file import from its folder, the one above, and the root of its project."""
    folder = path.resolve().parent
    top = folder.parents[package.count(".")] if package else folder
    places = [top, top.parent] if package else [folder, folder.parent]
    root = next((f for f in list(top.parents)[:4] if any((f / n).exists() for n in _ROOTS)), None)
    if root:
        places.append(root)
    if package:
        places.append(folder)  # last: its modules may have the names of others, as random.py
    sys.path[:0] = [place for place in map(str, places) if place not in sys.path]
