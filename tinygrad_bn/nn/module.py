"""Parameter, Module and Sequential: a network as an object that owns its numbers.

A Module is an ordinary object: what its attributes hold (also in lists, tuples and dictionaries)
is found when it is asked for, so nothing has to be registered. It knows the Tensor, and nothing of
single layers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from ..arrays import float_array
from ..files import write
from ..recording import MODE, scope
from ..tensor import Tensor

T = TypeVar("T")
M = TypeVar("M", bound="Module")


class Parameter(Tensor):
    """A Tensor that is learned: it needs a gradient, and a Module finds it among its attributes.

    What is computed from it is a plain Tensor.

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
    """A Tensor that belongs to a Module's state and is not learned, such as a running mean."""

    __slots__ = ()


class Module:
    """A part of a network: define ``forward``, and keep parameters and other modules in attributes.

    Calling a module runs ``forward`` inside a scope named `label` (by default the class's name),
    so that graphs fold by layer, and its parameters are drawn in the frame of the layer that uses
    them. There is no ``__init__`` that a subclass would have to call.

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
        """Compute the output: what a subclass defines."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, ...)")

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Run ``forward`` inside this module's scope."""
        with scope(self.label or type(self).__name__):
            here = MODE.get().scope
            for value in vars(self).values():
                if isinstance(value, Parameter):
                    value.made_in = here
            return self.forward(*inputs, **named)

    # What it holds

    def members(self) -> Iterator[tuple[str, Any]]:
        """Yield the tensors and modules of the attributes by name, those in containers too."""
        for name, value in vars(self).items():
            yield from _inside(name, value)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield this module under the name ``""`` and all those inside by path, each once."""
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
        """Yield this module and all those inside, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield the learned tensors by path, as in ``"0.weight"``; a shared one once."""
        return self._named(Parameter)

    def parameters(self) -> Iterator[Parameter]:
        """Yield the learned tensors, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Yield the tensors of the state that are not learned, by path."""
        return self._named(Buffer)

    def buffers(self) -> Iterator[Buffer]:
        """Yield the tensors of the state that are not learned."""
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
        """Switch this module and all inside to training (or, with False, to inference)."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self: M) -> M:
        """Switch this module and all inside to inference."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    # State

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Copy the values of all parameters and buffers, by path."""
        return {name: tensor.numpy() for name, tensor in self._named((Parameter, Buffer))}

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Replace the values of all parameters and buffers; all of them, or none.

        Each value is converted to the dtype that is there. Raises ValueError that lists every
        name that is missing or unexpected and every shape that differs, TypeError for values that
        are not real numbers.
        """
        own = dict(self._named((Parameter, Buffer)))
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
        """Write the state to an ``.npz`` file, which appears whole or not at all."""
        path = _npz(path)
        file = io.BytesIO()
        np.savez(file, **self.state_dict())  # type: ignore[arg-type]
        write(path, file.getvalue())
        return path

    def load(self, path: str | Path) -> None:
        """Read the state that ``save`` wrote. Nothing is unpickled, so the file cannot run code.

        Raises ValueError for a file that is no such state, or that of another network.
        """
        import zipfile  # like numpy.load, which brings them: loading is rare, importing is not
        import zlib

        path = _npz(path)
        content = io.BytesIO(path.read_bytes())
        try:
            with np.load(content, allow_pickle=False) as file:
                state = {name: file[name] for name in file.files}
        except (ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error):
            raise ValueError(
                f"{path.name!r} is not a state that save() wrote: it must be an intact .npz file "
                "of plain number arrays"
            ) from None
        self.load_state_dict(state)

    # Showing it

    def extra_repr(self) -> str:
        """Say with what this module was made: what a subclass may define."""
        return ""

    def __repr__(self) -> str:
        children = [(name, value) for name, value in self.members() if isinstance(value, Module)]
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in children]
        inner = "\n".join(["", *lines, ""]) if lines else self.extra_repr()
        return f"{type(self).__name__}({inner})"


class Sequential(Module):
    """Modules one after the other: each takes the result of the one before.

    Given as arguments, or as one mapping from names to modules; the names then label the scopes
    and the state. It has a length, and can be indexed, sliced and iterated.

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
        """Yield the layers under their own names."""
        for name, layer in self.layers.items():
            yield from _inside(name, layer)

    def forward(self, x: Any) -> Any:
        """Apply the layers in their order."""
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
