"""How a picture looks: its colours and styles, and what a caller may change of them.

The ground of a picture is transparent. Every text stands on a light fill of its own, and lines have
a contrast of at least 3 : 1 to white and to near-black, so a picture reads on a light page and on a
dark one. Kinds of values differ in outline and line style too, so colour is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

FONT = "Helvetica"
SIZE, SMALL = "11", "9"  # of text, in points: 14.7 and 12 pixels
SHOWN = ("shape", "dtype", "value", "gradient")
DIRECTIONS = ("forward", "backward", "both")
RANKDIRS = ("TB", "LR", "BT", "RL")
COLORS = {
    "input": "#dae8f6", "parameter": "#ebe9e3", "constant": "#ffffff", "result": "#ffffff",
    "output": "#f9e6c6", "operation": "#37444f", "backward": "#a8480a", "scope": "#f6f7f8",
    "box": "#e9edf1", "text": "#1d252c", "quiet": "#5a6570", "line": "#5d6c79",
}  # fmt: skip
STYLE = {
    "input": {"penwidth": "2"},
    "parameter": {"style": "filled,diagonals", "margin": "0.2,0.07"},
    "constant": {"style": "filled,dashed"},
    "result": {"style": "rounded,filled"},
    "output": {"style": "rounded,filled", "peripheries": "2"},
}  # fmt: skip
A_COLOR = re.compile(r"#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?|[a-zA-Z]+[0-9]*")


@dataclass(frozen=True)
class Look:
    """What is shown of a value, which way the graph runs, and every colour."""

    show: Collection[str]
    rankdir: str
    colors: Mapping[str, str]

    @staticmethod
    def of(show: Collection[str], rankdir: str, colors: Mapping[str, str]) -> Look:
        """Check the options. Raises ValueError for an unknown word, or what is no colour."""
        one_of("show", show, SHOWN)
        one_of("rankdir", [rankdir], RANKDIRS)
        one_of("colors", colors, COLORS)
        for place, color in colors.items():
            if not isinstance(color, str) or not A_COLOR.fullmatch(color):
                raise ValueError(
                    f"colors: {color!r} for {place!r} is no colour: give '#rrggbb' or a name "
                    "that Graphviz knows, such as 'gold'"
                )
        return Look(show, rankdir, {**COLORS, **colors})

    @property
    def sideways(self) -> bool:
        """Return whether the graph runs from left to right, or back."""
        return self.rankdir in ("LR", "RL")

    def graph(self) -> dict[str, str]:
        """Return the attributes of the whole graph."""
        between = "0.45" if self.sideways else "0.3"
        return {
            "rankdir": self.rankdir, "nodesep": "0.28", "ranksep": between, "fontname": FONT,
            "fontsize": SIZE, "bgcolor": "transparent", "pad": "0.1",
        }  # fmt: skip

    def value(self, kind: str, backward: bool) -> dict[str, str]:
        """Return the attributes of the box of a value."""
        outline = "backward" if backward else "quiet" if kind == "constant" else "line"
        return {**STYLE[kind], "fillcolor": self.colors[kind], "color": self.colors[outline]}

    def frame(self) -> dict[str, str]:
        """Return the attributes of the frame around a scope."""
        return {
            "style": "rounded,filled", "fillcolor": self.colors["scope"], "color": "#c3ccd4",
            "fontcolor": self.colors["quiet"], "labeljust": "l", "fontsize": SIZE, "margin": "14",
        }  # fmt: skip

    def quiet(self, line: str) -> str:
        """Write a line small and grey."""
        color = self.colors["quiet"]
        return f'<FONT POINT-SIZE="{SMALL}" COLOR="{color}">{escape(line)}</FONT>'


def one_of(option: str, given: Any, choices: Collection[str]) -> None:
    """Raise ValueError if a word that was given for an option is none of the choices."""
    if isinstance(given, str):
        raise ValueError(f"{option}: a collection of words is expected, not {given!r}")
    for word in given:
        if word not in choices:
            raise ValueError(f"{option}: {word!r} is none of {', '.join(map(repr, choices))}")


def html(line: str) -> str:
    """Write a line as an HTML-like label."""
    return f"<{escape(line)}>" if line else "< >"
