"""Trace: a function is run once on Tensors, and what it does is written down.

While it runs, all is recorded, lengths of axes are Sizes, comparisons are steps, and reading a
value raises TypeError. What the function does to a module's buffers is noted and not done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import shapes, sizes
from ..arrays import real_array
from ..recording import users_line, within
from ..sizes import Axis, Guard, Size
from ..tensor import NUMBERS, Tensor
from .reading import Reader
from .tree import mapped

BROADCASTS = "an axis of length 1 broadcasts"


@dataclass(frozen=True)
class Place:
    """Where an output stands in the result of a function."""

    number: int


class Trace:
    """One run of a function under observation (the Tracer of recording.py)."""

    def __init__(self) -> None:
        self.since = next(NUMBERS)
        self.inputs: list[Tensor] = []
        self.names: set[str | None] = set()
        self.behind: dict[int, Tensor] = {}  # results whose lengths are not known otherwise
        self.equal: dict[Axis, Any] = {}
        self.guards: dict[tuple[Any, str, Any], Guard] = {}
        self.updates: dict[int, tuple[Tensor, Tensor]] = {}
        self.detached: dict[int, tuple[Tensor, Tensor]] = {}

    def running(self) -> within:
        """Record everything, for this trace."""
        return within(trace=self, everything=True, recording=True, scope=None)

    # What the function is given

    def argument(self, name: str, value: Any, weak: bool) -> Any:
        """Make an array, a Tensor or a weak number an input; leave all else as it is."""
        if isinstance(value, Tensor):
            return self.input(value._value, name)
        if isinstance(value, np.ndarray | np.generic):
            return self.input(real_array(value), name)
        if weak and isinstance(value, int | float) and not isinstance(value, bool):
            return self.input(value, name)
        return value

    def input(self, value: Any, name: str | None, lengths: Any = None) -> Tensor:
        """Make an input; `lengths`: those that it must have, if they are known."""
        unique, number = name, 1
        while unique in self.names:
            number += 1
            unique = f"{name}_{number}"
        self.names.add(unique)
        tensor = leaf(value, unique, needs_grad=True)
        tensor.symbolic = self._own_lengths(tensor)
        self.inputs.append(tensor)
        if lengths is not None:
            for own, other in zip(tensor.symbolic, lengths, strict=True):
                self.same(own, other, f"the shape of {unique}")
        return tensor

    def _own_lengths(self, tensor: Tensor) -> tuple[Any, ...]:
        shape = np.shape(tensor._value)
        for axis, n in enumerate(shape):
            if n == 1:  # it broadcasts, as no other length does
                own = sizes.length(tensor.number, axis, n)
                self._guard(own, "==", 1, BROADCASTS)
        return tuple(
            1 if n == 1 else sizes.length(tensor.number, axis, n, self)
            for axis, n in enumerate(shape)
        )

    def places(self, arguments: Any) -> Any:
        """Write arguments with the places of inputs in them, and None for what is fixed."""
        numbers = {id(tensor): Place(i) for i, tensor in enumerate(self.inputs)}
        return tuple(mapped(list(arguments), lambda leaf: numbers.get(id(leaf))))

    # What the function does

    def operand(self, tensor: Tensor, recording: bool) -> Tensor:
        """Return the tensor to compute with: a buffer as it is now, under no_grad() detached."""
        if id(tensor) in self.updates:
            tensor = self.updates[id(tensor)][1]
        if recording or not tensor.requires_grad:
            return tensor
        if id(tensor) not in self.detached:
            with within(recording=True):
                self.detached[id(tensor)] = tensor, shapes.detach(tensor)
        return self.detached[id(tensor)][1]

    def update(self, buffer: Tensor, value: Tensor) -> None:
        """Note the new value of a buffer."""
        self.updates[id(buffer)] = buffer, value

    def made(self, out: Tensor) -> None:
        """Work out the lengths of a result from those of its operands."""
        assert out.op is not None
        if out.op.infix > 1 and not any(isinstance(value, np.ndarray) for value in out.values):
            out._value = out._value.item()  # the operators of Python make numbers of numbers
        out.symbolic = self._lengths(out)

    def _lengths(self, out: Tensor) -> tuple[Any, ...]:
        shape, op = np.shape(out._value), out.op
        assert op is not None
        known: Sequence[Any] | None = None
        given = [x.shape if x.number >= self.since else np.shape(x._value) for x in out.inputs]
        if op.shape is not None:
            known = op.shape(*given, **out.params)
            if op.core is not None and known is not None:  # all but the last axes broadcast
                stop = -op.core or None
                whole = [*given, tuple(known)]
                self._broadcast([lengths[:stop] for lengths in whole], shape[:stop])
        elif op.elementwise:
            known = self._broadcast(given, shape)
        elif op.reduces:
            axis, keepdims = out.params["axis"], out.params["keepdims"]
            reduced = [1 if i in axis else n for i, n in enumerate(given[0])]
            known = [n for i, n in enumerate(reduced) if keepdims or i not in axis]
        if known is None or len(known) != len(shape):
            known = [None] * len(shape)
        if any(n == -1 for n in sizes.now(tuple(known))):
            known = _with_the_rest(known, given[0])
        return tuple(
            self._length(out, axis, n, here)
            for axis, (n, here) in enumerate(zip(known, shape, strict=True))
        )

    def _length(self, out: Tensor, axis: int, known: Any, here: int) -> Any:
        if sizes.now(known) != here:
            self.behind[out.number] = out
            known = sizes.length(out.number, axis, here, self)
        if here == 1 and isinstance(known, Size):
            self.same(known, 1, BROADCASTS)
            return 1
        return known

    def _broadcast(self, given: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
        """Find the lengths of an elementwise result. All that are not 1 must be equal."""
        lengths: list[Any] = []
        for axis in range(-len(shape), 0):
            along = [lengths_of[axis] for lengths_of in given if len(lengths_of) >= -axis]
            longer = [n for n in along if sizes.now(n) != 1] or along[:1]
            for n in longer[1:]:
                self.same(longer[0], n, "elementwise operations need equal lengths")
            lengths.append(longer[0])
        return lengths

    # What the function finds out about lengths

    def same(self, a: Any, b: Any, why: str) -> None:
        """Note that two lengths must be equal."""
        a, b = self._canonical(a), self._canonical(b)
        if not isinstance(a, Size) or not isinstance(b, Size):
            if isinstance(a, Size) or isinstance(b, Size):
                size, number = (a, b) if isinstance(a, Size) else (b, a)
                self._guard(size, "==", number, why)
            return
        if a.terms == b.terms:
            return
        self._guard(a, "==", b, why)
        pairs = [(sizes.only_axis(one), other) for one, other in ((a, b), (b, a))]
        later = [(axis, other) for axis, other in pairs if axis and self._is_later(axis, other)]
        self.equal.update(later[:1])

    def _is_later(self, axis: Axis, n: Any) -> bool:
        """Return whether to write a number for a length: lengths of the first inputs are kept."""

        def place(axis: Axis) -> tuple[bool, int, int]:
            return axis.of in self.behind, axis.of, axis.axis

        return all(place(other) < place(axis) for other in sizes.axes_of(n))

    def _canonical(self, n: Any) -> Any:
        while (axis := sizes.only_axis(n)) in self.equal:
            n = self.equal[axis]
        return n

    def relies_on(self, guard: Guard) -> None:
        """Note that a program within the program relies on a comparison."""
        if guard.sign == "==":
            self.same(guard.left, guard.right, guard.why)
        else:
            self._guard(*guard)

    def found(self, left: Any, sign: str, right: Any) -> None:
        """Note a comparison of lengths that was found to be true."""
        self.relies_on(Guard(left, sign, right, f"lengths were compared at {users_line()}"))

    def pinned(self, size: Size) -> None:
        """Note that a length became a plain number."""
        self._guard(size, "==", size.now, f"it became a plain number at {users_line()}")

    def _guard(self, left: Any, sign: str, right: Any, why: str) -> None:
        key = (_key(left), sign, _key(right))
        self.guards.setdefault(key, Guard(left, sign, right, why))

    # What comes of it

    def result(self, result: Any, names: Mapping[int, str] | None = None) -> dict[str, Any]:
        """Read the program whose result this is: the fields of ProgramData, but for its name."""
        outputs: list[Tensor] = []

        def output(value: Any) -> Any:
            if isinstance(value, Size):
                with self.running():
                    number = leaf(value.now, None, needs_grad=False)
                    number.symbolic = value
                    value = shapes.broadcast_to(number, shape=())
            if isinstance(value, np.ndarray | np.generic | float) or type(value) is int:
                value = leaf(real_array(value), None, needs_grad=False)
            if not isinstance(value, Tensor):
                return value
            outputs.append(self.operand(value, recording=True))
            return Place(len(outputs) - 1)

        structure = mapped(result, output)
        updates = list(self.updates.values())
        axes = [axis for g in self.guards.values() for axis in sizes.axes_of(g.left, g.right)]
        measured = [self.behind[axis.of] for axis in axes if axis.of in self.behind]
        reader = Reader(names, self.since, self.behind, self.equal)
        read = reader.read([*outputs, *[value for _, value in updates], *measured], self.inputs)
        named = {id(v.tensor): v.name for v in read.captured}
        for buffer, _ in updates:  # one that is written and not read has its own name only
            named.setdefault(id(buffer), reader.unique(buffer.name or "buffer"))
        guards = [
            guard._replace(
                left=reader.size(guard.left, as_found=True),
                right=reader.size(guard.right, as_found=True),
            )
            for guard in self.guards.values()
        ]
        return {
            **read.fields(self.inputs, outputs),
            "updates": {
                named[id(buffer)]: read.variables[value.number] for buffer, value in updates
            },
            "guards": tuple(guards),
            "structure": structure,
        }


def leaf(value: Any, name: str | None, needs_grad: bool) -> Tensor:
    """Make a leaf of a locked array of any dtype, or of a plain number."""
    tensor = Tensor(0.0, name=name)
    tensor._value = value
    floats = isinstance(value, float) or getattr(value, "dtype", np.dtype(int)).kind == "f"
    tensor.requires_grad = needs_grad and floats
    return tensor


def _with_the_rest(lengths: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """Compute the length that -1 stands for in the shape of a reshaped array."""
    total: Any = 1
    for n in before:
        total = total * n
    known: Any = 1
    for n in lengths:
        if not (isinstance(n, int) and n == -1):
            known = known * n
    rest = total // known if sizes.now(known) else 0
    return [rest if isinstance(n, int) and n == -1 else n for n in lengths]


def _key(n: Any) -> Any:
    return n.terms if isinstance(n, Size) else n
