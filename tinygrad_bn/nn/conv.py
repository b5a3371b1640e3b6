"""Conv2d, MaxPool2d and AvgPool2d, computed from the windows of images (windows.py)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..tensor import Tensor, TensorLike, as_tensor
from .init import Seed
from .layers import at_least_one, weight_and_bias
from .module import Module
from .windows import Pair, places, windows


class Conv2d(Module):
    """Convolve images with kernels: y[n, o] = b[o] + sum over c of W[o, c] * x[n, c].

    As in other libraries, * is the cross-correlation. `x` has shape (N, in_channels, H, W).
    `weight` has shape (out_channels, in_channels / groups, kh, kw) and `bias` (out_channels,).
    Both are initialized uniformly over [-1/sqrt(fan_in), 1/sqrt(fan_in)). The result has shape
    (N, out_channels, H', W') with H' = (H + 2 padding - kh) // stride + 1.

    `groups` divides the channels and the kernels into that many groups. An output channel depends
    only on the input channels of its own group. `kernel_size`, `stride` and `padding` are each an
    integer or a pair of integers. The padding consists of zeros.

    Raises ValueError for inconsistent sizes, and for padded images smaller than the kernel.

    >>> import numpy as np, tinygrad_bn as tg
    >>> layer = tg.nn.Conv2d(3, 8, kernel_size=3, padding=1, generator=0)
    >>> layer(np.ones((2, 3, 5, 5))).shape
    (2, 8, 5, 5)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        *,
        groups: int = 1,
        bias: bool = True,
        generator: Seed = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        at_least_one(in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = pair("kernel_size", kernel_size, least=1)
        self.stride = pair("stride", stride, least=1)
        self.padding = pair("padding", padding, least=0)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight, self.bias = weight_and_bias(shape, bias, generator, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        """Multiply the windows of all images by the kernels, one matrix product for each group."""
        x = as_tensor(x)
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"Conv2d takes images of shape (N, {self.in_channels}, H, W), not {x.shape}"
            )
        cut = cut_windows(x, self.kernel_size, self.stride, self.padding, 0.0)
        n, rows, columns = cut.shape[3:]
        size = math.prod(self.weight.shape[1:])
        kernels = self.weight.reshape(self.groups, self.out_channels // self.groups, size)
        y: Tensor = kernels @ cut.reshape(self.groups, size, n * rows * columns)
        y = y.reshape(self.out_channels, n, rows, columns)
        if self.bias is not None:
            y = y + self.bias.reshape(-1, 1, 1, 1)
        images: Tensor = y.transpose(1, 0, 2, 3)
        return images

    def extra_repr(self) -> str:  # noqa: D102
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, groups={self.groups}, "
            f"bias={self.bias is not None}"
        )


class _Pool2d(Module):
    """Base class of MaxPool2d and AvgPool2d, whose windows each cover one channel."""

    fill: float

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
    ) -> None:
        self.kernel_size = pair("kernel_size", kernel_size, least=1)
        self.stride = self.kernel_size if stride is None else pair("stride", stride, least=1)
        self.padding = pair("padding", padding, least=0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(
                f"padding {self.padding} is more than half of the kernel {self.kernel_size}: "
                "some windows would hold padding alone"
            )

    def windows(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        if x.ndim != 4:
            raise ValueError(
                f"{type(self).__name__} takes images of shape (N, C, H, W), not {x.shape}"
            )
        return cut_windows(x, self.kernel_size, self.stride, self.padding, self.fill)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool2d):
    """Compute the maximum of each window.

    The images have shape (N, C, H, W). The sizes are as in Conv2d; with `stride` None, the stride
    is the kernel size, so that the windows do not overlap. The padding is -inf, so it is never
    larger than a value of the image. If several values of a window are the maximum, the gradient
    is divided equally among them, as for every maximum in this package. (The pooling of PyTorch
    assigns the whole gradient to the first.)

    >>> import tinygrad_bn as tg
    >>> tg.nn.MaxPool2d(2)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[4.]]]])
    """

    fill = -np.inf

    def forward(self, x: TensorLike) -> Tensor:  # noqa: D102
        y: Tensor = self.windows(x).max(axis=(1, 2)).transpose(1, 0, 2, 3)
        return y


class AvgPool2d(_Pool2d):
    """Compute the mean of each window, which includes the zeros of the padding.

    The shapes and arguments are those of MaxPool2d.

    >>> import tinygrad_bn as tg
    >>> tg.nn.AvgPool2d(2)([[[[1.0, 2.0], [4.0, 3.0]]]])
    Tensor([[[[2.5]]]])
    """

    fill = 0.0

    def forward(self, x: TensorLike) -> Tensor:  # noqa: D102
        y: Tensor = self.windows(x).mean(axis=(1, 2)).transpose(1, 0, 2, 3)
        return y


def cut_windows(x: Tensor, kernel: Pair, stride: Pair, padding: Pair, fill: float) -> Tensor:
    """Cut images (N, C, H, W) into windows of shape (C, kh, kw, N, H', W')."""
    if min(map(places, x.shape[2:], kernel, stride, padding)) < 1:
        raise ValueError(
            f"a kernel of {kernel} does not fit into images of {x.shape[2:]} with padding {padding}"
        )
    params = {"kernel": kernel, "stride": stride, "padding": padding, "fill": fill}
    cut: Tensor = windows(x, **params)
    return cut


def pair(name: str, value: int | Pair, least: int) -> Pair:
    """Return `value` as a pair of integers; one integer stands for two equal ones."""
    two = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(two) != 2 or not all(isinstance(n, int | np.integer) and n >= least for n in two):
        raise ValueError(
            f"{name} must be an integer of at least {least} or a pair of them, not {value!r}"
        )
    return int(two[0]), int(two[1])
