"""From DOT to a picture in a file, by whichever Graphviz engine is there."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import graphviz

FORMATS = ("svg", "png", "pdf")


def rendered(source: str, format: str) -> bytes:
    """Lay out and draw DOT source: with the ``dot`` program, else with pygraphviz's own engine."""
    if shutil.which("dot"):
        try:
            drawn: bytes = graphviz.Source(source).pipe(format=format, quiet=True)
            return drawn
        except graphviz.CalledProcessError as error:
            raise RuntimeError(f"the dot program failed: {error.stderr.decode().strip()}") from None
    try:
        import pygraphviz
    except ImportError:
        raise RuntimeError(
            "a picture needs a Graphviz engine: `pip install 'tinygrad-bn[render]'` brings one, "
            "or install Graphviz itself so that the program `dot` is found (a .dot file needs none)"
        ) from None
    with _silenced_stderr():  # its font library warns about system files that are none of ours
        drawing = pygraphviz.AGraph(string=source)
        drawing.layout(prog="dot")
        image: bytes = drawing.draw(format=format)
    return image


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def save(source: str, path: Path) -> Path:
    """Write DOT source, or a picture of it, in the format that the path's ending names."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in (*FORMATS, "dot"):
        raise ValueError(f"{path.name!r} must end in .dot, .svg, .png, .pdf, .html or .json")
    write(path, source.encode() if ending == "dot" else rendered(source, ending))
    return path


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside its place first, then moved there."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(beside, 0o666 & ~umask)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
