"""Functions that move numbers: reversed, rolled, padded, taken, cut at a diagonal.

Those that a slice or an index can express are composed; the rest are rows whose rule is the
movement back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import normalized_axes
from ..shapes import scatter
from ..table import Array, Primitive, primitive
from .arguments import along, part, plain, refuse, without
from .cumulative import flip

# fmt: off

roll: Primitive = primitive(
    "roll", lambda x, shift, axis: np.roll(x, shift, axis), numpy=(np.roll,), analytic=True,
    shape=lambda x, shift, axis: x,
    vjps=(lambda g, out, x, shift, axis: roll(g, shift=tuple([-n for n in shift]), axis=axis),),
    math=("a, rolled", r"\operatorname{roll} a"),
    rules=(("g, rolled back", r"\operatorname{roll}^{-1} g"),),
    example=("np.roll(tg.Tensor([1.0, 2.0, 3.0]), 1)", "Tensor([3., 1., 2.])"),
)


def _triangle(name: str, sign: str) -> Primitive:
    row: Primitive = primitive(
        name, lambda x, k: getattr(np, name)(x, k), numpy=(getattr(np, name),), analytic=True,
        shape=lambda x, k: x, vjps=(lambda g, out, x, k: row(g, k=k),),
        math=(f"a_ij where j - i {sign} k", rf"a_{{ij}}\,[j-i\{'le' if sign == '<=' else 'ge'} k]"),
        rules=(("g there, else 0", r"g_{ij}"),),
        example=(f"np.{name}(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]))",
                 "Tensor([[1., 0.], [3., 4.]])" if name == "tril" else
                 "Tensor([[1., 2.], [0., 4.]])"),
    )
    return row


tril, triu = _triangle("tril", "<="), _triangle("triu", ">=")

# fmt: on


def _flip(m: Array, axis: Any = None) -> Array:
    return flip(m, axis=normalized_axes(axis, m.ndim, "flip"))


def _rot90(m: Array, k: int = 1, axes: Any = (0, 1)) -> Array:
    first, second = normalized_axes(tuple(axes), m.ndim, "rot90")
    if k % 4 == 2:
        return _flip(m, (first, second))
    if k % 2:
        m = np.swapaxes(m, first, second)
        return _flip(m, first if k % 4 == 1 else second)
    return m


def _roll(a: Array, shift: Any, axis: Any = None) -> Array:
    if axis is None:
        return np.reshape(_roll(np.reshape(a, (-1,)), shift, 0), a.shape)
    pairs = np.broadcast(np.atleast_1d(plain(shift)), np.atleast_1d(axis))
    shifts, axes = zip(*[(int(n), int(i)) for n, i in pairs], strict=True)
    there = tuple([normalized_axes(i, a.ndim, "roll")[0] for i in axes])
    return roll(a, shift=shifts, axis=there)


# --- taking ---------------------------------------------------------------------------------


def _take(a: Array, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Array:
    without("np.take", out=out)
    if mode != "raise":
        refuse(f"np.take with mode={mode!r}", "bring the indices into the range first")
    if axis is None:
        a, axis = np.reshape(a, (-1,)), 0
    (axis,) = normalized_axes(axis, a.ndim, "take")
    whole = indices if hasattr(indices, "__apply_primitive__") else np.asarray(indices)
    return a[along(axis, whole if np.ndim(whole) else int(whole))]


def _compress(condition: Any, a: Array, axis: Any = None, out: Any = None) -> Array:
    without("np.compress", out=out)
    return _take(a, np.flatnonzero(plain(condition)), axis)


def _delete(arr: Array, obj: Any, axis: Any = None) -> Array:
    if axis is None:
        arr, axis = np.reshape(arr, (-1,)), 0
    (axis,) = normalized_axes(axis, arr.ndim, "delete")
    return _take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(f"select: {len(condlist)} conditions for {len(choicelist)} choices")
    result = default
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        result = np.where(condition, choice, result)
    return result


# --- diagonals ------------------------------------------------------------------------------


def _diagonal(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Cut the diagonal out: in the flattened matrix it is every (columns + 1)-th value."""
    first, second = normalized_axes((axis1, axis2), a.ndim, "diagonal")
    a = np.moveaxis(a, (first, second), (-2, -1))
    rows, columns = a.shape[-2:]
    start, step, count = _on_diagonal(rows, columns, offset)
    flat = np.reshape(a, (*a.shape[:-2], rows * columns))
    return flat[..., slice(start, start + count * step, step) if count else slice(0, 0)]


def _on_diagonal(rows: Any, columns: Any, offset: int) -> tuple[Any, Any, Any]:
    """Where a diagonal starts in the flattened matrix, its step, and how long it is."""
    if offset >= 0:
        start, count = offset, min(rows, columns - offset)
    else:
        start, count = -offset * columns, min(rows + offset, columns)
    return start, columns + 1, max(count, 0)


def _diag(v: Array, k: int = 0) -> Array:
    if v.ndim == 2:
        return _diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag: an array of one or two axes is expected, not of shape {v.shape}")
    n = v.shape[0] + abs(k)
    start, step, count = _on_diagonal(n, n, k)
    place = slice(start, start + count * step, step) if count else slice(0, 0)
    return np.reshape(scatter(v, index=place, shape=(n * n,)), (n, n))


def _trace(
    a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Array:
    without("np.trace", dtype=dtype, out=out)
    return np.sum(_diagonal(a, offset, axis1, axis2), axis=-1)


def _triangle_answer(row: Primitive) -> Callable[..., Array]:
    def answer(m: Array, k: int = 0) -> Array:
        if m.ndim == 1:  # as NumPy does: a row, repeated
            m = np.broadcast_to(m, (m.shape[0], m.shape[0]))
        if m.ndim == 0:
            raise ValueError(f"{row}: a single number has no triangle")
        return row(m, k=int(k))

    return answer


# --- padding --------------------------------------------------------------------------------


def _pad(array: Array, pad_width: Any, mode: str = "constant", **options: Any) -> Array:
    if mode not in PADDING or set(options) - {"constant_values"}:
        given = "".join(f", {name}=" for name in options)
        refuse(f"np.pad with mode={mode!r}{given}", f"there is {', '.join(PADDING)}")
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, pad_width.get(i - array.ndim, 0)) for i in range(array.ndim)]
        pad_width = [(w, w) if np.ndim(w) == 0 else w for w in pad_width]
    widths = np.broadcast_to(np.asarray(plain(pad_width)), (array.ndim, 2)).tolist()
    if any(n < 0 or n != int(n) for pair in widths for n in pair):
        raise ValueError(f"pad: widths are whole numbers and not negative; {pad_width} came")
    values = options.get("constant_values", 0)
    fill = np.broadcast_to(np.asarray(plain(values)), (array.ndim, 2)).tolist()
    for axis, (before, after) in enumerate(widths):
        ends = zip((before, after), fill[axis], (True, False), strict=True)
        pieces = [PADDING[mode](array, axis, int(n), value, at) for n, value, at in ends]
        if before or after:
            array = np.concatenate([pieces[0], array, pieces[1]], axis)
    return array


def _constant(x: Array, axis: int, n: int, value: float, at_start: bool) -> Array:
    shape = tuple([n if i == axis else m for i, m in enumerate(x.shape)])
    return np.full_like(x, value, shape=shape)


def _edge(x: Array, axis: int, n: int, value: float, at_start: bool) -> Array:
    edge = part(x, axis, 0, 1) if at_start else part(x, axis, -1, None)
    return np.broadcast_to(edge, tuple([n if i == axis else m for i, m in enumerate(x.shape)]))


def _mirrored(skip: int) -> Callable[..., Array]:
    """Reflect at the edge, which is repeated (skip 0) or not (skip 1)."""

    def mirrored(x: Array, axis: int, n: int, value: float, at_start: bool) -> Array:
        length = x.shape[axis]
        _check_once(n, length - skip, "reflect" if skip else "symmetric")
        start, stop = (skip, skip + n) if at_start else (length - skip - n, length - skip)
        return flip(part(x, axis, start, stop), axis=(axis,))

    return mirrored


def _wrapped(x: Array, axis: int, n: int, value: float, at_start: bool) -> Array:
    length = x.shape[axis]
    _check_once(n, length, "wrap")
    return part(x, axis, length - n, length) if at_start else part(x, axis, 0, n)


def _check_once(n: int, most: Any, mode: str) -> None:
    if n > most:
        refuse(f"np.pad with mode={mode!r} and a width of {n}", f"here it is {most} at most")


PADDING: dict[str, Callable[..., Array]] = {
    "constant": _constant,
    "edge": _edge,
    "reflect": _mirrored(1),
    "symmetric": _mirrored(0),
    "wrap": _wrapped,
}

ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.flip: _flip,
    np.fliplr: lambda m: _flip(m, 1),
    np.flipud: lambda m: _flip(m, 0),
    np.rot90: _rot90,
    np.roll: _roll,
    np.take: _take,
    np.compress: _compress,
    np.extract: lambda condition, arr: _compress(np.ravel(condition), arr),
    np.delete: _delete,
    np.select: _select,
    np.diagonal: _diagonal,
    np.diag: _diag,
    np.diagflat: lambda v, k=0: _diag(np.ravel(v), k),
    np.trace: _trace,
    np.tril: _triangle_answer(tril),
    np.triu: _triangle_answer(triu),
    np.pad: _pad,
    np.linalg.diagonal: lambda x, *, offset=0: _diagonal(x, offset, -2, -1),
    np.linalg.trace: lambda x, *, offset=0, dtype=None: _trace(x, offset, -2, -1, dtype),
}
