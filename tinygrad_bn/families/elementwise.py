"""More rows of the table: the smooth functions of one and of two numbers that NumPy has.

Each rule is written so that nothing cancels in it: arcsin, for example, uses (1 - a)(1 + a) and
not 1 - a^2, which has lost its digits where a is near 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives import KINKED, SMOOTH, sigmoid
from ..table import Array, Primitive, Rule, primitive

LOG_2, LOG_10 = math.log(2), math.log(10)

# fmt: off


def _function(
    name: str, vjp: Rule, math: tuple[str, str], rule: tuple[str, str], example: tuple[str, str],
    **facts: Any,
) -> Primitive:
    """Add the row of a NumPy function of one number."""
    function = getattr(np, name)
    at, shown = example
    return primitive(
        name, function, numpy=(function,), **(facts or SMOOTH), vjps=(vjp,), math=math,
        rules=(rule,), example=(f"np.{name}(tg.Tensor({at}))", f"Tensor({shown})"),
    )


# --- logarithms and exponentials ------------------------------------------------------------

log1p = _function(
    "log1p", lambda g, out, x: g / (1 + x),
    ("log(1 + a)", r"\log(1+a)"), ("g / (1 + a)", r"\frac{g}{1+a}"),
    ("[0.0, 1.0]", "[0.        , 0.69314718]"),
)
log2 = _function(
    "log2", lambda g, out, x: g / (x * LOG_2),
    ("log2 a", r"\log_2 a"), ("g / (a log 2)", r"\frac{g}{a\log 2}"),
    ("[1.0, 8.0]", "[0., 3.]"),
)
log10 = _function(
    "log10", lambda g, out, x: g / (x * LOG_10),
    ("log10 a", r"\log_{10} a"), ("g / (a log 10)", r"\frac{g}{a\log 10}"),
    ("[1.0, 100.0]", "[0., 2.]"),
)
expm1 = _function(  # exp a, for out + 1 has no digits left where a is far below 0
    "expm1", lambda g, out, x: g * np.exp(x),
    ("exp(a) - 1", r"e^{a}-1"), ("g exp a", r"g\,e^{a}"),
    ("[0.0, 1.0]", "[0.        , 1.71828183]"),
)
exp2 = _function(
    "exp2", lambda g, out, x: g * (out * LOG_2),
    ("2^a", r"2^{a}"), ("g 2^a log 2", r"g\,2^{a}\log 2"), ("[0.0, 3.0]", "[1., 8.]"),
)

# --- circular and hyperbolic functions, and their inverses ----------------------------------

one_minus_square = primitive(
    "one_minus_square", lambda x: (1 - x) * (1 + x), **SMOOTH,
    vjps=(lambda g, out, x: g * (-2 * x),),
    math=("1 - a^2", "1-a^2"), rules=(("-2 g a", r"-2\,g\,a"),),
    example=("one_minus_square(tg.Tensor([0.0, 0.5]))", "Tensor([1.  , 0.75])"),
)


def _of_two(name: str, *, numpy: bool = True, **row: Any) -> Primitive:
    """Add the row of a function of two numbers that takes no complex ones."""
    function = row.pop("forward", None) or getattr(np, name)
    at, shown = row.pop("example")
    prefix, known = ("np.", (function,)) if numpy else ("", ())
    return primitive(
        name, function, numpy=known, **KINKED, **row,
        example=(f"{prefix}{name}(tg.Tensor({at[0]}), {at[1]})", f"Tensor({shown})"),
    )


def _or_one(r: Array) -> Array:
    """Replace zeros, by which nothing can be divided."""
    return np.where(r == 0, 1.0, r)


def _direction_x(g: Array, out: Array, x: Array, y: Array) -> Array:
    sine = direction(y, x)
    return g * (sine * sine) / _or_one(np.hypot(x, y))


def _direction_y(g: Array, out: Array, x: Array, y: Array) -> Array:
    return -g * (out * direction(y, x)) / _or_one(np.hypot(x, y))


direction = _of_two(
    "direction", numpy=False, forward=lambda x, y: x / _or_one(np.hypot(x, y)),
    vjps=(_direction_x, _direction_y),
    math=("a / √(a^2 + b^2), 0 at the origin", r"\frac{a}{\sqrt{a^2+b^2}}"),
    rules=(("g b^2 / √(a^2 + b^2)^3", r"\frac{g\,b^2}{\sqrt{a^2+b^2}^3}"),
           ("-g a b / √(a^2 + b^2)^3", r"-\frac{g\,a\,b}{\sqrt{a^2+b^2}^3}")),
    example=(("[3.0, 0.0]", "[4.0, 2.0]"), "[0.6, 0. ]"),
)
hypot = _of_two(
    "hypot",
    vjps=(lambda g, out, x, y: g * direction(x, y), lambda g, out, x, y: g * direction(y, x)),
    math=("√(a^2 + b^2)", r"\sqrt{a^2+b^2}"),
    rules=(("g a / √(a^2 + b^2), 0 at the origin", r"\frac{g\,a}{\sqrt{a^2+b^2}}"),
           ("g b / √(a^2 + b^2), 0 at the origin", r"\frac{g\,b}{\sqrt{a^2+b^2}}")),
    example=(("[3.0, 0.0]", "[4.0, 2.0]"), "[5., 2.]"),
)
arctan2 = _of_two(
    "arctan2",
    vjps=(lambda g, out, x, y: g * direction(y, x) / np.hypot(x, y),
          lambda g, out, x, y: -g * direction(x, y) / np.hypot(x, y)),
    math=("the angle of (b, a)", r"\operatorname{atan2}(a, b)"),
    rules=(("g b / (a^2 + b^2)", r"\frac{g\,b}{a^2+b^2}"),
           ("-g a / (a^2 + b^2)", r"-\frac{g\,a}{a^2+b^2}")),
    example=(("[1.0, 0.0]", "[1.0, 2.0]"), "[0.78539816, 0.        ]"),
)

tan = _function(
    "tan", lambda g, out, x: g * (1 + out * out),
    ("tan a", r"\tan a"), ("g (1 + tan^2 a)", r"g\,(1+\tan^2 a)"),
    ("[0.0, 1.0]", "[0.        , 1.55740772]"),
)
sinh = _function(
    "sinh", lambda g, out, x: g * np.cosh(x),
    ("sinh a", r"\sinh a"), ("g cosh a", r"g\cosh a"), ("[0.0, 1.0]", "[0.        , 1.17520119]"),
)
cosh = _function(
    "cosh", lambda g, out, x: g * np.sinh(x),
    ("cosh a", r"\cosh a"), ("g sinh a", r"g\sinh a"), ("[0.0, 1.0]", "[1.        , 1.54308063]"),
)
arcsin = _function(
    "arcsin", lambda g, out, x: g / np.sqrt(one_minus_square(x)),
    ("arcsin a", r"\arcsin a"), ("g / √(1 - a^2)", r"\frac{g}{\sqrt{1-a^2}}"),
    ("[0.0, 0.5]", "[0.        , 0.52359878]"),
)
arccos = _function(
    "arccos", lambda g, out, x: -g / np.sqrt(one_minus_square(x)),
    ("arccos a", r"\arccos a"), ("-g / √(1 - a^2)", r"-\frac{g}{\sqrt{1-a^2}}"),
    ("[0.5, 1.0]", "[1.04719755, 0.        ]"),
)
arctan = _function(
    "arctan", lambda g, out, x: g / (1 + x * x),
    ("arctan a", r"\arctan a"), ("g / (1 + a^2)", r"\frac{g}{1+a^2}"),
    ("[0.0, 1.0]", "[0.        , 0.78539816]"),
)
arcsinh = _function(  # hypot does not overflow
    "arcsinh", lambda g, out, x: g / np.hypot(x, 1.0),
    ("arsinh a", r"\operatorname{arsinh} a"), ("g / √(a^2 + 1)", r"\frac{g}{\sqrt{a^2+1}}"),
    ("[0.0, 1.0]", "[0.        , 0.88137359]"),
)
arccosh = _function(
    "arccosh", lambda g, out, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)),
    ("arcosh a", r"\operatorname{arcosh} a"), ("g / √(a^2 - 1)", r"\frac{g}{\sqrt{a^2-1}}"),
    ("[1.0, 2.0]", "[0.       , 1.3169579]"),
)
arctanh = _function(
    "arctanh", lambda g, out, x: g / one_minus_square(x),
    ("artanh a", r"\operatorname{artanh} a"), ("g / (1 - a^2)", r"\frac{g}{1-a^2}"),
    ("[0.0, 0.5]", "[0.        , 0.54930614]"),
)
cbrt = _function(
    "cbrt", lambda g, out, x: g / (3 * out * out),
    ("∛a", r"\sqrt[3]{a}"), ("g / (3 ∛a^2)", r"\frac{g}{3\sqrt[3]{a}^2}"),
    ("[8.0, -27.0]", "[ 2., -3.]"), **KINKED,
)

# --- log of a sum of exponentials -----------------------------------------------------------


def _difference(x: Array, y: Array) -> Array:
    """Return x - y, and 0 where both are the same infinity: its share is then one half."""
    same = np.logical_and(np.isinf(x), x == y)
    return np.where(same, 0.0, x) - np.where(same, 0.0, y)


def _log_of_sum(name: str, scale: float, texts: dict[str, Any]) -> Primitive:
    """Add logaddexp of some base. The rules are sigmoids: no exponential of `out` is taken."""

    def share(x: Array, y: Array) -> Array:
        difference = _difference(x, y)
        return sigmoid(difference if scale == 1 else difference * scale)

    return _of_two(
        name,
        vjps=(lambda g, out, x, y: g * share(x, y), lambda g, out, x, y: g * share(y, x)),
        **texts,
    )


logaddexp = _log_of_sum("logaddexp", 1.0, {
    "math": ("log(exp a + exp b)", r"\log(e^{a}+e^{b})"),
    "rules": (("g σ(a - b)", r"g\,\sigma(a-b)"), ("g σ(b - a)", r"g\,\sigma(b-a)")),
    "example": (("[0.0, 2.0]", "[0.0, 1.0]"), "[0.69314718, 2.31326169]"),
})
logaddexp2 = _log_of_sum("logaddexp2", LOG_2, {
    "math": ("log2(2^a + 2^b)", r"\log_2(2^{a}+2^{b})"),
    "rules": (("g σ((a - b) log 2)", r"g\,\sigma((a-b)\log 2)"),
              ("g σ((b - a) log 2)", r"g\,\sigma((b-a)\log 2)")),
    "example": (("[0.0, 1.0]", "[0.0, 1.0]"), "[1., 2.]"),
})

# fmt: on


def _nan_to_num(
    x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    limits = np.finfo(x.dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(x == np.inf, float(limits.max) if posinf is None else posinf, x)
    return np.where(x == -np.inf, float(limits.min) if neginf is None else neginf, x)


def _float_power(x1: Array, x2: Array) -> Array:
    return np.power(*[x.astype(np.float64) if hasattr(x, "astype") else x for x in (x1, x2)])


ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.square: lambda x: x**2,
    np.reciprocal: lambda x: 1.0 / x,
    np.positive: lambda x: x,
    np.deg2rad: lambda x: x * (math.pi / 180),
    np.radians: lambda x: x * (math.pi / 180),
    np.rad2deg: lambda x: x * (180 / math.pi),
    np.degrees: lambda x: x * (180 / math.pi),
    np.float_power: _float_power,
    np.nan_to_num: _nan_to_num,
    # A Tensor is real
    np.conjugate: lambda x: x,
    np.real: lambda val: val,
    np.real_if_close: lambda a, tol=100: a,
    np.imag: lambda val: np.zeros_like(val),
}
