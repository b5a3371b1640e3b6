"""The reverse pass: from what was recorded to gradients.

A graph is made of tensors that remember the primitive, the inputs and the values that made them.
The pass walks it once from the output back, hands each tensor's cotangent to the rules of its
primitive, and adds up what arrives. It knows no single rule, and of a Tensor only what
``Recorded`` lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Protocol, TypeVar

import numpy as np

from .broadcasting import summed_to
from .cotangents import Cotangents
from .primitives import Array, Primitive
from .recording import MODE, Scope, enable_grad, ignore_anomaly, raise_if_not_finite


class Recorded(Protocol):
    """What the reverse pass reads of a Tensor, and the two ways in which it asks for one."""

    requires_grad: bool
    grad: Any
    op: Primitive | None
    inputs: tuple[Any, ...]  # the tensors that it was made from
    values: tuple[Any, ...]  # what they held: arrays, or plain Python numbers
    params: dict[str, Any]
    made_in: Scope | None
    made_at: str | None

    @property
    def data(self) -> Any: ...
    def inputs_as_they_were(self) -> list[Any]: ...
    def constant(self, data: Any) -> Any: ...
    def wrap(self, array: Any, requires_grad: bool) -> Any: ...


T = TypeVar("T", bound=Recorded)


def topological_order(output: T, *, constants: bool = True) -> list[T]:
    """List everything that `output` was made from, and itself: inputs before results."""
    order: list[T] = []
    seen: set[int] = set()
    stack: list[Any] = [output]
    while stack:  # not recursive: a graph may be a million operations deep
        tensor = stack.pop()
        if tensor is None:  # all that was above it is listed
            order.append(stack.pop())
        elif id(tensor) not in seen:
            seen.add(id(tensor))
            stack += (tensor, None)
            for source in reversed(tensor.inputs):
                if constants or source.requires_grad:
                    stack.append(source)
    return order


def fit(g: Array, value: Array) -> Array:
    """Undo broadcasting and promotion: give the cotangent the shape and dtype of its value."""
    if g.shape != value.shape:
        g = summed_to(g, value)
    return g if g.dtype == value.dtype else g.astype(value.dtype)


def reverse_pass(
    output: T, cotangent: Array, wanted: Iterable[T] | None = None, *, create_graph: bool = False
) -> Iterator[tuple[T, Array, bool]]:
    """Yield each tensor that the gradient passes through, with its complete cotangent.

    From the output back: a tensor comes after everything that used it. The third item says
    whether the cotangent is in an array that nobody else holds. Only what lies on the way
    to the `wanted` tensors is computed (None: to all that need a gradient). With `create_graph`
    the rules run on Tensors, which record them.
    """
    order = topological_order(output, constants=False)
    ends = order if wanted is None else wanted
    needed = {id(tensor) for tensor in ends if tensor.requires_grad}
    for tensor in order:
        if not needed.isdisjoint(map(id, tensor.inputs)):
            needed.add(id(tensor))

    anomaly, unwatched = MODE.get().anomaly, ignore_anomaly()
    cotangents = Cotangents()
    cotangents.add(output, cotangent, cotangent)
    while order:
        tensor = order.pop()
        g, ours = cotangents.pop(tensor)
        if g is None:
            continue
        yield tensor, g, ours
        if tensor.op is None:
            continue
        out = tensor.data
        for i, source in enumerate(tensor.inputs):
            rule = tensor.op.vjps[i]
            if rule is None or id(source) not in needed:
                continue
            if create_graph:
                with unwatched:
                    part = rule(g, tensor, *tensor.inputs_as_they_were(), **tensor.params)
            else:
                part = rule(g, out, *tensor.values, **tensor.params)
            part = fit(part, tensor.values[i])
            total = cotangents.add(source, part, g)
            if anomaly:
                rule_of = f"the backward rule of {tensor.op} for input {i}"
                for value, maker in (part, rule_of), (total, f"adding up what {rule_of} gave"):
                    value = value.data if create_graph else value
                    raise_if_not_finite(value, maker, tensor.made_in, tensor.made_at)


def first_cotangent(output: T, gradient: Any, argument: str) -> Any:
    """Give the cotangent that a pass starts with, as a Tensor: ones, or what the caller gave."""
    value = output.data
    if not output.requires_grad:
        raise ValueError(
            f"this tensor (shape {value.shape}) needs no gradient: make an input with "
            "requires_grad=True, and compute the output outside of no_grad() and detach()"
        )
    if gradient is None:
        if value.size != 1:
            raise ValueError(
                f"the output has shape {value.shape}, not a single value: "
                f"give {argument}, an array of that shape, or reduce the output, as by .sum()"
            )
        return output.constant(np.ones_like(value))
    given = gradient if is_tensor(gradient) else output.constant(gradient)
    if given.data.shape != value.shape:
        raise ValueError(
            f"{argument} has shape {given.data.shape}, but the output has shape {value.shape}: "
            "they must be equal"
        )
    return fit(given, value)


def is_tensor(x: object) -> bool:
    """Tell a Tensor, or a class like it, from plain data."""
    return hasattr(x, "__apply_primitive__")


def backward(output: Recorded, gradient: Any = None) -> None:
    """Add the gradient of `output` to the ``.grad`` of every leaf (see ``Tensor.backward``)."""
    cotangent = first_cotangent(output, gradient, "gradient").data
    leaves = [found for found in reverse_pass(output, cotangent) if found[0].op is None]
    for leaf, g, ours in leaves:  # only now: after an error above, no gradient is half added
        if leaf.grad is None:
            leaf.grad = g if ours else np.array(g)
        else:
            leaf.grad = np.asarray(leaf.grad + g)


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
    wanted: Sequence[T] = list(inputs) if several else [inputs]  # type: ignore
    for i, tensor in enumerate(wanted):
        if not is_tensor(tensor):
            raise TypeError(f"grad: input {i} is of type {type(tensor).__name__}, not a Tensor")
        if not tensor.requires_grad:
            raise ValueError(f"grad: input {i} needs no gradient: make it with requires_grad=True")
    ids = {id(tensor) for tensor in wanted}
    with enable_grad() if create_graph else nullcontext():
        cotangent = first_cotangent(output, grad_output, "grad_output")
        walk = reverse_pass(
            output, cotangent if create_graph else cotangent.data, wanted, create_graph=create_graph
        )
        found = {id(tensor): g for tensor, g, _ in walk if id(tensor) in ids}
    gradients = []
    for tensor in wanted:
        g = found.get(id(tensor))
        if g is None:
            g = np.zeros_like(tensor.data)
        if not (is_tensor(g) and g.requires_grad):
            g = tensor.wrap(g.data if is_tensor(g) else g, requires_grad=create_graph)
        gradients.append(g)
    return tuple(gradients)
