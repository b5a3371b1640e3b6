"""The table of primitives: everything the engine knows about mathematics.

A row is a name, a NumPy function, one vector-Jacobian product (vjp) for each input, and the same
rules as text and as LaTeX. A vjp gets the cotangent ``g`` of the result, the result ``out`` and
the inputs, and gives the cotangent of its input. It may leave broadcasting alone: the reverse
pass undoes that for every rule. Rules are plain NumPy and this file has never heard of Tensors,
but a Tensor answers NumPy's calls, so the same rule runs on arrays (fast, nothing recorded) and on
Tensors (recorded, hence differentiable again).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import arithmetic
from .accuracy import difference, sum_by_eights, wide_sum
from .broadcasting import product_summed_to, summed_to

Array = Any  # an ndarray, or a Tensor that stands in for one


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """One row of the table. Called, it computes; called on a Tensor, it is recorded.

    A rule gives a new array, ``g``, a view or a value: the reverse pass may add to a new one.
    """

    name: str
    forward: Callable[..., Array]
    vjps: Sequence[Callable[..., Array] | None]  # None: the derivative is 0 where it exists
    math: tuple[str, str]  # as text, as LaTeX, with a and b for the inputs
    rules: tuple[tuple[str, str], ...]  # for each input, likewise
    example: tuple[str, str]  # a call, and what it shows
    numpy: tuple[Callable[..., Any], ...] = ()  # the NumPy functions that mean this primitive

    def __call__(self, *operands: Any, **params: Any) -> Any:
        """Compute; if an operand is a Tensor, through it, so that it is recorded."""
        for operand in operands:
            if record := getattr(operand, "__apply_primitive__", None):
                return record(self, operands, params)
        return self.forward(*operands, **params)

    def __repr__(self) -> str:
        return self.name


TABLE: dict[str, Primitive] = {}
BY_NUMPY: dict[Callable[..., Any], Primitive] = {}


def primitive(name: str, forward: Callable[..., Array], **row: Any) -> Primitive:
    """Add a row to the table."""
    added = TABLE[name] = Primitive(name, forward, **row)
    BY_NUMPY.update(dict.fromkeys(added.numpy, added))
    return added


# fmt: off

# --- arithmetic -----------------------------------------------------------------------------

add = primitive(
    "add", arithmetic.add, numpy=(np.add,), vjps=(lambda g, out, x, y: g, lambda g, out, x, y: g),
    math=("a + b", "a + b"), rules=(("g", "g"), ("g", "g")),
    example=("tg.add([1.0, 2.0], 3.0)", "Tensor([4., 5.])"),
)

sub = primitive(
    "sub", difference, numpy=(np.subtract,),
    vjps=(lambda g, out, x, y, dtype=None: g,
          lambda g, out, x, y, dtype=None: -summed_to(g, y)),
    math=("a - b", "a - b"), rules=(("g", "g"), ("-g", "-g")),
    example=("tg.sub([1.0, 2.0], 3.0)", "Tensor([-2., -1.])"),
)
mul = primitive(
    "mul", arithmetic.multiply, numpy=(np.multiply,),
    vjps=(lambda g, out, x, y: product_summed_to(g, y, x),
          lambda g, out, x, y: product_summed_to(g, x, y)),
    math=("a b", r"a\,b"), rules=(("g b", r"g\,b"), ("g a", r"g\,a")),
    example=("tg.mul([1.0, 2.0], 3.0)", "Tensor([3., 6.])"),
)
div = primitive(
    "div", arithmetic.divide, numpy=(np.true_divide,),
    vjps=(lambda g, out, x, y: arithmetic.divide(g, y),
          lambda g, out, x, y: product_summed_to(g, out, y) / -y),
    math=("a / b", r"\frac{a}{b}"),
    rules=(("g / b", r"\frac{g}{b}"), ("-g a / b^2", r"-\frac{g\,a}{b^2}")),
    example=("tg.div([1.0, 2.0], 4.0)", "Tensor([0.25, 0.5 ])"),
)
neg = primitive(
    "neg", np.negative, numpy=(np.negative,), vjps=(lambda g, out, x: -g,),
    math=("-a", "-a"), rules=(("-g", "-g"),),
    example=("tg.neg([1.0, -2.0])", "Tensor([-1.,  2.])"),
)


def _pow_base(g: Array, out: Array, x: Array, y: Array) -> Array:
    # x^0 is constant at x = 0 too, where 0 x^(-1) would not be a number.
    if isinstance(y, int | float):
        return arithmetic.product(g, y, x if y == 2 else x ** (y - 1 if y else 1))
    return g * (y * x ** np.where((x == 0) & (y == 0), 1.0, y - 1))


pow = primitive(
    "pow", lambda x, y: x**y, numpy=(np.power,),
    vjps=(_pow_base, lambda g, out, x, y: g * out * np.log(np.where(x == 0, 1.0, x))),
    math=("a^b", "a^{b}"),
    rules=(("g b a^(b-1)", r"g\,b\,a^{b-1}"), ("g a^b log a", r"g\,a^{b}\log a")),
    example=("tg.pow([1.0, 2.0], 3)", "Tensor([1., 8.])"),
)

# --- functions of one input -----------------------------------------------------------------

sqrt = primitive(
    "sqrt", np.sqrt, numpy=(np.sqrt,), vjps=(lambda g, out, x: g / (2 * out),),
    math=("√a", r"\sqrt{a}"), rules=(("g / (2 √a)", r"\frac{g}{2\sqrt{a}}"),),
    example=("tg.sqrt([1.0, 4.0])", "Tensor([1., 2.])"),
)
exp = primitive(
    "exp", np.exp, numpy=(np.exp,), vjps=(lambda g, out, x: g * out,),
    math=("exp a", "e^{a}"), rules=(("g exp a", r"g\,e^{a}"),),
    example=("tg.exp([0.0, 1.0])", "Tensor([1.        , 2.71828183])"),
)
log = primitive(
    "log", np.log, numpy=(np.log,), vjps=(lambda g, out, x: g / x,),
    math=("log a", r"\log a"), rules=(("g / a", r"\frac{g}{a}"),),
    example=("tg.log([1.0, 2.0])", "Tensor([0.        , 0.69314718])"),
)
sin = primitive(
    "sin", np.sin, numpy=(np.sin,), vjps=(lambda g, out, x: g * np.cos(x),),
    math=("sin a", r"\sin a"), rules=(("g cos a", r"g\cos a"),),
    example=("tg.sin([0.0, 1.0])", "Tensor([0.        , 0.84147098])"),
)
cos = primitive(
    "cos", np.cos, numpy=(np.cos,), vjps=(lambda g, out, x: g * -np.sin(x),),
    math=("cos a", r"\cos a"), rules=(("-g sin a", r"-g\sin a"),),
    example=("tg.cos([0.0, 1.0])", "Tensor([1.        , 0.54030231])"),
)
tanh = primitive(
    "tanh", np.tanh, numpy=(np.tanh,), vjps=(lambda g, out, x: g * (1 - out * out),),
    math=("tanh a", r"\tanh a"), rules=(("g (1 - tanh^2 a)", r"g\,(1-\tanh^2 a)"),),
    example=("tg.tanh([0.0, 1.0])", "Tensor([0.        , 0.76159416])"),
)


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1.0, e) / (1 + e)


sigmoid = primitive(
    "sigmoid", _sigmoid,
    vjps=(lambda g, out, x: g * (out * (1 - out)),),
    math=("σ(a)", r"\sigma(a)"), rules=(("g σ(a) (1 - σ(a))", r"g\,\sigma(a)(1-\sigma(a))"),),
    example=("tg.sigmoid([0.0, 2.0])", "Tensor([0.5       , 0.88079708])"),
)
relu = primitive(
    "relu", lambda x: np.maximum(x, 0),
    vjps=(lambda g, out, x: np.where(x > 0, g, 0.0),),
    math=("max(a, 0)", r"\max(a, 0)"), rules=(("g where a > 0, else 0", r"g\,[a>0]"),),
    example=("tg.relu([-1.0, 2.0])", "Tensor([0., 2.])"),
)
leaky_relu = primitive(
    "leaky_relu", lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
    vjps=(lambda g, out, x, negative_slope: np.where(x > 0, g, negative_slope * g),),
    math=("a where a > 0, else s a", r"a\,[a>0]+s\,a\,[a\le 0]"),
    rules=(("g where a > 0, else s g", r"g\,[a>0]+s\,g\,[a\le 0]"),),
    example=("tg.leaky_relu([-1.0, 2.0], negative_slope=0.1)", "Tensor([-0.1,  2. ])"),
)
sign = primitive(
    "sign", np.sign, numpy=(np.sign,), vjps=(None,),
    math=("sign a", r"\operatorname{sign} a"), rules=(("0", "0"),),
    example=("tg.sign([-3.0, 0.0, 2.0])", "Tensor([-1.,  0.,  1.])"),
)
abs = primitive(
    "abs", np.abs, numpy=(np.absolute, np.fabs), vjps=(lambda g, out, x: g * np.sign(x),),
    math=("|a|", "|a|"), rules=(("g sign a", r"g\,\operatorname{sign} a"),),
    example=("tg.abs([-3.0, 2.0])", "Tensor([3., 2.])"),
)

# --- choosing: at a tie the cotangent is shared equally, as PyTorch does --------------------


def _share(g: Array, x: Array, y: Array) -> Array:
    return np.where(x == y, g / 2, np.where(x > y, g, 0.0))


maximum = primitive(
    "maximum", np.maximum, numpy=(np.maximum,),
    vjps=(lambda g, out, x, y: _share(g, x, y), lambda g, out, x, y: _share(g, y, x)),
    math=("max(a, b)", r"\max(a, b)"),
    rules=(("g where a > b, g/2 where equal", r"g\,([a>b]+\tfrac12[a=b])"),
           ("g where b > a, g/2 where equal", r"g\,([b>a]+\tfrac12[a=b])")),
    example=("tg.maximum([1.0, 5.0], 3.0)", "Tensor([3., 5.])"),
)
minimum = primitive(
    "minimum", np.minimum, numpy=(np.minimum,),
    vjps=(lambda g, out, x, y: _share(g, y, x), lambda g, out, x, y: _share(g, x, y)),
    math=("min(a, b)", r"\min(a, b)"),
    rules=(("g where a < b, g/2 where equal", r"g\,([a<b]+\tfrac12[a=b])"),
           ("g where b < a, g/2 where equal", r"g\,([b<a]+\tfrac12[a=b])")),
    example=("tg.minimum([1.0, 5.0], 3.0)", "Tensor([1., 3.])"),
)
where = primitive(
    "where", lambda x, y, condition: np.where(condition, x, y),
    vjps=(lambda g, out, x, y, condition: np.where(condition, g, 0.0),
          lambda g, out, x, y, condition: np.where(condition, 0.0, g)),
    math=("a where c, else b", r"a\,[c]+b\,[\neg c]"),
    rules=(("g where c, else 0", r"g\,[c]"), ("0 where c, else g", r"g\,[\neg c]")),
    example=("tg.where([True, False], [1.0, 2.0], 0.0)", "Tensor([1., 0.])"),
)
clip = primitive(
    "clip", lambda x, min, max: np.clip(x, min, max),
    vjps=(lambda g, out, x, min, max: np.where((x >= min) & (x <= max), g, 0.0),),
    math=("a kept within [min, max]", r"\min(\max(a, \mathit{min}), \mathit{max})"),
    rules=(("g where min <= a <= max, else 0", r"g\,[\mathit{min}\le a\le \mathit{max}]"),),
    example=("tg.clip([-2.0, 0.5, 3.0], 0.0, 1.0)", "Tensor([0. , 0.5, 1. ])"),
)

# --- reductions: axis is a tuple of axes, all counted from the front ------------------------


def _expand(g: Array, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Spread the cotangent of a reduction over the values that were reduced."""
    if g.dtype != x.dtype:
        g = g.astype(x.dtype)
    if not keepdims:
        g = np.reshape(g, tuple(1 if i in axis else n for i, n in enumerate(x.shape)))
    return arithmetic.repeated(g, x.shape)


def _count(x: Array, axis: tuple[int, ...]) -> int:
    return math.prod([x.shape[i] for i in axis])


def _mean(x: Array, axis: tuple[int, ...], keepdims: bool, dtype: Any = None) -> Array:
    quickly = dtype is not None and dtype == x.dtype
    total = (sum_by_eights if quickly else wide_sum)(x, axis, keepdims)
    return (total / _count(x, axis)).astype(dtype or x.dtype)


def _var(x: Array, axis: tuple[int, ...], ddof: int, keepdims: bool) -> Array:
    centered = x - _mean(x, axis, True)
    count = _count(x, axis)
    return _mean(centered * centered, axis, keepdims) * (count / (count - ddof))


def _to_extreme(g: Array, out: Array, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    hit = x == _expand(out, x, axis, keepdims)
    share = hit / np.add.reduce(hit, axis=axis, keepdims=True)
    return _expand(g, x, axis, keepdims) * share.astype(x.dtype)


sum = primitive(
    "sum", lambda x, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims),
    numpy=(np.sum,),
    vjps=(lambda g, out, x, axis, keepdims: _expand(g, x, axis, keepdims),),
    math=("Σ a", r"\sum a"), rules=(("g", "g"),),
    example=("tg.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)", "Tensor([4., 6.])"),
)
mean = primitive(
    "mean", _mean, numpy=(np.mean,),
    vjps=(lambda g, out, x, axis, keepdims, dtype=None:
          _expand(g / _count(x, axis), x, axis, keepdims),),
    math=("(1/m) Σ a", r"\frac{1}{m}\sum a"), rules=(("g / m", r"\frac{g}{m}"),),
    example=("tg.mean([[1.0, 2.0], [3.0, 4.0]], axis=0)", "Tensor([2., 3.])"),
)
var = primitive(
    "var", _var, numpy=(np.var,),
    vjps=(lambda g, out, x, axis, ddof, keepdims:
          _expand(g * (2 / (_count(x, axis) - ddof)), x, axis, keepdims)
          * (x - mean(x, axis=axis, keepdims=True)),),
    math=("(1/m) Σ (a - mean a)^2", r"\frac{1}{m}\sum (a-\bar a)^2"),
    rules=(("g 2 (a - mean a) / m", r"g\,\frac{2}{m}(a-\bar a)"),),
    example=("tg.var([[1.0, 2.0], [3.0, 6.0]], axis=0)", "Tensor([1., 4.])"),
)
max = primitive(
    "max", lambda x, axis, keepdims: np.maximum.reduce(x, axis=axis, keepdims=keepdims),
    numpy=(np.max,), vjps=(_to_extreme,),
    math=("max a", r"\max a"),
    rules=(("g at the largest a, shared among equals", r"g\,\frac{[a=\max a]}{\sum [a=\max a]}"),),
    example=("tg.max([[1.0, 2.0], [3.0, 0.0]], axis=0)", "Tensor([3., 2.])"),
)
min = primitive(
    "min", lambda x, axis, keepdims: np.minimum.reduce(x, axis=axis, keepdims=keepdims),
    numpy=(np.min,), vjps=(_to_extreme,),
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


matmul = primitive(
    "matmul", np.matmul, numpy=(np.matmul,), vjps=(_matmul_x, _matmul_y),
    math=("a @ b", r"a\,b"), rules=(("g @ b^T", r"g\,b^{T}"), ("a^T @ g", r"a^{T}g")),
    example=("tg.matmul([[1.0, 2.0]], [[3.0], [4.0]])", "Tensor([[11.]])"),
)
