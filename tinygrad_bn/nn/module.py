"""Parameter, Buffer, Module and Sequential: networks as objects that contain their parameters.

A Module is an ordinary Python object. Its methods search its attributes for tensors and modules,
also inside lists, tuples and dictionaries, so a subclass does not register them. This file uses
Tensor, and no particular layer.
"""

from __future__ import annotations

import inspect
import io
import warnings
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from ..arrays import float_array, real_array
from ..files import write
from ..recording import MODE, scope
from ..sizes import now
from ..tensor import Tensor, as_tensor

T = TypeVar("T")
M = TypeVar("M", bound="Module")


class Parameter(Tensor):
    """A Tensor that is learned: it requires a gradient, and belongs to the state of its Module.

    Results that are computed from a Parameter are plain Tensors.

    >>> import tinygrad_bn as tg
    >>> w = tg.nn.Parameter([1.0, 2.0])
    >>> w.requires_grad, type(2 * w).__name__
    (True, 'Tensor')
    """

    __slots__ = ()

    def __init__(
        self,
        data: npt.ArrayLike,
        *,
        requires_grad: bool = True,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(data, requires_grad=requires_grad, name=name, dtype=dtype)


class Buffer(Tensor):
    """A Tensor that belongs to the state of a Module but is not learned, such as a running mean."""

    __slots__ = ()

    def update(self, value: Any) -> None:
        """Replace the value; in a trace, record it among the updates of the program."""
        trace = MODE.get().trace
        if trace is None:
            self.data = value
        else:
            new = as_tensor(value)
            if now(new.shape) != self._value.shape:
                raise ValueError(
                    f"{self.name} of shape {self.shape} cannot become {now(new.shape)}"
                )
            trace.update(self, new.astype(self.dtype))


class Module:
    """Base class of the parts of a network.

    A subclass defines ``forward`` and stores its parameters and other modules in attributes. It
    does not have to call ``__init__`` of this class. Calling a module runs ``forward`` inside a
    scope named `label` (by default the name of the class). Graphs can therefore be folded by
    layer, and parameters are drawn in the frame of the layer that uses them.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> class Scale(tg.nn.Module):
    ...     def __init__(self, size):
    ...         self.weight = tg.nn.Parameter([1.0] * size)
    ...
    ...     def forward(self, x):
    ...         return x * self.weight
    >>> layer = Scale(2)
    >>> y = layer(tg.Tensor([3.0, 4.0]))
    >>> y.scope, [name for name, _ in layer.named_parameters()]
    ('Scale', ['weight'])
    """

    training: bool = True
    label: str | None = None

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output. Every subclass defines this method."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, ...)")

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Run ``forward`` inside this module's scope."""
        with scope(self.label or type(self).__name__, holder=weakref.ref(self)):
            return self.forward(*inputs, **named)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.forward)

    # Contents

    def members(self) -> Iterator[tuple[str, Any]]:
        """Yield each tensor and module in the attributes (or containers in them) with its name."""
        for name, value in vars(self).items():
            yield from _inside(name, value)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield this module with the path ``""``, and each module inside it with its path, once."""
        seen: set[int] = set()

        def walk(path: str, module: Module) -> Iterator[tuple[str, Module]]:
            if id(module) in seen:
                return
            seen.add(id(module))
            yield path, module
            for name, value in module.members():
                if isinstance(value, Module):
                    yield from walk(f"{path}.{name}" if path else name, value)

        return walk("", self)

    def modules(self) -> Iterator[Module]:
        """Yield this module and each module inside it, once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield each parameter with its path, such as ``"0.weight"``; a shared one once."""
        return self._named(Parameter)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each parameter and buffer with its path, once."""
        return self._named((Parameter, Buffer))

    def parameters(self) -> Iterator[Parameter]:
        """Yield each parameter once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Yield each buffer with its path, once."""
        return self._named(Buffer)

    def buffers(self) -> Iterator[Buffer]:
        """Yield each buffer once."""
        return (buffer for _, buffer in self.named_buffers())

    def _named(self, kind: type[T] | tuple[type[T], ...]) -> Iterator[tuple[str, T]]:
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in module.members():
                if isinstance(value, kind) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    # Training

    def train(self: M, mode: bool = True) -> M:
        """Switch this module and every module inside it to training (with False, to inference)."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self: M) -> M:
        """Switch this module and every module inside it to inference."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Reset the gradients of all parameters to None."""
        for parameter in self.parameters():
            parameter.zero_grad()

    # State

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of the values of all parameters and buffers, by path."""
        return {name: tensor.numpy() for name, tensor in self.tensors()}

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Replace the values of all parameters and buffers; if an error is raised, none of them.

        Each value is converted to the dtype of the tensor. Raises ValueError with a list of all
        missing names, unexpected names and different shapes. Raises TypeError for values that are
        not real numbers.
        """
        own = dict(self.tensors())
        problems = [f"{name!r} is missing" for name in own if name not in state]
        problems += [f"{name!r} is not in this module" for name in state if name not in own]
        problems += [
            f"{name!r} has shape {np.shape(state[name])}, expected {tensor.shape}"
            for name, tensor in own.items()
            if name in state and np.shape(state[name]) != tensor.shape
        ]
        if problems:
            raise ValueError(f"the state does not fit {type(self).__name__}: {'; '.join(problems)}")
        values = {name: float_array(state[name], tensor.dtype) for name, tensor in own.items()}
        for name, tensor in own.items():
            tensor.data = values[name]

    def save(self, path: str | Path) -> Path:
        """Write the state to an ``.npz`` file and return its path.

        If an error occurs, no incomplete file is left, and a file at this path is unchanged.
        """
        path = _npz(path)
        file = io.BytesIO()
        np.savez(file, **self.state_dict())  # type: ignore[arg-type]
        write(path, file.getvalue())
        return path

    def load(self, path: str | Path) -> None:
        """Read a state written by ``save``. Nothing is unpickled, so the file cannot run code.

        Raises ValueError for a file that is not such a state, and for the state of another
        network.
        """
        path = _npz(path)
        content = io.BytesIO(path.read_bytes())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # from parsing what is no header
                with np.load(content, allow_pickle=False) as file:
                    state = {name: real_array(file[name]) for name in file.files}
        except Exception:  # of a damaged file, whatever its parsers raise
            raise ValueError(
                f"{path.name!r} is not a state that save() wrote: it must be an intact .npz file "
                "of plain number arrays"
            ) from None
        self.load_state_dict(state)

    # Representation

    def extra_repr(self) -> str:
        """Return the arguments of this module as text, for ``repr``. A subclass may override it."""
        return ""

    def __repr__(self) -> str:
        children = [(name, value) for name, value in self.members() if isinstance(value, Module)]
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in children]
        inner = "\n".join(["", *lines, ""]) if lines else self.extra_repr()
        return f"{type(self).__name__}({inner})"


class Sequential(Module):
    """Apply modules in order: the input of each is the output of the one before.

    The modules are given as arguments, or as one mapping from names to modules. The names of the
    mapping label the scopes and the entries of the state. A Sequential has a length, and can be
    indexed, sliced and iterated.

    >>> import tinygrad_bn as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(4, 3, generator=0), tg.nn.Sigmoid())
    >>> model
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): Sigmoid()
    )
    >>> model(tg.Tensor([[0.0] * 4])).shape, list(model.state_dict())
    ((1, 3), ['0.weight', '0.bias'])
    """

    def __init__(self, *layers: Any) -> None:
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            self.layers: dict[str, Any] = dict(layers[0])
            for name, layer in self.layers.items():
                if isinstance(layer, Module):
                    layer.label = name
        else:
            self.layers = {str(i): layer for i, layer in enumerate(layers)}
        for name, layer in self.layers.items():
            if not callable(layer):
                raise TypeError(f"layer {name} is of type {type(layer).__name__}, not a Module")

    def members(self) -> Iterator[tuple[str, Any]]:
        """Yield each layer with its own name."""
        for name, layer in self.layers.items():
            yield from _inside(name, layer)

    def forward(self, x: Any) -> Any:
        """Apply the layers in order."""
        for layer in self.layers.values():
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers.values())

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Any:
        layers = list(self)
        return Sequential(*layers[index]) if isinstance(index, slice) else layers[index]


def _inside(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Tensor | Module):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _inside(f"{name}.{key}", item)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _inside(f"{name}.{i}", item)


def _npz(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path.name!r} must end in .npz")
    return path
