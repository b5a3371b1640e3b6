"""Centring the lines of an SVG picture that Graphviz has placed from the left.

Graphviz gives a line of rich text by its left end, worked out with the widths of the font that it
found. A reader's font is narrower or wider, and the line stands beside the middle. A line that is
alone on its height can be given by its middle instead, and is then right in every font.
"""

from __future__ import annotations

import re
from collections import Counter

NODE = re.compile(r'<g id="[^"]*" class="node">.*?</g>\n', re.DOTALL)
OUTLINE = re.compile(r'<(?:polygon|path)[^>]* (?:points|d)="([^"]*)"|<ellipse[^>]* cx="([^"]*)"')
LINE = re.compile(r'text-anchor="start" x="[^"]*" y="([^"]*)"')


def centred(svg: str) -> str:
    """Give each line that is alone on its height by its middle."""
    return NODE.sub(lambda node: _centred_node(node[0]), svg)


def _centred_node(node: str) -> str:
    outline = OUTLINE.search(node)
    if outline is None:
        return node
    points, center = outline.groups()
    xs = [float(x) for x in re.findall(r"(-?[\d.]+),-?[\d.]+", points or f"{center},0")]
    middle = (min(xs) + max(xs)) / 2
    on_height = Counter(LINE.findall(node))

    def by_the_middle(line: re.Match[str]) -> str:
        if on_height[line[1]] > 1:
            return line[0]
        return f'text-anchor="middle" x="{middle:.2f}" y="{line[1]}"'

    return LINE.sub(by_the_middle, node)
