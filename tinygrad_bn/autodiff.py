"""The reverse pass: from what was recorded to gradients.

A graph is made of tensors that remember the primitive, the inputs and the values that made them.
The pass walks it once from the output back, hands each tensor's cotangent to the rules of its
primitive, and adds up what arrives. It knows no single rule. ``Recorded`` lists what the
walk reads of a Tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from operator import attrgetter
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np

from . import primitives as P
from .broadcasting import fit
from .recording import MODE, Scope, raise_if_not_finite, refuse_in_trace, within
from .table import Array, Primitive, Rule


class Recorded(Protocol):
    """What the reverse pass reads of a Tensor."""

    requires_grad: bool
    number: int  # in the order of execution
    op: Primitive | None
    inputs: tuple[Any, ...]  # the tensors that it was made from
    values: tuple[Any, ...]  # what they held: arrays, or plain Python numbers
    params: dict[str, Any]
    made_in: Scope | None
    made_at: str | None  # the line of the user's code


T = TypeVar("T", bound=Recorded)
ADDING = Lock()  # threads may share a leaf, and none of their gradients may be lost
Parts = Sequence[Array | None]


def topological_order(*outputs: T, constants: bool = True) -> list[T]:
    """List what the outputs were made from, and them, in the order in which it was computed."""
    found: dict[int, Any] = {id(tensor): tensor for tensor in outputs}
    stack: list[Any] = list(outputs)
    while stack:  # not recursive: a graph may be a million operations deep
        for source in stack.pop().inputs:
            if id(source) not in found and (constants or source.requires_grad):
                found[id(source)] = source
                stack.append(source)
    return sorted(found.values(), key=attrgetter("number"))


def reverse_pass(
    seeds: Sequence[tuple[T, Array]],
    wanted: Iterable[T] | None = None,
    *,
    create_graph: bool = False,
) -> Iterator[tuple[T, Array, Parts]]:
    """Yield each tensor that the gradient passes through, its cotangent, and what its rules made.

    `seeds` are the outputs and the cotangents to start with. From the outputs back: a tensor comes
    after everything that used it, so its cotangent is complete. The third item has the part that
    goes to the cotangent of each input, or None. Only what lies on the way to the `wanted` tensors
    is computed (None: to all that need a gradient). With `create_graph` the rules run on Tensors,
    which record them.
    """
    order = topological_order(*[output for output, _ in seeds], constants=False)
    ends = order if wanted is None else wanted
    needed = {id(tensor) for tensor in ends if tensor.requires_grad}
    for result in order:
        if not needed.isdisjoint(map(id, result.inputs)):
            needed.add(id(result))

    cotangents: dict[int, Array] = {}
    for output, g in seeds:
        so_far = cotangents.get(id(output))
        cotangents[id(output)] = g if so_far is None else so_far + g
    anomaly = MODE.get().anomaly
    while order:
        tensor: Any = order.pop()
        g = cotangents.pop(id(tensor), None)
        if g is None:
            continue
        parts: Parts = []
        if tensor.op is not None and create_graph:
            scope = Scope(f"backward of {tensor.op}", tensor.made_in)
            with within(scope=scope, recording=True, everything=True, anomaly=False):
                operands = (g, tensor, *tensor.inputs_as_they_were())
                parts = _pull(tensor, tensor.op.vjps, operands, needed, cotangents, anomaly)
        elif tensor.op is not None:
            operands = (g, tensor._value, *tensor.values)
            parts = _pull(tensor, tensor.op.pull, operands, needed, cotangents, anomaly)
        yield tensor, g, parts


def _pull(
    tensor: Any,
    rules: Iterable[Rule | None],
    operands: Sequence[Any],
    needed: set[int],
    cotangents: dict[int, Array],
    anomaly: bool,
) -> Parts:
    """Apply rules, undo broadcasting, and add what comes of it to the cotangents of the inputs."""
    op, params = tensor.op, tensor.params
    if op.pullback is not None:
        whole = op.pullback(*operands, **params)
        rules = (lambda *_, part=part, **__: part for part in whole)
    parts: list[Array | None] = []
    for rule, like, source in zip(rules, operands[2:], tensor.inputs, strict=False):
        part = total = None
        if rule is not None and id(source) in needed:
            part = fit(rule(*operands, **params), like)
            total = cotangents.get(id(source))
            total = cotangents[id(source)] = part if total is None else P.add(total, part)
        parts.append(part)
        if anomaly and part is not None:
            name = f"the backward rule of {op} for input {len(parts) - 1}"
            for value, maker in (part, name), (total, f"adding up what {name} gave"):
                value = getattr(value, "_value", value)
                raise_if_not_finite(value, maker, tensor.made_in, tensor.made_at)
    return parts


def first_cotangent(output: Any, gradient: Any, argument: str) -> Any:
    """Return the cotangent that a pass starts with, as a Tensor: ones, or what the caller gave."""
    shape = output.shape
    if not output.requires_grad:
        raise ValueError(
            f"this tensor (shape {shape}) needs no gradient: no input has requires_grad=True, "
            "or no_grad(), detach() or an operation without a gradient, as sign, lies between"
        )
    if gradient is None:
        if output.size != 1:
            raise ValueError(
                f"the output has shape {shape}, not a single value: "
                f"give {argument}, an array of that shape, or reduce the output, as by .sum()"
            )
        gradient = np.ones_like(output)
    given = gradient if is_tensor(gradient) else output.constant(gradient)
    if given.shape != shape:
        raise ValueError(
            f"{argument} has shape {given.shape}, but the output has shape {shape}: "
            "they must be equal"
        )
    return fit(given, output)


def is_tensor(x: object) -> bool:
    """Return whether x is a Tensor, or of a class like it."""
    return hasattr(x, "__apply_primitive__")


def backward(output: Any, gradient: Any = None) -> None:
    """Add the gradient of `output` to the ``.grad`` of every leaf (see ``Tensor.backward``)."""
    refuse_in_trace("backward() writes to .grad", "use tg.grad in f, or program.gradient()")
    cotangent = first_cotangent(output, gradient, "gradient").data
    walk = reverse_pass([(output, cotangent)])
    leaves = [(tensor, g) for tensor, g, _ in walk if tensor.op is None]
    with ADDING:
        for leaf, g in leaves:  # only now: after an error above, no gradient is half added
            leaf.grad = np.array(g) if leaf.grad is None else np.asarray(leaf.grad + g)


def grad(
    output: T, inputs: T | Sequence[T], grad_output: Any = None, *, create_graph: bool = False
) -> tuple[T, ...]:
    """Return the gradient of `output` with respect to each of `inputs`: a tuple of Tensors.

    With J the Jacobian of `output` with respect to an input, the gradient is J^T grad_output. It
    has the shape and the dtype of that input, and is zeros where the output does not depend on
    it. No ``.grad`` is touched.

    Parameters
    ----------
    output : Tensor
    inputs : Tensor, or a sequence of them
        Each with ``requires_grad``; leaves or results.
    grad_output : array or Tensor of the shape of `output`, optional
        The cotangent to start with; 1 if it is left out and `output` is a single value.
    create_graph : bool
        Record the backward pass, so that the gradients can be differentiated again, to any order.

    Raises
    ------
    ValueError
        If the output or an input needs no gradient, if `grad_output` is missing for an output
        of more than one value, or has another shape.
    TypeError
        If an input is not a Tensor.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> (dx,) = tg.grad((x**3).sum(), x, create_graph=True)
    >>> dx.data
    array([ 3., 12.])
    >>> tg.grad(dx.sum(), x)[0].data
    array([ 6., 12.])
    """
    if not is_tensor(output):
        raise TypeError(f"grad: the output is of type {type(output).__name__}, not a Tensor")
    several = isinstance(inputs, Iterable) and not is_tensor(inputs)
    wanted: Sequence[Any] = list(inputs) if several else [inputs]  # type: ignore
    for i, tensor in enumerate(wanted):
        if not is_tensor(tensor):
            raise TypeError(f"grad: input {i} is of type {type(tensor).__name__}, not a Tensor")
        if not tensor.requires_grad:
            raise ValueError(f"grad: input {i} needs no gradient: make it with requires_grad=True")
    create_graph |= MODE.get().trace is not None
    with within(recording=True) if create_graph else nullcontext():
        cotangent = first_cotangent(output, grad_output, "grad_output")
    seeds = [(output, cotangent if create_graph else cotangent.data)]
    ids = set(map(id, wanted))
    walk = reverse_pass(seeds, wanted, create_graph=create_graph)
    found = {id(tensor): g for tensor, g, _ in walk if id(tensor) in ids}
    return tuple([_gradient(tensor, found.get(id(tensor)), create_graph) for tensor in wanted])


def _gradient(tensor: Any, g: Any, create_graph: bool) -> Any:
    """Make a Tensor of what arrived at `tensor`; if it is to be differentiated, of zeros too."""
    if g is None:
        g = np.zeros_like(tensor if create_graph else tensor.data)
    if is_tensor(g) and g.requires_grad:
        return g
    return tensor.wrap(g, requires_grad=create_graph)
