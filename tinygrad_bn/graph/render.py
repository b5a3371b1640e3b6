"""Pictures from DOT source, drawn by the Graphviz engine that is installed.

An SVG picture gets a title and a description, which screen readers read and browsers show.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Any

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


TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
NAMELESS = "%3"  # what Graphviz writes where a graph has no name
DESCRIPTION = re.compile(r"// (.*)")
ROOT = re.compile(r"<svg ([^>]*)>")


def render(picture: Any, format: str = "svg") -> bytes:
    """Draw a Graphviz picture: return the bytes of an SVG, PNG or PDF file.

    The engine is the program ``dot`` if it is installed, and otherwise that of pygraphviz, which
    ``pip install 'tinygrad-bn[render]'`` brings. In SVG, the name of the picture is its title, and
    its comment its description.

    Parameters
    ----------
    picture : graphviz.Digraph, graphviz.Graph, graphviz.Source, or str
        A picture, such as ``graph.to_dot()`` or one of your own; or its source in the DOT language.
    format : "svg", "png" or "pdf"

    Raises
    ------
    ValueError
        For another format.
    TypeError
        For what is no picture.
    RuntimeError
        If there is no engine (the message has both ways to get one), or if it cannot read the
        source.

    Examples
    --------
    >>> import graphviz
    >>> import tinygrad_bn as tg
    >>> picture = graphviz.Digraph("two", comment="An arrow from a to b.")
    >>> picture.edge("a", "b")
    >>> image = tg.render(picture)
    >>> b"<title>two</title>" in image, b"<desc>An arrow from a to b.</desc>" in image
    (True, True)
    """
    if format not in FORMATS:
        raise ValueError(f"render: format is one of 'svg', 'png' and 'pdf', not {format!r}")
    source = picture if isinstance(picture, str) else getattr(picture, "source", None)
    if not isinstance(source, str):
        raise TypeError(
            "render: a graphviz.Digraph or DOT source is expected, not "
            f"{type(picture).__name__} (of a Graph, give graph.to_dot())"
        )
    return rendered(source, format)


def rendered(source: str, format: str) -> bytes:
    """Lay out and draw DOT source (see ``render``)."""
    image = _drawn(source, format)
    return _described(centred(image.decode()), source).encode() if format == "svg" else image


def _described(svg: str, source: str) -> str:
    """Add the title and the description of the whole picture to an SVG source."""
    words = ""
    title = TITLE.search(svg)
    if title is not None and title[1] not in ("", NAMELESS):
        words = f"\n<title>{title[1]}</title>"
    if comment := DESCRIPTION.match(source):
        words += f"\n<desc>{escape(comment[1])}</desc>"
    # What Graphviz calls its shapes, such as n7, is no text for readers.
    svg = TITLE.sub("", svg)
    return ROOT.sub(lambda root: f'<svg role="img" {root[1]}>{words}', svg, count=1)


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
