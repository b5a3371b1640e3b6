"""The methods of a Tensor that compute: operators, and a name for each row of the table.

They check their arguments, put them in one form (axes as a tuple, shapes as a tuple) and hand
them to ``_apply``, which tensor.py provides. What is composed of primitives is written in NumPy.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np

from . import predicates, shapes
from . import primitives as P
from .arrays import float_dtype, frozen, lock, normalized_axes, wide
from .families import cumulative, steps
from .families.arguments import plain
from .recording import MODE
from .sizes import Size

Axis: TypeAlias = "int | tuple[int, ...] | None"
Operation: TypeAlias = Callable[..., Any]


OPERANDS = ("the tensor", "the other operand")


def documented(
    primitive: P.Primitive, about: str, operands: Sequence[str] = OPERANDS
) -> Callable[[Operation], Operation]:
    """Name an operation after its row in the table, and write its docstring from it.

    `operands` says what a, b and c are: as many of them count as the row has rules.
    """
    named = [*zip("abc", operands, primitive.rules, strict=False)]
    meaning = " and ".join(f"{letter} is {what}" for letter, what, _ in named)
    rules = ", that ".join(f"of {letter} is ``{text}``" for letter, _, (text, _) in named)

    def document(operation: Operation) -> Operation:
        call, shown = primitive.example
        operation.__name__ = operation.__qualname__ = primitive.name
        operation.__doc__ = f"""Compute ``{primitive.math[0]}``. {about}

        Here {meaning}. With g the cotangent of the result,
        the cotangent {rules}.

        >>> import numpy as np, tinygrad_bn as tg
        >>> {call}
        {shown}
        """
        return operation

    return document


EACH = ("each of the tensors",)
BOUNDED = ("the tensor", "`min`", "`max`")
ONE = "Element by element: shape and dtype stay."
TWO = (
    "Shapes broadcast and dtypes promote as in NumPy; shapes that do not broadcast are a "
    "ValueError that names them."
)
REDUCED = (
    "Over `axis` (an integer, a tuple of them, or None for all); `keepdims` keeps the reduced "
    "axes, of length 1. An axis that is not there is a ValueError."
)
SUMMED = " Summed in float64; `dtype` is that of the result."
RUNNING = "Along `axis`; with None, along all values in a row."
SHAPED = "The numbers stay, their places change; a shape that does not fit is a ValueError."


def _unary(primitive: P.Primitive) -> Operation:
    return documented(primitive, ONE)(lambda self: self._apply(primitive, (self,)))


def _binary(primitive: P.Primitive) -> Operation:
    return documented(primitive, TWO)(lambda self, other: self._apply(primitive, (self, other)))


def _reflected(primitive: P.Primitive) -> Operation:
    exchanged = documented(primitive, TWO, OPERANDS[::-1])
    return exchanged(lambda self, other: self._apply(primitive, (other, self)))


def _reduction(primitive: P.Primitive) -> Operation:
    @documented(primitive, REDUCED)
    def operation(self: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        axes = normalized_axes(axis, self.ndim, primitive.name)
        return self._apply(primitive, (self,), {"axis": axes, "keepdims": bool(keepdims)})

    return operation


def _comparison(primitive: P.Primitive, compare: Operation) -> Operation:
    """Compare at once; where everything is recorded, by the primitive."""

    def operation(self: Any, other: Any) -> Any:
        if MODE.get().everything:
            return self._apply(primitive, (self, other))
        return compare(self.data, plain(other))

    return operation


def _logical(primitive: P.Primitive) -> tuple[Operation, Operation]:
    """Make an operator of truth values, and the same with the operands exchanged."""

    def operation(self: Any, other: Any) -> Any:
        for x in (self, other):
            if not isinstance(x, bool) and getattr(x, "dtype", np.dtype(float)).kind != "b":
                raise TypeError(f"{primitive}: two arrays of truth values are expected")
        return self._apply(primitive, (self, other))

    return operation, operation


def _as_tuple(given: tuple[Any, ...], caller: str) -> tuple[Any, ...]:
    """Read ``(2, 3)`` and ``((2, 3),)`` alike."""
    if len(given) == 1 and isinstance(given[0], Sequence):
        given = tuple(given[0])
    for n in given:
        if not hasattr(n, "__index__"):
            raise TypeError(f"{caller}: integers are expected, not {n!r} ({type(n).__name__})")
    return tuple([n if isinstance(n, Size) else operator.index(n) for n in given])


def truth(condition: Any) -> Any:
    """Return a condition as truth values; those of a Tensor are recorded if all is."""
    if hasattr(condition, "_apply") and MODE.get().everything:
        return condition if condition.dtype == bool else condition != 0
    return lock(np.array(plain(condition), bool))


class Operations:
    """What can be computed with a Tensor."""

    __slots__ = ()

    data: Any
    shape: Any
    dtype: Any
    ndim: Any
    _apply: Operation  # (primitive, operands, params) -> Tensor: computes and records

    add, sub, mul, div = map(_binary, (P.add, P.sub, P.mul, P.div))
    pow, matmul, maximum, minimum = map(_binary, (P.pow, P.matmul, P.maximum, P.minimum))
    neg, abs, sign, sqrt, exp, log = map(_unary, (P.neg, P.abs, P.sign, P.sqrt, P.exp, P.log))
    sin, cos, tanh, sigmoid, relu = map(_unary, (P.sin, P.cos, P.tanh, P.sigmoid, P.relu))
    sum, max, min = map(_reduction, (P.sum, P.max, P.min))

    __add__, __sub__, __mul__, __truediv__ = add, sub, mul, div
    __pow__, __matmul__, __neg__, __abs__ = pow, matmul, neg, abs
    __radd__, __rsub__, __rmul__ = map(_reflected, (P.add, P.sub, P.mul))
    __rtruediv__, __rpow__, __rmatmul__ = map(_reflected, (P.div, P.pow, P.matmul))

    def __pos__(self) -> Any:
        return self

    __mod__, __floordiv__ = map(_binary, (steps.remainder, steps.floor_divide))
    __rmod__, __rfloordiv__ = map(_reflected, (steps.remainder, steps.floor_divide))

    __lt__ = _comparison(predicates.less, operator.lt)
    __le__ = _comparison(predicates.less_equal, operator.le)
    __gt__ = _comparison(predicates.greater, operator.gt)
    __ge__ = _comparison(predicates.greater_equal, operator.ge)
    __eq__ = _comparison(predicates.equal, operator.eq)
    __ne__ = _comparison(predicates.not_equal, operator.ne)
    __and__, __rand__ = _logical(predicates.logical_and)
    __or__, __ror__ = _logical(predicates.logical_or)
    __xor__, __rxor__ = _logical(predicates.logical_xor)
    __invert__ = documented(predicates.logical_not, "Element by element.")(
        lambda self: self._apply(predicates.logical_not, (self,))
    )
    __hash__ = object.__hash__

    @documented(P.mean, REDUCED + SUMMED)
    def mean(self, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Any:
        params = {"axis": normalized_axes(axis, self.ndim, "mean"), "keepdims": bool(keepdims)}
        if dtype is not None:
            params["dtype"] = float_dtype(dtype)
        return self._apply(P.mean, (self,), params)

    @documented(P.var, REDUCED + " It divides by m - ddof; ValueError if that is not positive.")
    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
        axes = normalized_axes(axis, self.ndim, "var")
        count = math.prod([self.shape[i] for i in axes])
        if count <= ddof:
            raise ValueError(f"var: {count} values are too few for ddof={ddof}")
        params = {"axis": axes, "ddof": ddof, "keepdims": bool(keepdims)}
        return self._apply(P.var, (self,), params)

    @documented(
        cumulative.prod, REDUCED + " No value is divided by: zeros have their right gradient."
    )
    def prod(self, axis: Axis = None, keepdims: bool = False) -> Any:
        axes = normalized_axes(axis, self.ndim, "prod")
        return self._apply(cumulative.prod, (self,), {"axis": axes, "keepdims": bool(keepdims)})

    @documented(cumulative.cumsum, RUNNING + " Summed in float64.")
    def cumsum(self, axis: int | None = None) -> Any:
        return np.cumsum(self, axis)  # type: ignore[call-overload]

    @documented(cumulative.cumprod, RUNNING)
    def cumprod(self, axis: int | None = None) -> Any:
        return np.cumprod(self, axis)  # type: ignore[call-overload]

    @documented(P.leaky_relu, ONE + " s is `negative_slope`, a number.")
    def leaky_relu(self, negative_slope: float = 0.01) -> Any:
        if hasattr(negative_slope, "_apply"):
            raise TypeError("leaky_relu: a slope gets no gradient: it is a number, not a Tensor")
        return self._apply(P.leaky_relu, (self,), {"negative_slope": float(negative_slope)})

    @documented(P.clip, "A bound is a number, an array, a Tensor or None. " + TWO, BOUNDED)
    def clip(self, min: Any = None, max: Any = None) -> Any:
        low = -np.inf if min is None else min
        high = np.inf if max is None else max
        return self._apply(P.clip, (self, low, high))

    @documented(P.where, TWO, ("`condition`, truth values", "the tensor", "`other`"))
    def where(self, condition: Any, other: Any) -> Any:
        return self._apply(P.where, (truth(condition), self, other))

    @documented(shapes.reshape, SHAPED + " One -1 in `shape` is worked out.")
    def reshape(self, *shape: Any) -> Any:
        return self._apply(shapes.reshape, (self,), {"shape": _as_tuple(shape, "reshape")})

    @documented(shapes.transpose, SHAPED + " `axes` is their new order; None turns it round.")
    def transpose(self, *axes: Any) -> Any:
        order = tuple(range(self.ndim))[::-1]
        if axes and axes[0] is not None:
            order = normalized_axes(_as_tuple(axes, "transpose"), self.ndim, "transpose")
        return self._apply(shapes.transpose, (self,), {"axes": order})

    @documented(shapes.broadcast_to, SHAPED)
    def broadcast_to(self, *shape: Any) -> Any:
        return self._apply(
            shapes.broadcast_to, (self,), {"shape": _as_tuple(shape, "broadcast_to")}
        )

    @documented(shapes.astype, "`dtype`: float16, float32 or float64; another is a TypeError.")
    def astype(self, dtype: Any) -> Any:
        whole = self.dtype.kind in "biu" and np.dtype(dtype).kind in "biu"
        wanted = np.dtype(dtype) if whole else float_dtype(dtype)
        if wanted == self.dtype:
            return self
        return self._apply(shapes.astype, (self,), {"dtype": wanted})

    @staticmethod
    @documented(shapes.concatenate, "Along an `axis` they have; the others must be equal.", EACH)
    def concatenate(tensors: Sequence[Any], axis: int = 0) -> Any:
        return np.concatenate(tensors, axis)

    @staticmethod
    @documented(shapes.stack, "Along a new `axis`; the shapes must be equal.", EACH)
    def stack(tensors: Sequence[Any], axis: int = 0) -> Any:
        return np.stack(tensors, axis)

    def __getitem__(self, index: Any) -> Any:
        arrays: list[Any] = []
        if MODE.get().everything:
            index, arrays = shapes.without_operands(index)
        return self._apply(shapes.getitem, (self, *arrays), {"index": frozen(index)})

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(
            "a Tensor is immutable: make a new one, as by tg.where(condition, new, old)"
        )

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("a tensor of shape () is a single value and has no length")
        return int(self.shape[0])

    # As an array has them: each is NumPy's function of that name

    def any(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """Return whether any value is not 0."""
        return np.any(self, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]

    def all(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """Return whether all values are not 0."""
        return np.all(self, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]

    def argmax(self, axis: int | None = None) -> Any:
        """Return where the largest value stands, as ``np.argmax`` does."""
        return np.argmax(self, axis=axis)  # type: ignore[call-overload]

    def argmin(self, axis: int | None = None) -> Any:
        """Return where the smallest value stands, as ``np.argmin`` does."""
        return np.argmin(self, axis=axis)  # type: ignore[call-overload]

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
        """Compute the standard deviation, the root of ``var``.

        Where all values are equal, it is 0 and has no derivative. The gradient is taken to be 0
        there, as that of ``abs`` at 0.

        >>> import tinygrad_bn as tg
        >>> x = tg.Tensor([[3.0, 1.0], [3.0, 5.0]], requires_grad=True)
        >>> x.std(axis=0).sum().backward()
        >>> x.grad
        array([[ 0. , -0.5],
               [ 0. ,  0.5]])
        """
        var = wide(self).var(axis, ddof, keepdims)
        constant = var == 0
        if not MODE.get().everything and not constant.any():
            return np.sqrt(var).astype(self.dtype)  # as it is drawn in most graphs
        root = np.sqrt(np.where(constant, 1.0, var))
        return np.where(constant, 0.0, root).astype(self.dtype)

    def dot(self, other: Any) -> Any:
        """Compute the matrix product as ``np.dot`` does, for up to two axes."""
        return np.dot(self, other)  # type: ignore[call-overload]

    def ravel(self) -> Any:
        """Return all values along a single axis."""
        return self.reshape(-1)

    flatten = ravel

    def round(self, decimals: int = 0) -> Any:
        """Round to so many decimals, as ``np.round`` does; the derivative is 0."""
        return np.round(self, decimals)  # type: ignore[call-overload]

    def __divmod__(self, other: Any) -> Any:
        """Return the quotient, rounded down, and the remainder."""
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def argsort(self, axis: int | None = -1) -> Any:
        """Return the indices that would sort the values, as ``np.argsort`` does."""
        return np.argsort(self, axis=axis)  # type: ignore[arg-type]

    def take(self, indices: Any, axis: int | None = None) -> Any:
        """Take values along an axis; with None, of all values in a row."""
        return np.take(self, indices, axis)  # type: ignore[call-overload]

    def repeat(self, repeats: Any, axis: int | None = None) -> Any:
        """Repeat each value; with axis None, of all values in a row."""
        return np.repeat(self, repeats, axis)  # type: ignore[call-overload]

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """Return the diagonal of a matrix, as ``np.diagonal`` does."""
        return np.diagonal(self, offset, axis1, axis2)  # type: ignore[call-overload]

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """Sum the diagonal of a matrix."""
        return np.trace(self, offset, axis1, axis2)  # type: ignore[call-overload]

    def squeeze(self, axis: Axis = None) -> Any:
        """Drop axes of length 1."""
        return np.squeeze(self, axis)  # type: ignore[call-overload]

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Exchange two axes."""
        return np.swapaxes(self, axis1, axis2)  # type: ignore[call-overload]

    def copy(self) -> Any:
        """Return the Tensor itself, which never changes and so needs no copy."""
        return self
