"""The table of primitives: everything the engine knows about mathematics.

A row is a name, a NumPy function, one vector-Jacobian product (vjp) for each input, and the same
rules as text and as LaTeX. A vjp gets the cotangent ``g`` of the result, the result ``out`` and
the inputs, and returns the cotangent of its input. It may leave broadcasting alone: the reverse
pass undoes that for every rule. Rules are plain NumPy and this file imports no Tensor, but a Tensor
answers NumPy's calls, so the same rule runs on arrays (nothing is recorded) and on Tensors (each
step is recorded, hence differentiable again).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arrays import wide
from .table import BY_NUMPY, TABLE, Array, Primitive, primitive

__all__ = ["BY_NUMPY", "TABLE", "Array", "Primitive", "primitive"]

SMOOTH = {"elementwise": True, "analytic": True}
KINKED = {"elementwise": True}
SUMMING = {"reduces": True, "analytic": True}

# fmt: off

# --- arithmetic -----------------------------------------------------------------------------

add = primitive(
    "add", np.add, numpy=(np.add,), **SMOOTH, infix=2,
    vjps=(lambda g, out, x, y: g, lambda g, out, x, y: g),
    math=("a + b", "a + b"), rules=(("g", "g"), ("g", "g")),
    example=("tg.add([1.0, 2.0], 3.0)", "Tensor([4., 5.])"),
)


def _sub(x: Array, y: Array, dtype: Any = None) -> Array:
    return np.subtract(x, y) if dtype is None else np.subtract(x, y).astype(dtype)


sub = primitive(
    "sub", _sub, numpy=(np.subtract,), **SMOOTH, infix=2,
    vjps=(lambda g, out, x, y, dtype=None: g, lambda g, out, x, y, dtype=None: -g),
    math=("a - b", "a - b"), rules=(("g", "g"), ("-g", "-g")),
    example=("tg.sub([1.0, 2.0], 3.0)", "Tensor([-2., -1.])"),
)
mul = primitive(
    "mul", np.multiply, numpy=(np.multiply,), **SMOOTH, infix=5,
    vjps=(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x),
    math=("a b", r"a\,b"), rules=(("g b", r"g\,b"), ("g a", r"g\,a")),
    example=("tg.mul([1.0, 2.0], 3.0)", "Tensor([3., 6.])"),
)
div = primitive(
    "div", np.true_divide, numpy=(np.true_divide,), **SMOOTH, infix=4,
    vjps=(lambda g, out, x, y: g / y, lambda g, out, x, y: -g * out / y),
    math=("a / b", r"\frac{a}{b}"),
    rules=(("g / b", r"\frac{g}{b}"), ("-g a / b^2", r"-\frac{g\,a}{b^2}")),
    example=("tg.div([1.0, 2.0], 4.0)", "Tensor([0.25, 0.5 ])"),
)
neg = primitive(
    "neg", np.negative, numpy=(np.negative,), **SMOOTH, infix=3, vjps=(lambda g, out, x: -g,),
    math=("-a", "-a"), rules=(("-g", "-g"),),
    example=("tg.neg([1.0, -2.0])", "Tensor([-1.,  2.])"),
)


def _slope(x: Array, y: Array) -> Array:
    """Return y x^(y - 1); for y = 0 that is y / x, or 0 where 1 / x is not finite."""
    if isinstance(y, int | float):
        return y * (x if y == 2 else x ** (y - 1 if y else 0))
    zero, tiny = y == 0, float(np.finfo(x.dtype).tiny)
    at_zero = y / np.where(zero & ((x >= tiny) | (x <= -tiny)), x, 1.0)
    return np.where(zero, at_zero, y * x ** (np.where(zero, 1.0, y) - 1))


pow = primitive(
    "pow", lambda x, y: x**y, numpy=(np.power,), **SMOOTH, infix=6,
    vjps=(lambda g, out, x, y: g * _slope(x, y),
          lambda g, out, x, y: g * out * np.log(np.where(x == 0, 1.0, x))),
    math=("a^b", "a^{b}"),
    rules=(("g b a^(b-1)", r"g\,b\,a^{b-1}"), ("g a^b log a", r"g\,a^{b}\log a")),
    example=("tg.pow([1.0, 2.0], 3)", "Tensor([1., 8.])"),
)

# --- functions of one input -----------------------------------------------------------------

sqrt = primitive(
    "sqrt", np.sqrt, numpy=(np.sqrt,), **SMOOTH, vjps=(lambda g, out, x: g / (2 * out),),
    math=("√a", r"\sqrt{a}"), rules=(("g / (2 √a)", r"\frac{g}{2\sqrt{a}}"),),
    example=("tg.sqrt([1.0, 4.0])", "Tensor([1., 2.])"),
)
exp = primitive(
    "exp", np.exp, numpy=(np.exp,), **SMOOTH, vjps=(lambda g, out, x: g * out,),
    math=("exp a", "e^{a}"), rules=(("g exp a", r"g\,e^{a}"),),
    example=("tg.exp([0.0, 1.0])", "Tensor([1.        , 2.71828183])"),
)
log = primitive(
    "log", np.log, numpy=(np.log,), **SMOOTH, vjps=(lambda g, out, x: g / x,),
    math=("log a", r"\log a"), rules=(("g / a", r"\frac{g}{a}"),),
    example=("tg.log([1.0, 2.0])", "Tensor([0.        , 0.69314718])"),
)
sin = primitive(
    "sin", np.sin, numpy=(np.sin,), **SMOOTH, vjps=(lambda g, out, x: g * np.cos(x),),
    math=("sin a", r"\sin a"), rules=(("g cos a", r"g\cos a"),),
    example=("tg.sin([0.0, 1.0])", "Tensor([0.        , 0.84147098])"),
)
cos = primitive(
    "cos", np.cos, numpy=(np.cos,), **SMOOTH, vjps=(lambda g, out, x: g * -np.sin(x),),
    math=("cos a", r"\cos a"), rules=(("-g sin a", r"-g\sin a"),),
    example=("tg.cos([0.0, 1.0])", "Tensor([1.        , 0.54030231])"),
)
tanh = primitive(
    "tanh", np.tanh, numpy=(np.tanh,), **SMOOTH, vjps=(lambda g, out, x: g * (1 - out * out),),
    math=("tanh a", r"\tanh a"), rules=(("g (1 - tanh^2 a)", r"g\,(1-\tanh^2 a)"),),
    example=("tg.tanh([0.0, 1.0])", "Tensor([0.        , 0.76159416])"),
)


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1.0, e) / (1 + e)


sigmoid = primitive(
    "sigmoid", _sigmoid, **KINKED,
    vjps=(lambda g, out, x: g * (out * (1 - out)),),
    math=("σ(a)", r"\sigma(a)"), rules=(("g σ(a) (1 - σ(a))", r"g\,\sigma(a)(1-\sigma(a))"),),
    example=("tg.sigmoid([0.0, 2.0])", "Tensor([0.5       , 0.88079708])"),
)
relu = primitive(
    "relu", lambda x: np.maximum(x, 0), **KINKED,
    vjps=(lambda g, out, x: np.where(x > 0, g, 0.0),),
    math=("max(a, 0)", r"\max(a, 0)"), rules=(("g where a > 0, else 0", r"g\,[a>0]"),),
    example=("tg.relu([-1.0, 2.0])", "Tensor([0., 2.])"),
)
leaky_relu = primitive(
    "leaky_relu", lambda x, negative_slope: np.where(x > 0, x, negative_slope * x), **KINKED,
    vjps=(lambda g, out, x, negative_slope: np.where(x > 0, g, negative_slope * g),),
    math=("a where a > 0, else s a", r"a\,[a>0]+s\,a\,[a\le 0]"),
    rules=(("g where a > 0, else s g", r"g\,[a>0]+s\,g\,[a\le 0]"),),
    example=("tg.leaky_relu([-1.0, 2.0], negative_slope=0.1)", "Tensor([-0.1,  2. ])"),
)
sign = primitive(
    "sign", np.sign, numpy=(np.sign,), **KINKED, vjps=(None,),
    math=("sign a", r"\operatorname{sign} a"), rules=(("0", "0"),),
    example=("tg.sign([-3.0, 0.0, 2.0])", "Tensor([-1.,  0.,  1.])"),
)
abs = primitive(
    "abs", np.abs, numpy=(np.absolute, np.fabs), **KINKED,
    vjps=(lambda g, out, x: g * np.sign(x),),
    math=("|a|", "|a|"), rules=(("g sign a", r"g\,\operatorname{sign} a"),),
    example=("tg.abs([-3.0, 2.0])", "Tensor([3., 2.])"),
)

# --- choosing: at a tie the cotangent is shared equally, as PyTorch does --------------------


def _share(g: Array, x: Array, y: Array) -> Array:
    return np.where(x == y, g / 2, np.where(x > y, g, 0.0))


maximum = primitive(
    "maximum", np.maximum, numpy=(np.maximum,), **KINKED,
    vjps=(lambda g, out, x, y: _share(g, x, y), lambda g, out, x, y: _share(g, y, x)),
    math=("max(a, b)", r"\max(a, b)"),
    rules=(("g where a > b, g/2 where equal", r"g\,([a>b]+\tfrac12[a=b])"),
           ("g where b > a, g/2 where equal", r"g\,([b>a]+\tfrac12[a=b])")),
    example=("tg.maximum([1.0, 5.0], 3.0)", "Tensor([3., 5.])"),
)
minimum = primitive(
    "minimum", np.minimum, numpy=(np.minimum,), **KINKED,
    vjps=(lambda g, out, x, y: _share(g, y, x), lambda g, out, x, y: _share(g, x, y)),
    math=("min(a, b)", r"\min(a, b)"),
    rules=(("g where a < b, g/2 where equal", r"g\,([a<b]+\tfrac12[a=b])"),
           ("g where b < a, g/2 where equal", r"g\,([b<a]+\tfrac12[a=b])")),
    example=("tg.minimum([1.0, 5.0], 3.0)", "Tensor([1., 3.])"),
)
where = primitive(
    "where", np.where, **SMOOTH,
    vjps=(None, lambda g, out, condition, x, y: np.where(condition, g, 0.0),
          lambda g, out, condition, x, y: np.where(condition, 0.0, g)),
    math=("b where a, else c", r"b\,[a]+c\,[\neg a]"),
    rules=(("0", "0"), ("g where a, else 0", r"g\,[a]"), ("0 where a, else g", r"g\,[\neg a]")),
    example=("tg.where([True, False], [1.0, 2.0], 0.0)", "Tensor([1., 0.])"),
)
clip = primitive(
    "clip", np.clip, **KINKED,  # a between b and c, as minimum(maximum(a, b), c)
    vjps=(lambda g, out, x, low, high: np.where((x >= low) & (x <= high), g, 0.0),
          lambda g, out, x, low, high: np.where(x < low, _share(g, high, low), 0.0),
          lambda g, out, x, low, high:
          np.where(x > high, g, np.where(x < low, _share(g, low, high), 0.0))),
    math=("a kept within [b, c]", r"\min(\max(a, b), c)"),
    rules=(("g where b <= a <= c, else 0", r"g\,[b\le a\le c]"),
           ("g where a < b < c, g/2 where a < b = c", r"g\,([a<b<c]+\tfrac12[a<b=c])"),
           ("g where a > c or b > c, g/2 where a < b = c",
            r"g\,([a>c\lor b>c]+\tfrac12[a<b=c])")),
    example=("tg.clip([-2.0, 0.5, 3.0], 0.0, 1.0)", "Tensor([0. , 0.5, 1. ])"),
)

# --- reductions: axis is a tuple of axes, all counted from the front ------------------------


def _expand(g: Array, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Spread the cotangent of a reduction over the values that were reduced."""
    if not keepdims:
        g = np.reshape(g, tuple([1 if i in axis else n for i, n in enumerate(x.shape)]))
    return np.broadcast_to(g.astype(x.dtype), x.shape)


def _count(x: Array, axis: tuple[int, ...]) -> Any:
    return math.prod([x.shape[i] for i in axis])


def _total(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Sum in float64: in float32 a long sum stops growing, and digits far from 0 are lost."""
    wide = np.float64 if x.dtype.kind == "f" else None  # as NumPy does for integers
    return np.add.reduce(x, axis, wide, None, keepdims)  # type: ignore[call-overload]


def _sum(x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    total = _total(x, axis, keepdims)
    return total.astype(x.dtype) if x.dtype.kind == "f" else total


def _mean(x: Array, axis: tuple[int, ...], keepdims: bool, dtype: Any = None) -> Array:
    mean = _total(x, axis, keepdims) / _count(x, axis)
    return mean.astype(dtype or (x if x.dtype.kind in "fc" else mean).dtype)


def _var(x: Array, axis: tuple[int, ...], ddof: int, keepdims: bool) -> Array:
    x, dtype = wide(x), x.dtype
    centered = x - _mean(x, axis, True)
    centered = centered - _mean(centered, axis, True)  # what rounding left of the mean
    count = _count(x, axis)
    var = _mean(centered * centered, axis, keepdims) * (count / (count - ddof))
    return var.astype(np.float16) if dtype == np.float16 else var


def _to_extreme(g: Array, out: Array, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    hit = x == _expand(out, x, axis, keepdims)
    count = np.sum(hit, axis=axis, keepdims=keepdims)
    return _expand(g / count, x, axis, keepdims) * hit


sum = primitive(
    "sum", _sum, numpy=(np.sum,), **SUMMING,
    vjps=(lambda g, out, x, axis, keepdims: _expand(g, x, axis, keepdims),),
    math=("Σ a", r"\sum a"), rules=(("g", "g"),),
    example=("tg.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)", "Tensor([4., 6.])"),
)
mean = primitive(
    "mean", _mean, numpy=(np.mean,), **SUMMING,
    vjps=(lambda g, out, x, axis, keepdims, dtype=None:
          _expand(wide(g) / _count(x, axis), x, axis, keepdims),),
    math=("(1/m) Σ a", r"\frac{1}{m}\sum a"), rules=(("g / m", r"\frac{g}{m}"),),
    example=("tg.mean([[1.0, 2.0], [3.0, 4.0]], axis=0)", "Tensor([2., 3.])"),
)
var = primitive(
    "var", _var, numpy=(np.var,), **SUMMING,
    vjps=(lambda g, out, x, axis, ddof, keepdims:
          _expand(wide(g) * (2 / (_count(x, axis) - ddof)), x, axis, keepdims)
          * (x - mean(x, axis=axis, keepdims=True)),),
    math=("(1/m) Σ (a - mean a)^2", r"\frac{1}{m}\sum (a-\bar a)^2"),
    rules=(("g 2 (a - mean a) / m", r"g\,\frac{2}{m}(a-\bar a)"),),
    example=("tg.var([[1.0, 2.0], [3.0, 6.0]], axis=0)", "Tensor([1., 4.])"),
)
max = primitive(
    "max", lambda x, axis, keepdims: np.maximum.reduce(x, axis=axis, keepdims=keepdims),
    numpy=(np.max,), reduces=True, vjps=(_to_extreme,),
    math=("max a", r"\max a"),
    rules=(("g at the largest a, shared among equals", r"g\,\frac{[a=\max a]}{\sum [a=\max a]}"),),
    example=("tg.max([[1.0, 2.0], [3.0, 0.0]], axis=0)", "Tensor([3., 2.])"),
)
min = primitive(
    "min", lambda x, axis, keepdims: np.minimum.reduce(x, axis=axis, keepdims=keepdims),
    numpy=(np.min,), reduces=True, vjps=(_to_extreme,),
    math=("min a", r"\min a"),
    rules=(("g at the smallest a, shared among equals", r"g\,\frac{[a=\min a]}{\sum [a=\min a]}"),),
    example=("tg.min([[1.0, 2.0], [3.0, 0.0]], axis=0)", "Tensor([1., 0.])"),
)

# --- matrices -------------------------------------------------------------------------------


def _matmul_x(g: Array, out: Array, x: Array, y: Array) -> Array:
    if y.ndim == 1:
        return g[..., None] * y
    if x.ndim == 1:
        return np.matmul(y, g[..., None])[..., 0]
    return np.matmul(g, np.swapaxes(y, -1, -2))


def _matmul_y(g: Array, out: Array, x: Array, y: Array) -> Array:
    if x.ndim == 1:
        return x[:, None] * g[..., None, :] if y.ndim > 1 else g * x
    if y.ndim == 1:
        return np.matmul(np.swapaxes(x, -1, -2), g[..., None])[..., 0]
    return np.matmul(np.swapaxes(x, -1, -2), g)


def _matmul_shape(x: tuple[Any, ...], y: tuple[Any, ...]) -> tuple[Any, ...]:
    before = x[:-2] if len(x) >= len(y) else y[:-2]
    return (*before, *x[-2:-1], *y[-1:][: len(y) - 1])


matmul = primitive(
    "matmul", np.matmul, numpy=(np.matmul,), analytic=True, infix=4, core=2,
    vjps=(_matmul_x, _matmul_y), shape=_matmul_shape,
    math=("a @ b", r"a\,b"), rules=(("g @ b^T", r"g\,b^{T}"), ("a^T @ g", r"a^{T}g")),
    example=("tg.matmul([[1.0, 2.0]], [[3.0], [4.0]])", "Tensor([[11.]])"),
)
