"""NumPy's functions on Tensors: which are primitives, which are composed of them, which refuse.

A plain NumPy function of yours can so be differentiated unchanged. The compositions are written
in NumPy themselves, and this file imports no Tensor: a Tensor is whatever answers the calls.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import families, predicates, shapes  # noqa: F401 (the rows of predicates are answers here)
from . import primitives as P
from .arrays import normalized_axes
from .families.arguments import plain, refuse, without
from .families.refused import reason
from .recording import MODE, refuse_in_trace
from .table import BY_NUMPY, TABLE, Array

# Their results are truth values, integers or shapes, or plain arrays by intent: no gradient.
PLAIN: set[Callable[..., Any]] = {
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
    np.isnan, np.isinf, np.isfinite, np.signbit, np.isclose, np.allclose, np.array_equal,
    np.any, np.all, np.count_nonzero, np.argmax, np.argmin, np.argsort, np.nonzero,
    np.zeros_like, np.ones_like, np.empty_like, np.iscomplexobj, np.isrealobj, np.shares_memory,
    np.may_share_memory, np.shape, np.ndim, np.size, np.result_type, np.can_cast,
    np.array_repr, np.array_str, np.array2string,
}  # fmt: skip


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
    without("np.clip", out=out)
    return a.clip(a_min if min is None else min, a_max if max is None else max)


def _full_like(a: Array, fill_value: Any, **kwargs: Any) -> Array:
    if hasattr(fill_value, "__apply_primitive__"):
        without("np.full_like with a Tensor", **kwargs)
        return fill_value.astype(a.dtype).broadcast_to(np.shape(a))
    if MODE.get().everything and np.ndim(fill_value) == 0:
        return _filled_like(fill_value)(a, **kwargs)
    return np.full_like(plain(a), fill_value, **kwargs)


def _asked(name: str) -> Callable[..., Array]:
    def asked(a: Array, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Array:
        without(f"np.{name}", out=out)
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


FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    **families.ANSWERS,
    np.where: _where,
    np.clip: _clip,
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
}
for _function, _primitive in BY_NUMPY.items():
    FUNCTIONS.setdefault(_function, _primitive)

METHODS: dict[tuple[Callable[..., Any], str], Callable[..., Any]] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
}


def on_array_function(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute a NumPy function that was called with a Tensor (``__array_function__``)."""
    name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
    if function in PLAIN and not (MODE.get().everything and function in FUNCTIONS):
        refuse_in_trace(f"{name} reads the values of a Tensor")
        return function(*plain(args), **{key: plain(value) for key, value in kwargs.items()})
    if function not in FUNCTIONS:
        refuse(name, reason(function))
    answer = FUNCTIONS[function]
    try:
        return answer(*args, **kwargs)
    except TypeError:
        try:
            inspect.signature(answer).bind(*args, **kwargs)
        except TypeError as misfit:
            refuse(f"{name} called like this", f"{misfit}; leave that out, or use .data")
        raise


def on_ufunc(ufunc: np.ufunc, method: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute a NumPy ufunc that was called with a Tensor (``__array_ufunc__``)."""
    numpys = getattr(np, ufunc.__name__, None) is ufunc  # not scipy's, say
    name = f"np.{ufunc.__name__}" if numpys else f"the ufunc {ufunc.__name__}"
    name += "" if method == "__call__" else f".{method}"
    if "out" in kwargs:
        refuse(
            f"{name} into an array (out=, or array {ufunc.__name__}= Tensor)",
            "a plain array keeps no gradient; bind the result to a name instead, as in a = a + t",
        )
    plainly = ufunc in PLAIN and not (MODE.get().everything and ufunc in FUNCTIONS)
    if plainly and method == "__call__":
        return ufunc(*plain(args), **kwargs)
    if (ufunc, method) in METHODS:
        return METHODS[ufunc, method](*args, **{"axis": 0, **kwargs})
    without(name, **kwargs)
    if method == "outer" and ufunc in FUNCTIONS and ufunc.nin == 2:
        return ufunc(np.reshape(args[0], np.shape(args[0]) + (1,) * np.ndim(args[1])), args[1])
    if method != "__call__" or ufunc not in FUNCTIONS:
        refuse(name, reason(ufunc))
    return FUNCTIONS[ufunc](*args)
