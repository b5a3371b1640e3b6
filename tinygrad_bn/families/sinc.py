"""Rows for sinc: its derivatives are spherical Bessel functions, which lose no digits near 0.

The derivative (cos πa - sinc a) / a would: both terms are 1 at 0. The derivative of a j_n is a sum
of two others, so one row serves derivatives of every order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives import SMOOTH
from ..table import Array, Primitive, primitive

TERMS = 24  # of the power series, used for |a| up to n + 1: the last is below a rounding


def _series(x: Array, n: int) -> Array:
    """Sum (-x^2 / 2)^k / (k! (2n + 3) (2n + 5) ... (2n + 2k + 1)), times x^n / (2n + 1)!!."""
    term = x**n / math.prod(range(1, 2 * n + 2, 2))
    total = term
    for k in range(1, TERMS):
        term = term * (-x * x / (2 * k * (2 * n + 2 * k + 1)))
        total = total + term
    return total


def _upwards(x: Array, n: int) -> Array:
    """Use j_(k+1) = (2k + 1) j_k / x - j_(k-1), which is stable beyond |x| = n."""
    below, here = np.cos(x) / x, np.sin(x) / x
    for k in range(n):
        below, here = here, (2 * k + 1) * here / x - below
    return here


def _bessel(x: Array, n: int) -> Array:
    wide = x if x.dtype.kind == "c" else x.astype(np.float64)
    near = np.abs(wide) < n + 1
    small, large = np.where(near, wide, 0.0), np.where(near, n + 1.0, wide)
    value: Array = np.where(near, _series(small, n), _upwards(large, n))
    return value.astype(x.dtype)


def _bessel_x(g: Array, out: Array, x: Array, n: int) -> Array:
    after = spherical_bessel(x, n=n + 1)
    if n == 0:
        return -g * after
    return g * ((n * spherical_bessel(x, n=n - 1) - (n + 1) * after) / (2 * n + 1))


# fmt: off

spherical_bessel: Primitive = primitive(
    "spherical_bessel", _bessel, **SMOOTH, vjps=(_bessel_x,),
    math=("j_n(a)", "j_n(a)"),
    rules=(("g (n j_(n-1)(a) - (n + 1) j_(n+1)(a)) / (2n + 1)",
            r"g\,\frac{n\,j_{n-1}(a)-(n+1)\,j_{n+1}(a)}{2n+1}"),),
    example=("spherical_bessel(tg.Tensor([0.0, 1.0]), n=0)", "Tensor([1.        , 0.84147098])"),
)
sinc = primitive(
    "sinc", np.sinc, numpy=(np.sinc,), **SMOOTH,
    vjps=(lambda g, out, x: -g * (spherical_bessel(x * math.pi, n=1) * math.pi),),
    math=("sin(πa) / (πa), 1 at 0", r"\frac{\sin\pi a}{\pi a}"),
    rules=(("-g π j_1(πa)", r"-g\,\pi\,j_1(\pi a)"),),
    example=("np.sinc(tg.Tensor([0.0, 0.5]))", "Tensor([1.        , 0.63661977])"),
)

# fmt: on

ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {np.sinc: sinc}
