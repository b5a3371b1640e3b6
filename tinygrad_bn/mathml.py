"""LaTeX as MathML, which browsers draw without a library."""

from __future__ import annotations

from functools import cache


@cache
def convert(latex: str) -> str:
    r"""Convert LaTeX to a ``<math>`` element.

    Raises RuntimeError, with the command that helps, if latex2mathml is not installed.

    >>> convert("x^2").partition(" ")[0]
    '<math'
    """
    try:
        from latex2mathml.converter import convert as converted
    except ImportError:
        raise RuntimeError(
            "formulas in a page need latex2mathml: `pip install -e '.[render]'` in a clone of the "
            "repository, or `pip install 'tinygrad-bn[render]'` from an index"
        ) from None
    return str(converted(latex))
