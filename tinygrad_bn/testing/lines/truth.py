"""What the values of a backward pass may be: the cotangents of the forward, and their terms.

The user's own forward runs on Tensors, and the reverse pass yields the cotangent of every value in
it, named or not, and the terms that each cotangent is the sum of. People also go through steps that
their forward does not have (the inverse of the standard deviation, say), so the same is done for
batch norm written in other ways, as far as these have the same output.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from ...autodiff import reverse_pass
from ...tensor import Tensor
from ..batch import Array, Batch
from .instrument import Place

MOST_TERMS = 4  # of a cotangent whose partial sums are listed


@dataclass(frozen=True)
class Quantity:
    """A value that may occur in a backward pass.

    `kind` is "gradient" (a whole cotangent), "minus" (that with the other sign, where it is a plain
    sum), "term" (a part of one), "value" (of the forward) or "factor". `of` names what it is the
    cotangent of; `line` is the line of the user's forward in which that is computed, or None.
    """

    kind: str
    of: str
    value: Any
    line: int | None = None
    file: str = ""

    def __str__(self) -> str:
        what = f"line {self.line}'s {self.of}" if self.line else self.of
        return {
            "gradient": f"the gradient of {what}",
            "term": f"a part of the gradient of {what}",
            "minus": f"minus the gradient of {what}",
        }.get(self.kind, what)


@dataclass(frozen=True)
class Made:
    """A Tensor of a forward pass, with the name and the line under which it was made."""

    tensor: Tensor
    name: str
    line: int | None = None
    file: str = ""
    named: bool = True  # by an assignment, not only as part of an expression


def made_by(places: Sequence[Place], events: Sequence[tuple[int, Any]]) -> list[Made]:
    """List the Tensors among the values of a run of the forward; those with names come first."""
    found: dict[int, Made] = {}
    for number, value in events:
        place = places[number]
        if not isinstance(value, Tensor):
            continue
        named = place.kind in ("assignment", "argument")
        if isinstance(place.node, ast.Name) and not named:
            continue
        known = found.get(id(value))
        if known is None or (named and not known.named):
            found[id(value)] = Made(value, place.text, place.line, place.file, named)
    return sorted(found.values(), key=lambda made: not made.named)


def quantities(made: Sequence[Made], y: Tensor, dy: Array) -> list[Quantity]:
    """List the cotangents of what was made, the terms of these, and the values."""
    cotangents: dict[int, Array] = {}
    terms: dict[int, list[Array]] = {}
    unsummed: dict[int, list[Array]] = {}
    for tensor, g, parts in reverse_pass([(y, dy)]):
        cotangents[id(tensor)] = g
        for i, (source, part) in enumerate(zip(tensor.inputs, parts, strict=False)):
            if part is not None:
                terms.setdefault(id(source), []).append(np.asarray(part))
                whole = _before_the_sum(tensor, g, i)
                if np.shape(whole) != np.shape(part):
                    unsummed.setdefault(id(source), []).append(np.asarray(whole))
    found = []
    for one in made:
        about = one.name, one.line, one.file
        if id(one.tensor) in cotangents:
            found.append(_quantity("gradient", cotangents[id(one.tensor)], *about))
            parts = list(_partial_sums(terms.get(id(one.tensor), [])))
            parts += unsummed.get(id(one.tensor), [])
            found += [_quantity("term", part, *about) for part in parts]
        found.append(_quantity("value", one.tensor.data, *about))
    return found


def _before_the_sum(tensor: Tensor, g: Array, i: int) -> Any:
    """Return the term of an input's cotangent that a step makes, before broadcasting is undone."""
    assert tensor.op is not None
    rule = tensor.op.vjps[i] if tensor.op.pullback is None else None
    return rule and rule(g, tensor.data, *tensor.values, **tensor.params)


def _quantity(kind: str, value: Any, of: str, line: int | None, file: str) -> Quantity:
    return Quantity(kind, of, np.asarray(value), line, file)


def _partial_sums(terms: Sequence[Array]) -> Iterator[Array]:
    if 1 < len(terms) <= MOST_TERMS:
        for size in range(1, len(terms)):
            for some in combinations(terms, size):
                yield np.asarray(sum(some))


# --- batch norm in other ways -----------------------------------------------------------------

Steps = dict[str, Tensor]


def other_ways(batch: Batch) -> list[Quantity]:
    """List the quantities of batch norm in other ways."""
    found: list[Quantity] = []
    for way in (_by_the_deviation, _by_its_inverse, _by_sums, _by_one_scale):
        x, gamma, beta = (Tensor(a, requires_grad=True) for a in (batch.x, batch.gamma, batch.beta))
        steps = way(x, replaced(batch, x, gamma, beta))
        made = [Made(tensor, name) for name, tensor in steps.items()]
        made += [Made(x, "x"), Made(gamma, "gamma"), Made(beta, "beta")]
        found += quantities(made, steps["y"], batch.dy)
    return found


def replaced(batch: Batch, x: Tensor, gamma: Tensor, beta: Tensor) -> Batch:
    """Return the batch with Tensors for its arrays."""
    return Batch(x, gamma, beta, batch.dy, batch.axis, batch.eps)  # type: ignore[arg-type]


def _by_the_deviation(x: Any, b: Any) -> Steps:
    mu = b.mean(x)
    xc = x - mu
    square = xc**2
    var = b.mean(square)
    inside = var + b.eps
    std = np.sqrt(inside)
    x_hat = xc / std
    scaled = x_hat * b.g
    return {
        "mu": mu, "x - mu": xc, "(x - mu)^2": square, "var": var, "var + eps": inside,
        "the standard deviation": std, "x_hat": x_hat, "gamma x_hat": scaled, "y": scaled + b.b,
    }  # fmt: skip


def _by_its_inverse(x: Any, b: Any) -> Steps:
    mu = b.mean(x)
    xc = x - mu
    inside = b.mean(xc * xc) + b.eps
    inverse = 1 / np.sqrt(inside)
    x_hat = xc * inverse
    return {
        "mu": mu, "x - mu": xc, "1 / the standard deviation": inverse, "x_hat": x_hat,
        "y": x_hat * b.g + b.b,
    }  # fmt: skip


def _by_sums(x: Any, b: Any) -> Steps:
    """Compute mean and variance by sums, and x - mu twice."""
    total = b.sum(x)
    mu = total / b.m
    squares = b.sum((x - mu) ** 2)
    std = np.sqrt(squares / b.m + b.eps)
    xc = x - mu
    return {
        "sum x": total, "mu": mu, "sum (x - mu)^2": squares, "x - mu": xc,
        "the standard deviation": std, "y": xc / std * b.g + b.b,
    }  # fmt: skip


def _by_one_scale(x: Any, b: Any) -> Steps:
    xc = x - b.mean(x)
    scale = b.g / np.sqrt(b.mean(xc**2) + b.eps)
    return {"x - mu": xc, "gamma / the standard deviation": scale, "y": xc * scale + b.b}


def factors(b: Batch) -> list[Quantity]:
    """List what the closed forms multiply by, and the sums in them."""
    dx_hat = b.dy * b.g
    named: dict[str, Any] = {
        "1/m": 1 / b.m, "2/m": 2 / b.m, "1/s": 1 / b.s, "s^2": b.s**2, "s^3": b.s**3,
        "gamma/s": b.g / b.s, "gamma/(m s)": b.g / (b.m * b.s), "1/(m s)": 1 / (b.m * b.s),
        "-1/s": -1 / b.s, "-1/s^2": -1 / b.s**2, "-1/2 s^-3": -0.5 / b.s**3,
        "1/s^3": 1 / b.s**3, "1/s^2": 1 / b.s**2,
        "mean dy": b.mean(b.dy), "mean dy x_hat": b.mean(b.dy * b.x_hat),
        "sum dx_hat": b.sum(dx_hat), "mean dx_hat": b.mean(dx_hat),
        "sum dx_hat x_hat": b.sum(dx_hat * b.x_hat), "mean dx_hat x_hat": b.mean(dx_hat * b.x_hat),
        "m dy": b.m * b.dy, "m dx_hat": b.m * dx_hat,
        "x_hat sum dy x_hat": b.x_hat * b.sum(b.dy * b.x_hat),
        "x_hat sum dx_hat x_hat": b.x_hat * b.sum(dx_hat * b.x_hat),
        "2 (x - mu)": 2 * b.xc, "2 (x - mu) / m": 2 * b.xc / b.m, "-2 (x - mu)": -2 * b.xc,
        "(x - mu) / m": b.xc / b.m, "ones": np.ones_like(b.x), "ones / m": np.ones_like(b.x) / b.m,
    }  # fmt: skip
    found = [Quantity("factor", name, np.asarray(value)) for name, value in named.items()]
    sizes = {"m": b.m, "eps": b.eps}
    return [*found, *(Quantity("value", name, np.asarray(v)) for name, v in sizes.items())]


def distinct(found: Sequence[Sequence[Quantity]]) -> list[list[Quantity]]:
    """Leave out what equals an earlier quantity of that kind in every trial."""
    kept: dict[tuple[Any, ...], int] = {}
    for k, same in enumerate(zip(*found, strict=True)):
        digits = [(q.value.shape, np.round(q.value, 12).tobytes()) for q in same]
        kept.setdefault((same[0].kind == "factor", _bare(same[0].of), *digits), k)
    return [[quantities[k] for k in kept.values()] for quantities in found]


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


def sums(found: Sequence[Quantity], b: Batch) -> list[Quantity]:
    """List the sums of gradients over the batch.

    The gradient of mu is minus such a sum, and people leave that sign for the next line.
    """
    gradients = [quantity for quantity in found if quantity.kind == "gradient"]
    whole = [b.sum(quantity.value) for quantity in gradients if quantity.value.shape == b.x.shape]
    minus = [
        replace(quantity, kind="minus", value=-quantity.value)
        for quantity in gradients
        if quantity.value.size == b.gamma.size
        and any(np.allclose(-quantity.value.ravel(), total.ravel()) for total in whole)
    ]
    return [*minus, *(Quantity("factor", "a sum of a gradient", total) for total in whole)]


def views(quantity: Quantity, batch: Batch) -> Iterator[Quantity]:
    """Yield the quantity, and of an array (N, C, H, W) the rows that people make of it."""
    yield quantity
    value = quantity.value
    if batch.x.ndim == 4 and value.shape == batch.x.shape:
        channels = value.shape[1]
        rows = np.moveaxis(value, 1, -1).reshape(-1, channels)
        across = np.moveaxis(value, 1, 0).reshape(channels, -1)
        for view in (rows, across, value.transpose(0, 2, 3, 1)):
            yield replace(quantity, value=view)
