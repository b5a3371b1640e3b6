"""Products of arrays (tensordot, einsum, kron, cross, ...), composed of matmul and multiplication.

``contract`` is the one idea: the axes of two arrays fall into those that both keep, those of the
first, those of the second, and those that are summed over. Put in this order they are a product of
stacked matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..arrays import normalized_axes
from ..primitives import matmul
from ..table import Array
from .arguments import as_array, refuse, without

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _dot(a: Array, b: Array, out: Any = None) -> Array:
    without("np.dot", out=out)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) > 2:
        return _tensordot(a, b, ([-1], [-2]))
    return np.matmul(a, b)


def _inner(a: Array, b: Array, /) -> Array:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return _tensordot(a, b, ([-1], [-1]))


def _tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    if np.ndim(axes) == 0 and not isinstance(axes, list | tuple):
        n = int(axes)
        axes = (range(np.ndim(a) - n, np.ndim(a)), range(n))
    given = [(axis,) if hasattr(axis, "__index__") else tuple(axis) for axis in axes]
    if any(len(axes) > np.ndim(x) for x, axes in zip((a, b), given, strict=True)):
        raise ValueError(f"tensordot: {axes} of {np.shape(a)} and {np.shape(b)}: too many axes")
    first, second = (
        normalized_axes(axes, np.ndim(x), "tensordot")
        for x, axes in zip((a, b), given, strict=True)
    )
    kept_a = [i for i in range(np.ndim(a)) if i not in first]
    kept_b = [i for i in range(np.ndim(b)) if i not in second]
    shape_a, shape_b = np.shape(a), np.shape(b)
    if [shape_a[i] for i in first] != [shape_b[i] for i in second]:
        raise ValueError(
            f"tensordot of {shape_a} and {shape_b}: the axes {first} of the first are not as long "
            f"as the axes {second} of the second"
        )
    lengths_a, lengths_b = [shape_a[i] for i in kept_a], [shape_b[i] for i in kept_b]
    total = math.prod([shape_a[i] for i in first])
    left = np.reshape(np.transpose(a, (*kept_a, *first)), (math.prod(lengths_a), total))
    right = np.reshape(np.transpose(b, (*second, *kept_b)), (total, math.prod(lengths_b)))
    return np.reshape(matmul(left, right), (*lengths_a, *lengths_b))


def _kron(a: Array, b: Array) -> Array:
    ndim = max(np.ndim(a), np.ndim(b))
    shape_a, shape_b = ((1,) * (ndim - np.ndim(x)) + np.shape(x) for x in (a, b))
    left = np.reshape(a, tuple([n for size in shape_a for n in (size, 1)]))
    right = np.reshape(b, tuple([n for size in shape_b for n in (1, size)]))
    return np.reshape(left * right, tuple([m * n for m, n in zip(shape_a, shape_b, strict=True)]))


def _cross(
    a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Array:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if np.shape(a)[-1] != 3 or np.shape(b)[-1] != 3:
        refuse("np.cross of vectors of other than three components", "append a zero to each")
    (a0, a1, a2), (b0, b1, b2) = ([x[..., i] for i in range(3)] for x in (a, b))
    parts = [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0]
    return np.stack(parts, axis=normalized_axes(axisc, np.ndim(parts[0]) + 1, "cross")[0])


def _vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    x1, x2 = as_array(x1), as_array(x2)
    if axis != -1:
        x1, x2 = np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1)
    return np.matmul(x1[..., None, :], x2[..., :, None])[..., 0, 0]


def _matrix_power(a: Array, n: int) -> Array:
    if n < 0:
        return _matrix_power(np.linalg.inv(a), -n)
    if n == 0:
        return a.constant(np.eye(a.shape[-1], dtype=a.dtype)).broadcast_to(a.shape)
    if n == 1:
        return a
    half = _matrix_power(a, n // 2)
    square = np.matmul(half, half)
    return np.matmul(square, a) if n % 2 else square


# --- einsum ---------------------------------------------------------------------------------


def _einsum(*operands: Any, out: Any = None, optimize: Any = None) -> Array:
    without("np.einsum", out=out)
    terms, after, arrays = _parsed(operands)
    for i, (term, x) in enumerate(zip(terms, arrays, strict=True)):
        terms[i], arrays[i] = _without_repeats(term, x)
    while len(arrays) > 1:
        later = set(after).union(*terms[2:])
        (first, second, *rest), (a, b, *others) = terms, arrays
        kept, product = contract(first, a, second, b, later)
        terms, arrays = [kept, *rest], [product, *others]
    (term,), (x,) = terms, arrays
    gone = tuple([i for i, letter in enumerate(term) if letter not in after])
    total = np.sum(x, axis=gone) if gone else x
    left = [letter for letter in term if letter in after]
    return np.transpose(total, tuple([left.index(letter) for letter in after]))


def _parsed(operands: Sequence[Any]) -> tuple[list[str], str, list[Array]]:
    """Read subscripts: a letter for each axis of each array, and the letters of the result."""
    if not isinstance(operands[0], str):
        operands = _as_text(operands)
    subscripts, *arrays = operands
    before, arrow, after = subscripts.replace(" ", "").replace("...", ".").partition("->")
    terms = before.split(",")
    named = before.replace(".", "").replace(",", "")
    more = [np.ndim(x) - len(term.replace(".", "")) for term, x in zip(terms, arrays, strict=False)]
    fits = [n >= 0 if "." in term else n == 0 for term, n in zip(terms, more, strict=False)]
    if len(terms) != len(arrays) or not all(fits) or not set(named) <= set(LETTERS):
        raise ValueError(f"einsum: {subscripts!r} does not fit {[np.shape(x) for x in arrays]}")
    count = max([n for term, n in zip(terms, more, strict=True) if "." in term], default=0)
    dots = "".join([letter for letter in LETTERS if letter not in subscripts][:count])
    terms = [
        term.replace(".", dots[count - n :]) if n else term.replace(".", "")
        for term, n in zip(terms, more, strict=True)
    ]
    if not arrow:
        after = "." + "".join(sorted([letter for letter in set(named) if named.count(letter) == 1]))
    if dots and "." not in after:
        raise ValueError(f"einsum: the result of {subscripts!r} has no '...', but an array has")
    after = after.replace(".", dots)
    if not set(after) <= set("".join(terms)) or len(set(after)) < len(after):
        raise ValueError(f"einsum: the result of {subscripts!r} names an index twice, or a new one")
    return terms, after, arrays


def _as_text(operands: Sequence[Any]) -> list[Any]:
    """Read ``einsum(a, [0, 1], b, [1, 2], [0, 2])``: numbers, or ..., in place of letters."""
    lists = [*operands[1::2], *(operands[-1:] if len(operands) % 2 else [])]
    words = ["".join(["..." if i is Ellipsis else LETTERS[i] for i in axes]) for axes in lists]
    arrays = operands[: len(operands) - len(operands) % 2 : 2]
    subscripts = ",".join(words[: len(arrays)])
    if len(operands) % 2:
        subscripts += "->" + words[-1]
    return [subscripts, *arrays]


def _without_repeats(term: str, x: Array) -> tuple[str, Array]:
    """Where an index is named twice, take the diagonal."""
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first, second = [i for i, other in enumerate(term) if other == letter][:2]
            if np.shape(x)[first] != np.shape(x)[second]:
                raise ValueError(f"einsum: the axes {letter!r} of {np.shape(x)} differ in length")
            x = np.diagonal(x, 0, first, second)  # which comes last
            rest = [other for i, other in enumerate(term) if i not in (first, second)]
            term = "".join(rest) + letter
    return term, x


def contract(first: str, a: Array, second: str, b: Array, later: set[str]) -> tuple[str, Array]:
    """Multiply two arrays with named axes, and sum over the names that are not needed later."""
    sides = []
    for own, x, others in (first, a, second), (second, b, first):
        gone = tuple([i for i, name in enumerate(own) if name not in later and name not in others])
        x = np.sum(x, axis=gone) if gone else x
        sides.append(("".join([name for i, name in enumerate(own) if i not in gone]), x))
    (first, a), (second, b) = sides
    both = [name for name in first if name in second]
    shape_a = dict(zip(first, np.shape(a), strict=True))
    shape_b = dict(zip(second, np.shape(b), strict=True))
    batch = [name for name in both if name in later]
    summed = [name for name in both if name not in later]
    left = [name for name in first if name not in both]
    right = [name for name in second if name not in both]
    whole = "".join(batch + left + right)
    unequal = [name for name in both if shape_a[name] != shape_b[name]]
    for name in unequal:
        if shape_a[name] != 1 and shape_b[name] != 1:
            raise ValueError(
                f"einsum: an index is {shape_a[name]} long in one array and {shape_b[name]} in "
                f"another, of shapes {np.shape(a)} and {np.shape(b)}"
            )
    if unequal or not summed:
        names = whole + "".join(summed)  # an axis of length 1 broadcasts
        product = _aligned(a, first, names) * _aligned(b, second, names)
        gone = tuple(range(len(whole), len(names)))
        return whole, np.sum(product, axis=gone) if gone else product

    def grouped(x: Array, own: str, shape: dict[str, Any], groups: Sequence[list[str]]) -> Array:
        order = tuple([own.index(name) for names in groups for name in names])
        lengths = [math.prod([shape[name] for name in names]) for names in groups[1:]]
        moved = np.transpose(x, order)
        return np.reshape(moved, (*[shape[name] for name in groups[0]], *lengths))

    product = matmul(
        grouped(a, first, shape_a, (batch, left, summed)),
        grouped(b, second, shape_b, (batch, summed, right)),
    )
    lengths = {**shape_b, **shape_a}
    return whole, np.reshape(product, tuple([lengths[name] for name in whole]))


def _aligned(x: Array, own: str, names: str) -> Array:
    """Return an array with one axis for each name, of length 1 where it has none."""
    x = np.transpose(x, tuple([own.index(name) for name in names if name in own]))
    sizes = iter(np.shape(x))
    return np.reshape(x, tuple([next(sizes) if name in own else 1 for name in names]))


def _outer(a: Array, b: Array, out: Any = None) -> Array:
    without("np.outer", out=out)
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


def _multi_dot(arrays: Sequence[Array], *, out: Any = None) -> Array:
    without("np.linalg.multi_dot", out=out)
    return reduce(np.dot, arrays)


ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.dot: _dot,
    np.inner: _inner,
    np.vdot: lambda a, b, /: np.matmul(np.ravel(a), np.ravel(b)),
    np.outer: _outer,
    np.linalg.outer: lambda x1, x2, /: _outer(x1, x2),
    np.tensordot: _tensordot,
    np.linalg.tensordot: lambda x1, x2, /, *, axes=2: _tensordot(x1, x2, axes),
    np.linalg.matmul: lambda x1, x2, /: np.matmul(x1, x2),
    np.vecdot: _vecdot,
    np.linalg.vecdot: _vecdot,
    np.kron: _kron,
    np.cross: _cross,
    np.linalg.cross: lambda x1, x2, /, *, axis=-1: _cross(x1, x2, axis=axis),
    np.linalg.multi_dot: _multi_dot,
    np.linalg.matrix_power: _matrix_power,
    np.einsum: _einsum,
}
if hasattr(np, "matvec"):  # since NumPy 2.2
    ANSWERS[np.matvec] = lambda x1, x2, /: np.matmul(x1, as_array(x2)[..., None])[..., 0]
    ANSWERS[np.vecmat] = lambda x1, x2, /: np.matmul(as_array(x1)[..., None, :], x2)[..., 0, :]
