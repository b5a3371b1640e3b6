"""More rows of the table: questions about numbers. Their answers have no gradient.

Where a backward pass or a program is recorded, these are steps like all others, so that
``np.where(x > 0, g, 0)`` is right for other x too.
"""

from __future__ import annotations

import numpy as np

from .table import Primitive, primitive


def _compares(name: str, sign: str, latex: str) -> Primitive:
    function = getattr(np, name)
    return primitive(
        name, function, numpy=(function,), vjps=(None, None), elementwise=True, predicate=True,
        analytic=True, infix=1,
        math=(f"a {sign} b", f"a {latex} b"), rules=(("0", "0"), ("0", "0")),
        example=(f"np.{name}([1.0, 2.0], 2.0)", repr(function([1.0, 2.0], 2.0))),
    )  # fmt: skip


def _asks(name: str, **facts: bool) -> Primitive:
    function = getattr(np, name)
    return primitive(
        name, lambda x, **params: function(x, **params), numpy=(function,), vjps=(None,),
        predicate=True, **facts,
        math=(f"{name} a", rf"\operatorname{{{name}}} a"), rules=(("0", "0"),),
        example=(f"np.{name}([1.0, 2.0])", repr(function([1.0, 2.0]))),
    )  # fmt: skip


less, less_equal = _compares("less", "<", "<"), _compares("less_equal", "<=", r"\le")
greater, greater_equal = _compares("greater", ">", ">"), _compares("greater_equal", ">=", r"\ge")
equal, not_equal = _compares("equal", "==", "="), _compares("not_equal", "≠", r"\ne")
logical_and, logical_or = (
    _compares("logical_and", "and", r"\land"),
    _compares("logical_or", "or", r"\lor"),
)
logical_xor, logical_not = (
    _compares("logical_xor", "xor", r"\oplus"),
    _asks("logical_not", elementwise=True),
)
for _name in ("isnan", "isinf", "isfinite", "signbit"):
    _asks(_name, elementwise=True)
for _name in ("any", "all", "count_nonzero"):
    _asks(_name, reduces=True)
for _name in ("argmax", "argmin", "argsort"):
    _asks(_name)
