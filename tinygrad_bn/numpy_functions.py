"""NumPy's functions on Tensors: which are primitives, which are composed of them, which refuse.

A plain NumPy function of yours can so be differentiated unchanged. The compositions are written
in NumPy themselves, and this file imports no Tensor: a Tensor is whatever answers the calls.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import reduce
from typing import Any, NoReturn

import numpy as np

from . import predicates, shapes  # noqa: F401 (the rows of predicates are answers here)
from . import primitives as P
from .arrays import normalized_axes
from .recording import MODE, refuse_in_trace
from .sizes import Size
from .table import BY_NUMPY, TABLE, Array

# Their results are truth values, integers or shapes, or plain arrays by intent: no gradient.
PLAIN: set[Callable[..., Any]] = {
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
    np.isnan, np.isinf, np.isfinite, np.signbit, np.isclose, np.allclose, np.array_equal,
    np.any, np.all, np.count_nonzero, np.argmax, np.argmin, np.argsort, np.nonzero,
    np.zeros_like, np.ones_like, np.empty_like, np.iscomplexobj, np.isrealobj, np.shares_memory,
    np.may_share_memory, np.array_repr, np.array_str, np.array2string,
}  # fmt: skip


def _refuse(function: str, advice: str) -> NoReturn:
    raise TypeError(f"{function} is not recorded for a Tensor: {advice}")


def _without(function: str, **given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            _refuse(f"{function} with {name}=", "leave that argument out, or use .data")


def _reduction(name: str) -> Callable[..., Array]:
    def reduction(
        a: Array, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Array:
        _without(f"np.{name}", dtype=dtype, out=out)
        return getattr(a, name)(axis=axis, keepdims=keepdims)

    return reduction


def _extreme(name: str) -> Callable[..., Array]:
    def extreme(a: Array, axis: Any = None, out: Any = None, keepdims: bool = False) -> Array:
        _without(f"np.{name}", out=out)
        return getattr(a, name)(axis=axis, keepdims=keepdims)

    return extreme


def _var(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
) -> Array:
    _without("np.var", dtype=dtype, out=out)
    return a.var(axis=axis, ddof=ddof, keepdims=keepdims)


def _std(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
) -> Array:
    _without("np.std", dtype=dtype, out=out)
    return a.std(axis=axis, ddof=ddof, keepdims=keepdims)


def _where(condition: Any, x: Any = None, y: Any = None) -> Array:
    if x is None or y is None:
        return np.where(plain(condition))
    if not (MODE.get().everything and hasattr(condition, "__apply_primitive__")):
        condition = np.array(plain(condition), bool)
    elif condition.dtype != bool:
        condition = condition != 0
    return P.where(condition, x, y)


def _filled_like(value: float) -> Callable[..., Array]:
    def filled_like(a: Array, dtype: Any = None, shape: Any = None) -> Array:
        constant = a.constant(np.full((), value, dtype or a.dtype))
        return constant.broadcast_to(a.shape if shape is None else shape)

    return filled_like


def _clip(
    a: Array,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
) -> Array:
    _without("np.clip", out=out)
    return a.clip(a_min if min is None else min, a_max if max is None else max)


def _joined(name: str) -> Callable[..., Array]:
    primitive = shapes.concatenate if name == "concatenate" else shapes.stack

    def join(arrays: Any, axis: int = 0, out: Any = None) -> Array:
        _without(f"np.{name}", out=out)
        if not hasattr(axis, "__index__"):
            _refuse(f"np.{name} with axis={axis}", "give one axis, an integer")
        ndim = np.ndim(arrays[0]) + (name == "stack")
        return primitive(*arrays, axis=normalized_axes(axis, ndim, name)[0])

    return join


def _full_like(a: Array, fill_value: Any, **kwargs: Any) -> Array:
    if hasattr(fill_value, "__apply_primitive__"):
        _without("np.full_like with a Tensor", **kwargs)
        return fill_value.astype(a.dtype).broadcast_to(np.shape(a))
    if MODE.get().everything and np.ndim(fill_value) == 0:
        return _filled_like(fill_value)(a, **kwargs)
    return np.full_like(plain(a), fill_value, **kwargs)


def _asked(name: str) -> Callable[..., Array]:
    def asked(a: Array, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Array:
        _without(f"np.{name}", out=out)
        axes = normalized_axes(axis, a.ndim, name)
        return TABLE[name](a, axis=axes, keepdims=bool(keepdims))

    return asked


def _take_along_axis(arr: Array, indices: Any, axis: Any = -1) -> Array:
    if not MODE.get().everything:
        indices = np.array(plain(indices))
    (axis,) = normalized_axes(axis, arr.ndim, "take_along_axis")
    for i in range(arr.ndim):
        if i != axis and indices.shape[i] != arr.shape[i]:
            raise ValueError(
                f"take_along_axis: indices of shape {indices.shape} do not fit an array of shape "
                f"{arr.shape}: all axes but axis {axis} must be equally long"
            )
    return shapes.take_along_axis(arr, indices, axis=axis)


def _by_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: function(*[getattr(arg, "dtype", arg) for arg in args])


def _dot(a: Array, b: Array, out: Any = None) -> Array:
    _without("np.dot", out=out)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) > 2:
        _refuse("np.dot with a second operand of more than two axes", "use np.matmul")
    return np.matmul(a, b)


def _expand_dims(a: Array, axis: Any) -> Array:
    axes = normalized_axes(axis, a.ndim + np.size(axis), "expand_dims")
    sizes = iter(a.shape)
    return np.reshape(a, tuple(1 if i in axes else next(sizes) for i in range(a.ndim + len(axes))))


def _squeeze(a: Array, axis: Any = None) -> Array:
    axes = normalized_axes(axis, a.ndim, "squeeze")
    if axis is not None and any(a.shape[i] != 1 for i in axes):
        raise ValueError(f"squeeze: an axis of {axis} is longer than 1 in the shape {a.shape}")
    return np.reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in axes or n != 1))


def _moveaxis(a: Array, source: Any, destination: Any) -> Array:
    start = normalized_axes(source, a.ndim, "moveaxis")
    goal = normalized_axes(destination, a.ndim, "moveaxis")
    if len(start) != len(goal):
        raise ValueError(f"moveaxis: {source} and {destination} are not equally many axes")
    order = [i for i in range(a.ndim) if i not in start]
    for to, where_from in sorted(zip(goal, start, strict=True)):
        order.insert(to, where_from)
    return np.transpose(a, tuple(order))


def _swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    i, j = (normalized_axes(axis, a.ndim, "swapaxes")[0] for axis in (axis1, axis2))
    order = list(range(a.ndim))
    order[i], order[j] = j, i
    return np.transpose(a, tuple(order))


def _einsum(subscripts: Any, *operands: Array, out: Any = None, optimize: Any = None) -> Array:
    """Align the operands on one axis per letter, multiply, and sum over the letters that vanish."""
    _without("np.einsum", out=out)
    if not isinstance(subscripts, str) or "." in subscripts:
        _refuse("np.einsum without plain subscripts such as 'ij,ij->j'", "write every index")
    before, arrow, after = subscripts.replace(" ", "").partition("->")
    terms = before.split(",")
    letters = sorted(set(before) - {","})
    if not arrow:
        after = "".join(letter for letter in letters if before.count(letter) == 1)
    if len(terms) != len(operands) or any(
        len(term) != np.ndim(x) for term, x in zip(terms, operands, strict=False)
    ):
        raise ValueError(f"einsum: {subscripts!r} does not fit {[np.shape(x) for x in operands]}")
    if any(len(set(term)) < len(term) for term in terms) or not set(after) <= set(letters):
        _refuse("np.einsum with an index twice in one operand, or new in the result", "use np.sum")
    aligned: list[Any] = []
    for term, x in zip(terms, operands, strict=True):
        x = np.transpose(x, tuple(term.index(letter) for letter in letters if letter in term))
        sizes = iter(x.shape)
        aligned.append(np.reshape(x, tuple(next(sizes) if i in term else 1 for i in letters)))
    product = reduce(np.multiply, aligned)
    gone = tuple(i for i, letter in enumerate(letters) if letter not in after)
    left = [letter for letter in letters if letter in after]
    total = np.sum(product, axis=gone) if gone else product
    return np.transpose(total, tuple(left.index(letter) for letter in after))


def _tile(A: Array, reps: Any) -> Array:  # noqa: N803 (NumPy's name)
    reps = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    ndim = max(A.ndim, len(reps))
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - A.ndim) + A.shape
    apart = np.reshape(A, tuple(n for size in shape for n in (1, size)))
    spread = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    copies = np.broadcast_to(apart, spread)
    return np.reshape(copies, tuple(r * n for r, n in zip(reps, shape, strict=True)))


def _repeat(a: Array, repeats: Any, axis: Any = None) -> Array:
    if axis is None:
        a, axis = np.reshape(a, (-1,)), 0
    (axis,) = normalized_axes(axis, a.ndim, "repeat")
    if isinstance(repeats, int | Size):
        before, length, after = a.shape[:axis], a.shape[axis], a.shape[axis + 1 :]
        apart = np.reshape(a, (*before, length, 1, *after))
        spread: Any = (*before, length, repeats, *after)
        copies = np.broadcast_to(apart, spread)
        return np.reshape(copies, (*before, length * repeats, *after))
    return a[(slice(None),) * axis + (np.repeat(np.arange(a.shape[axis]), plain(repeats)),)]


def _average(a: Array, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Array:
    _without("np.average", weights=weights)
    return np.mean(a, axis=axis, keepdims=keepdims)


FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.sum: _reduction("sum"),
    np.mean: _reduction("mean"),
    np.max: _extreme("max"),
    np.min: _extreme("min"),
    np.var: _var,
    np.std: _std,
    np.where: _where,
    np.clip: _clip,
    np.concatenate: _joined("concatenate"),
    np.stack: _joined("stack"),
    np.full_like: _full_like,
    np.zeros_like: _filled_like(0),
    np.ones_like: _filled_like(1),
    np.empty_like: _filled_like(0),
    np.any: _asked("any"),
    np.all: _asked("all"),
    np.count_nonzero: _asked("count_nonzero"),
    np.take_along_axis: _take_along_axis,
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.result_type: _by_dtype(np.result_type),
    np.can_cast: _by_dtype(np.can_cast),
    np.dot: _dot,
    np.square: lambda x: x**2,
    np.reciprocal: lambda x: 1.0 / x,
    np.positive: lambda x: x,
    np.deg2rad: lambda x: x * (np.pi / 180),
    np.reshape: lambda a, shape: a.reshape(shape),
    np.ravel: lambda a: a.reshape(-1),
    np.transpose: lambda a, axes=None: a.transpose(axes),
    np.broadcast_to: lambda array, shape: array.broadcast_to(shape),
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.moveaxis: _moveaxis,
    np.swapaxes: _swapaxes,
    np.einsum: _einsum,
    np.tile: _tile,
    np.repeat: _repeat,
    np.average: _average,
    np.outer: lambda a, b: np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1)),
    np.copy: lambda a: a,  # a Tensor never changes, so it is its own copy
}
for _function, _primitive in BY_NUMPY.items():
    FUNCTIONS.setdefault(_function, _primitive)

REDUCED_BY = {np.add: "sum", np.maximum: "max", np.minimum: "min"}


def plain(x: Any) -> Any:
    """Replace the Tensors in an argument by their arrays."""
    if isinstance(x, list | tuple):
        return type(x)(plain(item) for item in x)
    return x.data if hasattr(x, "__apply_primitive__") else x


def on_array_function(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute a NumPy function that was called with a Tensor (``__array_function__``)."""
    name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
    if function in PLAIN and not (MODE.get().everything and function in FUNCTIONS):
        refuse_in_trace(f"{name} reads the values of a Tensor")
        return function(*plain(args), **{key: plain(value) for key, value in kwargs.items()})
    if function not in FUNCTIONS:
        _refuse(name, "compose it of functions that are (sum, mean, matmul, ...), or use .data")
    answer = FUNCTIONS[function]
    try:
        return answer(*args, **kwargs)
    except TypeError:
        try:
            inspect.signature(answer).bind(*args, **kwargs)
        except TypeError as misfit:
            _refuse(f"{name} called like this", f"{misfit}; leave that out, or use .data")
        raise


def on_ufunc(ufunc: np.ufunc, method: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute a NumPy ufunc that was called with a Tensor (``__array_ufunc__``)."""
    numpys = getattr(np, ufunc.__name__, None) is ufunc  # not scipy's, say
    name = f"np.{ufunc.__name__}" if numpys else f"the ufunc {ufunc.__name__}"
    name += "" if method == "__call__" else f".{method}"
    if "out" in kwargs:
        _refuse(
            f"{name} into an array (out=, or array {ufunc.__name__}= Tensor)",
            "a plain array keeps no gradient; bind the result to a name instead, as in a = a + t",
        )
    plainly = ufunc in PLAIN and not (MODE.get().everything and ufunc in FUNCTIONS)
    if plainly and method == "__call__":
        return ufunc(*plain(args), **kwargs)
    if method == "reduce" and ufunc in REDUCED_BY:
        axis, keepdims = kwargs.pop("axis", 0), kwargs.pop("keepdims", False)
        _without(name, **kwargs)
        return getattr(args[0], REDUCED_BY[ufunc])(axis=axis, keepdims=keepdims)
    _without(name, **kwargs)
    if method != "__call__" or ufunc not in FUNCTIONS:
        _refuse(name, "compose it of functions that are (exp, log, sqrt, ...), or use .data")
    return FUNCTIONS[ufunc](*args)
