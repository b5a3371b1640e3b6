"""Two primitives: ``windows`` cuts images into windows, ``overlap_add`` adds windows to images.

They are the only primitives that convolution and pooling add. A convolution is a matrix product
with the windows, and a pooling is their maximum or mean. Each of the two primitives is the adjoint
of the other. The backward rule of each is therefore the other, for derivatives of any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..table import Array, Primitive, primitive

Pair = tuple[int, int]


def places(size: int, kernel: int, stride: int, padding: int) -> int:
    """Count the places along an axis at which a window fits into the padded image."""
    return (size + 2 * padding - kernel) // stride + 1


def _views(image: Array, kernel: Pair, stride: Pair, out: Pair) -> Iterator[tuple[int, int, Array]]:
    """Yield, for each position inside a window, a view of the pixels there in all windows."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i, i + stride[0] * (out[0] - 1) + 1, stride[0])
            columns = slice(j, j + stride[1] * (out[1] - 1) + 1, stride[1])
            yield i, j, image[:, :, rows, columns]


def _inner(padding: Pair, size: Pair) -> tuple[slice, slice, slice, slice]:
    rows, columns = (slice(p, p + n) for p, n in zip(padding, size, strict=True))
    return slice(None), slice(None), rows, columns


def _windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, fill: float) -> Array:
    n, channels, *size = x.shape
    if any(padding):
        padded = [m + 2 * p for m, p in zip(size, padding, strict=True)]
        image = np.full((n, channels, *padded), fill, x.dtype)
        image[_inner(padding, x.shape[2:])] = x
    else:
        image = x
    rows, columns = map(places, size, kernel, stride, padding)
    cut = np.empty((channels, *kernel, n, rows, columns), x.dtype)
    for i, j, view in _views(image, kernel, stride, (rows, columns)):
        cut[:, i, j] = view.transpose(1, 0, 2, 3)
    return cut


def _shape_of_windows(
    x: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, fill: float
) -> list[Any]:
    return [x[1], *kernel, x[0], *map(places, x[2:], kernel, stride, padding)]


def _overlap_add(x: Array, size: Pair, stride: Pair, padding: Pair) -> Array:
    channels, *kernel, n, rows, columns = x.shape
    padded = [m + 2 * p for m, p in zip(size, padding, strict=True)]
    image = np.zeros((n, channels, *padded), x.dtype)
    for i, j, view in _views(image, kernel, stride, (rows, columns)):
        view += x[:, i, j].transpose(1, 0, 2, 3)
    return image[_inner(padding, size)]


def _from_windows(
    g: Array, out: Array, x: Array, kernel: Pair, stride: Pair, padding: Pair, fill: float
) -> Array:
    return overlap_add(g, size=x.shape[2:], stride=stride, padding=padding)


def _to_windows(g: Array, out: Array, x: Array, size: Pair, stride: Pair, padding: Pair) -> Array:
    return windows(g, kernel=x.shape[1:3], stride=stride, padding=padding, fill=0.0)


# fmt: off

windows: Primitive = primitive(
    # (n, channels, height, width) -> (channels, *kernel, n, *places); the padding is `fill`
    "windows", _windows, vjps=(_from_windows,), shape=_shape_of_windows,
    math=("the windows of a", r"\operatorname{windows} a"),
    rules=(("the windows of g, added up", r"\operatorname{windows}^{T} g"),),
    example=("tg.nn.windows.windows(tg.Tensor([[[[1.0, 2.0, 3.0]]]]), kernel=(1, 2), "
             "stride=(1, 1), padding=(0, 0), fill=0.0).reshape(2, 2)",
             "Tensor([[1., 2.],\n        [2., 3.]])"),
)
overlap_add: Primitive = primitive(
    # (channels, *kernel, n, *places) -> (n, channels, *size)
    "overlap_add", _overlap_add, vjps=(_to_windows,),
    shape=lambda x, size, stride, padding: (x[3], x[0], *size),
    math=("the windows a, added up", r"\operatorname{windows}^{T} a"),
    rules=(("the windows of g", r"\operatorname{windows} g"),),
    example=("tg.nn.windows.overlap_add(tg.Tensor([[[[[[1.0, 2.0]]], [[[2.0, 3.0]]]]]]), "
             "size=(1, 3), stride=(1, 1), padding=(0, 0)).reshape(3)", "Tensor([1., 4., 3.])"),
)
