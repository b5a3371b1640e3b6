"""Pictures from DOT source, drawn by the Graphviz engine that is installed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from ..files import write
from .centring import centred

FORMATS = ("svg", "png", "pdf")

# pygraphviz runs in a separate process: when it draws repeatedly in one process, the interpreter
# can crash, and its font library writes warnings to the terminal.
IN_ITS_OWN_PROCESS = """
import sys
import pygraphviz
drawing = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
drawing.layout(prog="dot")
sys.stdout.buffer.write(drawing.draw(format=sys.argv[1]))
"""


def rendered(source: str, format: str) -> bytes:
    """Lay out and draw DOT source, with the ``dot`` program or else with pygraphviz."""
    image = _drawn(source, format)
    return centred(image.decode()).encode() if format == "svg" else image


def _drawn(source: str, format: str) -> bytes:
    if shutil.which("dot"):
        import graphviz  # imported on use: it takes a third of the import time of this package

        try:
            drawn: bytes = graphviz.Source(source).pipe(format=format, quiet=True)
            return drawn
        except graphviz.CalledProcessError as error:
            raise RuntimeError(f"the dot program failed: {error.stderr.decode().strip()}") from None
    if importlib.util.find_spec("pygraphviz") is None:
        raise RuntimeError(
            "a picture needs a Graphviz engine: `pip install -e '.[render]'` in a clone of the "
            "repository, or `pip install 'tinygrad-bn[render]'` from an index, brings one; "
            "or install Graphviz itself so that the program `dot` is found (a .dot file needs none)"
        )
    done = subprocess.run(
        [sys.executable, "-c", IN_ITS_OWN_PROCESS, format],
        input=source.encode(),
        capture_output=True,
    )
    if done.returncode:
        raise RuntimeError(f"pygraphviz failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def save(source: str, path: Path) -> Path:
    """Write DOT source, or a picture of it, in the format given by the suffix of the path."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in (*FORMATS, "dot"):
        raise ValueError(f"{path.name!r} must end in .dot, .svg, .png, .pdf, .html or .json")
    write(path, source.encode() if ending == "dot" else rendered(source, ending))
    return path
