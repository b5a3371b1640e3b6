"""Tensor: an immutable array that remembers how it was made.

``apply`` is the one place where a primitive is computed and recorded; everything else leads to
it: operators and methods (operations.py), and NumPy's own functions by way of its protocols.
References point from results to inputs only, so a graph goes the moment its last result goes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import autodiff, shapes
from . import primitives as P
from .arrays import float_array, lock, mismatch
from .numpy_functions import on_array_function, on_ufunc
from .operations import Operations
from .recording import MODE, Scope, raise_if_not_finite, users_line

TensorLike: TypeAlias = "Tensor | npt.ArrayLike"

NO_PARAMS: dict[str, Any] = {}


def apply(
    primitive: P.Primitive, operands: Sequence[TensorLike], params: dict[str, Any] = NO_PARAMS
) -> Tensor:
    """Compute a primitive; record it if an operand needs a gradient."""
    inputs: list[Tensor] = []
    values: list[Any] = []
    needs_grad = False
    for x in operands:
        tensor = x if isinstance(x, Tensor) else _constant(x)
        inputs.append(tensor)
        values.append(tensor._value)
        needs_grad |= tensor.requires_grad
    try:
        data = primitive.forward(*values, **params)
    except (ValueError, IndexError, TypeError) as error:
        raise type(error)(mismatch(primitive.name, values, params, error)) from None
    mode = MODE.get()
    out = _blank(lock(data), mode.scope)
    if needs_grad and mode.recording and primitive.vjps[0] is not None:
        out.requires_grad = True
        out.op, out.params = primitive, params
        out.inputs, out.values = tuple(inputs), tuple(values)
    if mode.anomaly:
        out.made_at = users_line()
        raise_if_not_finite(data, primitive.name, mode.scope, out.made_at)
    return out


def _blank(data: Any, made_in: Scope | None = None) -> Tensor:
    """Wrap a locked array, or a Python number: no copy, nothing recorded."""
    out: Tensor = object.__new__(Tensor)
    out._value = data
    out.requires_grad = False
    out.inputs = out.values = ()
    out.params = NO_PARAMS
    out.made_in = made_in
    out.grad = out.name = out.op = out.made_at = None
    return out


def _constant(data: npt.ArrayLike) -> Tensor:
    """Make a Tensor of another operand; a Python number stays one, and so fits any dtype."""
    if isinstance(data, int | float):
        return _blank(data)
    return _blank(float_array(data, promoting=True))


def as_tensor(x: TensorLike) -> Tensor:
    """Give a Tensor as it is, and anything else as a new constant Tensor."""
    return x if isinstance(x, Tensor) else Tensor(x)


class Tensor(Operations):
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
        "_value", "grad", "name", "requires_grad", "op", "inputs", "values", "params",
        "made_in", "made_at", "__weakref__",
    )  # fmt: skip

    _value: Any  # a locked array, or for a constant the Python number that was written
    grad: npt.NDArray[Any] | None
    name: str | None
    requires_grad: bool
    op: P.Primitive | None
    inputs: tuple[Tensor, ...]
    values: tuple[Any, ...]  # what the inputs held then
    params: dict[str, Any]
    made_in: Scope | None
    made_at: str | None  # the line of the user's code; kept under detect_anomaly()

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
        self.requires_grad = bool(requires_grad)
        self.name = name
        self.grad = self.op = self.made_in = self.made_at = None
        self.inputs = self.values = ()
        self.params = NO_PARAMS

    # What it holds

    @property
    def data(self) -> npt.NDArray[Any]:
        """The value: a read-only array. Assigning replaces a leaf's value by a copy."""
        value = self._value
        return value if type(value) is np.ndarray else lock(value * 1.0)

    @data.setter
    def data(self, value: npt.ArrayLike) -> None:
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

    shape = property(lambda self: self.data.shape, doc="The length of each axis.")
    ndim = property(lambda self: self.data.ndim, doc="The number of axes.")
    size = property(lambda self: self.data.size, doc="The number of values.")
    dtype = property(lambda self: self.data.dtype, doc="float16, float32 or float64.")
    T = property(lambda self: self.transpose(), doc="The transpose: all axes in reverse.")
    is_leaf = property(lambda self: self.op is None, doc="Made by nobody: data, or a constant.")
    scope = property(
        lambda self: self.made_in.path if self.made_in else "",
        doc="Where it was made, as in 'outer/inner'; '' outside of every scope.",
    )

    def numpy(self) -> npt.NDArray[Any]:
        """Copy the value into a new array, which is yours to write to."""
        return np.array(self.data)

    def item(self) -> float:
        """Give the single value as a Python float; ValueError if there are several."""
        if self.size != 1:
            raise ValueError(f"item: a tensor of shape {self.shape} is not a single value")
        return float(self.data.reshape(()))

    def detach(self) -> Tensor:
        """Give the same value as a constant, cut off from the graph."""
        return _blank(self.data, self.made_in)

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
        """List the inputs with the values used then, should a leaf's have been replaced since."""
        return [
            value
            if isinstance(value, int | float)
            else source
            if source._value is value
            else source._as_it_was(value)
            for source, value in zip(self.inputs, self.values, strict=True)
        ]

    def _as_it_was(self, value: npt.NDArray[Any]) -> Tensor:
        out = _blank(value)
        out.requires_grad = self.requires_grad
        out.op, out.inputs, out.values = shapes.astype, (self,), (value,)
        out.params = {"dtype": value.dtype}
        return out

    def constant(self, data: npt.ArrayLike) -> Tensor:
        """Make a new constant (the reverse pass's)."""
        return Tensor(data)

    def wrap(self, array: Any, requires_grad: bool) -> Tensor:
        """Make a Tensor of an array that nobody else will write to (the reverse pass's)."""
        out = _blank(lock(array))
        out.requires_grad = requires_grad
        return out

    # NumPy's protocols, and Python's

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        return on_ufunc(ufunc, method, args, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        return on_array_function(func, args, kwargs)

    _apply = __apply_primitive__ = staticmethod(apply)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if self.requires_grad and MODE.get().recording:
            raise TypeError(
                "turning a Tensor that needs a gradient into an array would lose the gradient: "
                "use .data, .numpy() or .detach(), and tg.stack for a list of Tensors"
            )
        return np.array(self.data, dtype=dtype) if copy or dtype else self.data

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        number = self.item()
        if self.requires_grad and MODE.get().recording:  # as NumPy asks for a[0] = tensor
            warnings.warn(
                "a Tensor that needs a gradient became a plain number, which loses the gradient: "
                "use .item() if that is meant",
                stacklevel=2,
            )
        return number

    def __int__(self) -> int:
        return int(float(self))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __repr__(self) -> str:
        numbers = np.array2string(self.data, separator=", ", prefix="Tensor(", threshold=200)
        facts = [numbers]
        if self.dtype != np.float64:
            facts.append(f"dtype={self.dtype}")
        if self.name is not None:
            facts.append(f"name={self.name!r}")
        if self.op is not None:
            facts.append(f"op={self.op}")
        elif self.requires_grad:
            facts.append("requires_grad=True")
        return f"Tensor({', '.join(facts)})"

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise TypeError(
                f"the result of {self.op} cannot be copied or pickled: detach() it first"
            )
        return _rebuilt, (type(self), self.numpy(), self.requires_grad, self.name)


def _rebuilt(kind: type[Tensor], data: Any, requires_grad: bool, name: str | None) -> Tensor:
    return kind(data, requires_grad=requires_grad, name=name)
