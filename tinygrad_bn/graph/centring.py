"""Centring of the text lines in an SVG picture.

Graphviz writes the position of the left end of each line of rich text. It computes this position
from the character widths of its own font. If the font of the reader is narrower or wider, the line
is not centred in its node. If a node has only one line at a height, the position of its middle can
be written instead. The line is then centred in every font.
"""

from __future__ import annotations

import re
from collections import Counter

NODE = re.compile(r'<g id="[^"]*" class="node">.*?</g>\n', re.DOTALL)
OUTLINE = re.compile(r'<(?:polygon|path)[^>]* (?:points|d)="([^"]*)"|<ellipse[^>]* cx="([^"]*)"')
LINE = re.compile(r'text-anchor="start" x="[^"]*" y="([^"]*)"')


def centred(svg: str) -> str:
    """Return the SVG source, with each line that is alone at its height placed by its middle."""
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
