"""More rows of the table: functions with steps and kinks (rounding, remainders, fmax, copysign).

Where a function is constant between its steps its derivative is 0, as that of sign is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives import KINKED
from ..table import Array, Primitive, primitive
from .arguments import without

# fmt: off


def _step(name: str, formula: tuple[str, str], example: tuple[str, str]) -> Primitive:
    """Add the row of a function that is constant between its steps."""
    function = getattr(np, name)
    at, shown = example
    return primitive(
        name, function, numpy=(function,), **KINKED, vjps=(None,) * function.nin,
        math=formula, rules=(("0", "0"),) * function.nin,
        example=(f"np.{name}({at})", f"Tensor({shown})"),
    )


floor = _step("floor", ("floor a", r"\lfloor a\rfloor"),
              ("tg.Tensor([-1.5, 1.5])", "[-2.,  1.]"))
ceil = _step("ceil", ("ceil a", r"\lceil a\rceil"), ("tg.Tensor([-1.5, 1.5])", "[-1.,  2.]"))
trunc = _step("trunc", ("trunc a", r"\operatorname{trunc} a"),
              ("tg.Tensor([-1.5, 1.5])", "[-1.,  1.]"))
rint = _step("rint", ("rint a", r"\operatorname{rint} a"), ("tg.Tensor([-1.5, 0.5])", "[-2.,  0.]"))
floor_divide = _step("floor_divide", ("floor(a / b)", r"\lfloor a/b\rfloor"),
                     ("tg.Tensor([5.5, -5.5]), 2.0", "[ 2., -3.]"))
round = primitive(
    "round", lambda x, decimals: np.round(x, decimals), numpy=(np.round,), **KINKED, vjps=(None,),
    math=("a, rounded", r"\operatorname{round} a"), rules=(("0", "0"),),
    example=("np.round(tg.Tensor([1.25, 2.35]), 1)", "Tensor([1.2, 2.4])"),
)
remainder = primitive(
    "remainder", np.remainder, numpy=(np.remainder,), **KINKED,
    vjps=(lambda g, out, x, y: g, lambda g, out, x, y: -g * floor_divide(x, y)),
    math=("a mod b", r"a\bmod b"),
    rules=(("g", "g"), ("-g floor(a / b)", r"-g\,\lfloor a/b\rfloor")),
    example=("np.remainder(tg.Tensor([5.5, -5.5]), 2.0)", "Tensor([1.5, 0.5])"),
)
fmod = primitive(
    "fmod", np.fmod, numpy=(np.fmod,), **KINKED,
    # a - fmod(a, b) is a multiple of b: rounding finds the quotient that truncation may miss
    vjps=(lambda g, out, x, y: g, lambda g, out, x, y: -g * np.rint((x - out) / y)),
    math=("a - b trunc(a / b)", r"a-b\operatorname{trunc}(a/b)"),
    rules=(("g", "g"), ("-g trunc(a / b)", r"-g\operatorname{trunc}(a/b)")),
    example=("np.fmod(tg.Tensor([5.5, -5.5]), 2.0)", "Tensor([ 1.5, -1.5])"),
)


def _to_greater(g: Array, x: Array, y: Array) -> Array:
    """Hand g to x where it is greater than y or y is NaN, half of it where they are equal."""
    shared = np.where(x == y, g / 2, np.where(x > y, g, 0.0))
    return np.where(np.isnan(y), g, shared)


fmax = primitive(
    "fmax", np.fmax, numpy=(np.fmax,), **KINKED,
    vjps=(lambda g, out, x, y: _to_greater(g, x, y), lambda g, out, x, y: _to_greater(g, y, x)),
    math=("max(a, b), NaN ignored", r"\max(a, b)"),
    rules=(("g where a > b, g/2 where equal", r"g\,([a>b]+\tfrac12[a=b])"),
           ("g where b > a, g/2 where equal", r"g\,([b>a]+\tfrac12[a=b])")),
    example=("np.fmax(tg.Tensor([1.0, np.nan]), 0.0)", "Tensor([1., 0.])"),
)
fmin = primitive(
    "fmin", np.fmin, numpy=(np.fmin,), **KINKED,
    vjps=(lambda g, out, x, y: _to_greater(g, -x, -y), lambda g, out, x, y: _to_greater(g, -y, -x)),
    math=("min(a, b), NaN ignored", r"\min(a, b)"),
    rules=(("g where a < b, g/2 where equal", r"g\,([a<b]+\tfrac12[a=b])"),
           ("g where b < a, g/2 where equal", r"g\,([b<a]+\tfrac12[a=b])")),
    example=("np.fmin(tg.Tensor([1.0, np.nan]), 2.0)", "Tensor([1., 2.])"),
)
copysign = primitive(
    "copysign", np.copysign, numpy=(np.copysign,), **KINKED,
    vjps=(lambda g, out, x, y: np.where(np.signbit(x) == np.signbit(y), g, -g), None),
    math=("|a| sign b", r"|a|\operatorname{sign} b"),
    rules=(("g where the signs are equal, else -g", r"g\operatorname{sign} a\operatorname{sign} b"),
           ("0", "0")),
    example=("np.copysign(tg.Tensor([3.0, -2.0]), [-1.0, 1.0])", "Tensor([-3.,  2.])"),
)
heaviside = primitive(
    "heaviside", np.heaviside, numpy=(np.heaviside,), **KINKED,
    vjps=(None, lambda g, out, x, y: np.where(x == 0, g, 0.0)),
    math=("0 where a < 0, b where a = 0, else 1", r"[a>0]+b\,[a=0]"),
    rules=(("0", "0"), ("g where a = 0, else 0", r"g\,[a=0]")),
    example=("np.heaviside(tg.Tensor([-2.0, 0.0, 3.0]), 0.5)", "Tensor([0. , 0.5, 1. ])"),
)

# fmt: on


def _round(a: Array, decimals: int = 0, out: Any = None) -> Array:
    without("np.round", out=out)
    return round(a, decimals=decimals)


ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.round: _round,
    np.around: _round,
    np.fix: lambda x: np.trunc(x),
    np.divmod: lambda x1, x2: (np.floor_divide(x1, x2), np.remainder(x1, x2)),
}
