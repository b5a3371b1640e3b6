"""A Tensor as something else: an array, a number, a truth value, a text, a copy of a leaf.

In a trace all but printing raise TypeError: what a function does with the value of one example
would not hold for other values.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from .recording import MODE, refuse_in_trace


class Conversions:
    """How a Tensor is turned into what Python and NumPy know."""

    __slots__ = ()

    requires_grad: bool
    name: str | None
    op: Any

    @property
    def _array(self) -> npt.NDArray[Any]:
        raise NotImplementedError  # the Tensor has it

    def numpy(self) -> npt.NDArray[Any]:
        """Copy the value into a new array, which is yours to write to."""
        refuse_in_trace("a Tensor became a plain array")
        return np.array(self._array)

    def item(self) -> float:
        """Return the single value as a Python float; ValueError if there are several."""
        refuse_in_trace("a Tensor became a plain number")
        if self._array.size != 1:
            raise ValueError(f"item: a tensor of shape {self._array.shape} is not a single value")
        return float(self._array.reshape(()))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        refuse_in_trace("a Tensor became a plain array")
        if self.requires_grad and MODE.get().recording:
            raise TypeError(
                "turning a Tensor that needs a gradient into an array would lose the gradient: "
                "use .data, .numpy() or .detach(), and tg.stack for a list of Tensors"
            )
        return np.array(self._array, dtype=dtype) if copy or dtype else self._array

    def __bool__(self) -> bool:
        refuse_in_trace("Python branched on the value of a Tensor")
        return bool(self._array)

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
        numbers = np.array2string(self._array, separator=", ", prefix="Tensor(", threshold=200)
        facts = [numbers]
        if self._array.dtype != np.float64:
            facts.append(f"dtype={self._array.dtype}")
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


def _rebuilt(kind: Any, data: Any, requires_grad: bool, name: str | None) -> Any:
    return kind(data, requires_grad=requires_grad, name=name)
