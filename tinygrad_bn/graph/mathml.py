"""The LaTeX formulas of the primitives as MathML, for a page that puts numbers into them.

The page builds MathML element by element. A tree is therefore a list ``[tag, child, ...]``, and the
text of a leaf is its child.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from xml.etree import ElementTree

from ..mathml import convert

KEPT = ("stretchy", "form", "movablelimits", "accent", "width")


@cache
def tree(latex: str) -> list[Any]:
    r"""Convert LaTeX to a tree of MathML.

    >>> tree(r"\frac{g}{2}")
    ['mfrac', ['mi', 'g'], ['mn', '2']]
    """
    return _listed(ElementTree.fromstring(convert(latex))[0])


def _listed(element: ElementTree.Element) -> list[Any]:
    tag = element.tag.rpartition("}")[2]
    children: list[Any] = [_listed(child) for child in element]
    if tag == "mrow" and len(children) == 1:
        return list(children[0])
    if element.text and element.text.strip():
        children.insert(0, element.text.strip())
    return [tag, *children]
