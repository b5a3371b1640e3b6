"""Tensor: an immutable array that remembers how it was made.

``apply`` is the one place where a primitive is computed and recorded; everything else leads to
it: operators and methods (operations.py), and NumPy's own functions by way of its protocols.
References point from results to inputs only, so a graph goes the moment its last result goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import autodiff, shapes
from . import primitives as P
from .arrays import float_array, lock, mismatch, real_array
from .conversions import Conversions
from .numpy_functions import on_array_function, on_ufunc
from .operations import Operations
from .recording import MODE, Scope, raise_if_not_finite, refuse_in_trace, users_line
from .sizes import Size, now

TensorLike: TypeAlias = "Tensor | npt.ArrayLike"

FLOAT64 = np.dtype(np.float64)
NO_PARAMS: dict[str, Any] = {}
NUMBERS = count()  # of all tensors, in the order in which they are made


def apply(
    primitive: P.Primitive, operands: Sequence[TensorLike], params: dict[str, Any] = NO_PARAMS
) -> Tensor:
    """Compute a primitive; record it if an operand needs a gradient, or if all is recorded."""
    mode = MODE.get()
    inputs: list[Tensor] = []
    values: list[Any] = []
    needs_grad = False
    for x in operands:
        tensor = x if isinstance(x, Tensor) else _constant(x)
        if mode.trace is not None:
            tensor = mode.trace.operand(tensor, mode.recording)
        inputs.append(tensor)
        values.append(tensor._value)
        needs_grad |= tensor.requires_grad
    used = params if mode.trace is None else now(params)
    try:
        data = primitive.compute(*values, **used)
    except (ValueError, IndexError, TypeError) as error:
        raise type(error)(mismatch(primitive.name, values, used, error)) from None
    out = _blank(lock(data), mode.scope)
    out.requires_grad = needs_grad and mode.recording and primitive.differentiable
    if out.requires_grad or mode.everything:
        out.op, out.params = primitive, params
        out.inputs, out.values = tuple(inputs), tuple(values)
    if mode.trace is not None:
        mode.trace.made(out)
    if mode.anomaly:
        out.made_at = users_line()
        raise_if_not_finite(data, primitive.name, mode.scope, out.made_at)
    return out


def _blank(data: Any, made_in: Scope | None = None) -> Tensor:
    """Wrap a locked array, or a Python number: no copy, nothing recorded."""
    out: Tensor = object.__new__(Tensor)
    out._value, out.number = data, next(NUMBERS)
    out.requires_grad = False
    out.inputs = out.values = ()
    out.params = NO_PARAMS
    out.made_in = made_in
    out.grad = out.name = out.op = out.made_at = out.symbolic = None
    return out


def _constant(data: Any) -> Tensor:
    """Make a Tensor of another operand; a Python number stays one, and so fits any dtype."""
    if isinstance(data, int | float):
        return _blank(data)
    if isinstance(data, Size):
        out, trace = _blank(data.now), MODE.get().trace
        out.symbolic = data if id(data.observer) == id(trace) else None  # of a trace that is over
        return out
    return _blank(real_array(data))


def as_tensor(x: TensorLike) -> Tensor:
    """Return a Tensor as it is, and anything else as a new constant Tensor."""
    return x if isinstance(x, Tensor) else Tensor(x)


class Tensor(Operations, Conversions):
    """An immutable array of real numbers that remembers how it was made.

    Parameters
    ----------
    data : array_like
        Copied in. float16, float32 and float64 keep their type; integers and booleans become
        float64.
    requires_grad : bool
        Record what is computed from it, so that gradients with respect to it can be asked for.
    name : str, optional
        Shown in graphs and messages.
    dtype : optional
        float16, float32 or float64.

    Raises
    ------
    TypeError
        For complex, object, string and masked data, and for another dtype.

    Attributes
    ----------
    data : ndarray
        Read-only. A leaf's can be replaced: ``p.data = array``.
    grad : ndarray or None
        Filled by ``backward()``, which adds to it.
    op, inputs, params
        The primitive that made it, from which tensors, with which parameters; None, ``()`` and
        ``{}`` for a leaf.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="x")
    >>> y = (x * x).sum()
    >>> y
    Tensor(14., op=sum)
    >>> y.backward()
    >>> x.grad
    array([2., 4., 6.])
    """

    __slots__ = (
        "_value", "grad", "name", "requires_grad", "number", "op", "inputs", "values", "params",
        "made_in", "made_at", "symbolic", "__weakref__",
    )  # fmt: skip

    _value: Any  # a locked array, or the Python number that was written
    grad: npt.NDArray[Any] | None
    name: str | None
    requires_grad: bool
    number: int  # tensors are numbered in the order in which they are made
    op: P.Primitive | None
    inputs: tuple[Tensor, ...]
    values: tuple[Any, ...]  # what the inputs held then
    params: dict[str, Any]
    made_in: Scope | None
    made_at: str | None  # the line of the user's code; kept under detect_anomaly()
    symbolic: Any  # in a trace: the lengths of the axes; of a number from a shape, that Size

    def __init__(
        self,
        data: npt.ArrayLike,
        *,
        requires_grad: bool = False,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a Tensor's name is a string, not {type(name).__name__}")
        self._value = float_array(data, dtype)
        self.requires_grad, self.name = bool(requires_grad), name
        self.number, self.params = next(NUMBERS), NO_PARAMS
        self.grad = self.op = self.made_in = self.made_at = self.symbolic = None
        self.inputs = self.values = ()

    # What it holds

    @property
    def data(self) -> npt.NDArray[Any]:
        """The value: a read-only array. Assigning replaces a leaf's value by a copy."""
        refuse_in_trace("the value of a Tensor was asked for")
        if type(self.symbolic) is tuple:  # as in another thread, or kept by a module
            raise TypeError(
                "this Tensor was made by tg.trace: it has no value outside of the trace"
            )
        return self._array

    @data.setter
    def data(self, value: npt.ArrayLike) -> None:
        refuse_in_trace("the value of a Tensor was replaced", "do that outside of f")
        if self.op is not None:
            raise ValueError(
                f"the result of {self.op} keeps its value; only a leaf's can be replaced"
            )
        new = float_array(value, None if isinstance(value, np.ndarray) else self.dtype)
        if (new.shape, new.dtype) != (self.shape, self.dtype):
            raise ValueError(
                f"a value of shape {new.shape} and dtype {new.dtype} cannot replace one of shape "
                f"{self.shape} and dtype {self.dtype}: they must match"
            )
        self._value = new

    @property
    def _array(self) -> npt.NDArray[Any]:
        return self._value if type(self._value) is np.ndarray else lock(self._value * 1.0)

    @property
    def shape(self) -> Any:
        """The length of each axis. In a trace these are Sizes, which stand for any length."""
        traced = type(self.symbolic) is tuple
        return self.symbolic if traced else getattr(self._value, "shape", ())

    size = property(lambda self: math.prod(self.shape), doc="The number of values.")
    ndim = property(lambda self: len(self.shape), doc="The number of axes.")
    dtype = property(lambda self: getattr(self._value, "dtype", FLOAT64), doc="Of the values.")
    T = property(lambda self: self.transpose(), doc="The transpose: all axes in reverse.")
    is_leaf = property(lambda self: self.op is None, doc="Whether it is data, not a result.")
    scope = property(
        lambda self: self.made_in.path if self.made_in else "",
        doc="Where it was made, as in 'outer/inner'; '' outside of every scope.",
    )

    def detach(self) -> Tensor:
        """Return the same value as a constant, cut off from the graph."""
        if MODE.get().everything:
            return apply(shapes.detach, (self,))
        return _blank(self._array, self.made_in)

    # Gradients

    def backward(self, gradient: TensorLike | None = None) -> None:
        """Add the gradient of this tensor to the ``.grad`` of every leaf it was made from.

        `gradient` is the cotangent to start with, of this tensor's shape; it may be left out for
        a single value, where it is 1. Calling again adds again. Raises ValueError if the shape is
        another, if it is missing for several values, or if this tensor needs no gradient.

        >>> import tinygrad_bn as tg
        >>> x = tg.Tensor([1.0, 4.0], requires_grad=True)
        >>> tg.sqrt(x).backward([1.0, 8.0])
        >>> x.grad
        array([0.5, 2. ])
        """
        autodiff.backward(self, gradient)

    def zero_grad(self) -> None:
        """Forget the gradient: ``.grad`` is None again."""
        self.grad = None

    def inputs_as_they_were(self) -> list[Any]:
        """List the inputs with the values that were used; a plain number as itself."""
        return [
            source._as_it_was(value) for source, value in zip(self.inputs, self.values, strict=True)
        ]

    def _as_it_was(self, value: Any) -> Any:
        if self.op is None and isinstance(self._value, int | float) and self.symbolic != ():
            return self._value if self.symbolic is None else self.symbolic
        if self._value is value:
            return self
        out = _blank(value)  # an optimizer has replaced the value of this leaf since
        out.requires_grad = self.requires_grad
        out.op, out.inputs, out.values = shapes.astype, (self,), (value,)
        out.params = {"dtype": value.dtype}
        return out

    def constant(self, data: npt.ArrayLike) -> Tensor:
        """Make a new constant (for the reverse pass)."""
        return _blank(real_array(data))

    def wrap(self, value: Any, requires_grad: bool) -> Tensor:
        """Make a Tensor of what the reverse pass found."""
        if not isinstance(value, Tensor):
            out = _blank(lock(value.view()))
        elif MODE.get().trace is not None:
            out = value.detach()
        else:  # what the pass recorded is its own; a leaf may be the caller's
            out = value if value.op is not None else _blank(value._array)
        out.requires_grad = requires_grad
        return out

    # NumPy's protocols, and Python's

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        return on_ufunc(ufunc, method, args, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        return on_array_function(func, args, kwargs)

    _apply = __apply_primitive__ = staticmethod(apply)
