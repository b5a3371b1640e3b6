"""Layers without windows: Linear, Flatten, Dropout, LayerNorm and the activations.

The names, shapes, defaults and initial distributions are those of PyTorch, so that values can be
copied from one library to the other.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..batch_norm import layer_norm
from ..recording import MODE
from ..sizes import now
from ..tensor import Tensor, TensorLike, as_tensor
from .init import Seed, fans, kaiming_uniform_, uniform_
from .module import Module, Parameter


class Linear(Module):
    """Compute y = x W^T + b, with `weight` W of shape (out, in) and `bias` b of shape (out,).

    Both are initialized uniformly over [-1/sqrt(in), 1/sqrt(in)). `x` has shape (..., in); for
    another shape, ValueError is raised.

    >>> import tinygrad_bn as tg
    >>> layer = tg.nn.Linear(3, 2, generator=0)
    >>> layer([[1.0, 2.0, 3.0]]).shape
    (1, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        generator: Seed = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        at_least_one(in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        shape = (out_features, in_features)
        self.weight, self.bias = weight_and_bias(shape, bias, generator, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        """Multiply `x` by the transposed weight, and add the bias."""
        x = as_tensor(x)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"Linear takes {self.in_features} features along the last axis; "
                f"x has shape {x.shape}"
            )
        y: Tensor = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:  # noqa: D102
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim` into one.

    >>> import numpy as np, tinygrad_bn as tg
    >>> tg.nn.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: TensorLike) -> Tensor:
        """Reshape `x`."""
        x = as_tensor(x)
        start, end = (d + x.ndim if d < 0 else d for d in (self.start_dim, self.end_dim))
        if not 0 <= start <= end < x.ndim:
            raise ValueError(
                f"Flatten from axis {self.start_dim} to axis {self.end_dim} does not fit "
                f"x of shape {x.shape}"
            )
        joined = math.prod(x.shape[start : end + 1])
        flat: Tensor = x.reshape(*x.shape[:start], joined, *x.shape[end + 1 :])
        return flat

    def extra_repr(self) -> str:  # noqa: D102
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """Set each value to 0 with probability `p` in training, and divide the others by 1 - p.

    In inference the layer returns its input unchanged. With a seed or a generator as `generator`,
    the random choices are repeatable. In a traced program the mask (true where a value is kept) is
    a separate input.

    >>> import tinygrad_bn as tg
    >>> tg.nn.Dropout(0.5).eval()([1.0, 2.0])
    Tensor([1., 2.])
    """

    def __init__(self, p: float = 0.5, *, generator: Seed = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be a probability, from 0 to 1, not {p}")
        self.p = p
        self.generator = np.random.default_rng(generator)

    def forward(self, x: TensorLike) -> Tensor:
        """Multiply `x` by a random mask."""
        x = as_tensor(x)
        if not self.training or self.p == 0:
            return x
        trace = MODE.get().trace
        if trace is not None:
            mask = trace.input(np.ones(now(x.shape), bool), "mask", x.shape)
        else:
            mask = x.constant(self.generator.random(x.shape) >= self.p)
            mask.name = "mask"
        scale = 0.0 if self.p == 1 else 1 / (1 - self.p)
        dropped: Tensor = x * (mask.astype(x.dtype) * scale)
        return dropped

    def extra_repr(self) -> str:  # noqa: D102
        return f"p={self.p}"


class LayerNorm(Module):
    """Normalize each example over its last axes (see ``tg.layer_norm``).

    `normalized_shape` is the shape of those axes, or an integer for the last axis alone. `weight`
    is initialized to 1 and `bias` to 0. The result does not depend on the other examples of the
    batch, so training and inference are the same. Source: Ba, Kiros and Hinton, 2016,
    arXiv:1607.06450.

    >>> import tinygrad_bn as tg
    >>> tg.nn.LayerNorm(2, eps=0.0)([[1.0, 3.0], [10.0, 30.0]]).data
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        if isinstance(normalized_shape, int | np.integer):
            normalized_shape = (int(normalized_shape),)
        self.normalized_shape = tuple(normalized_shape)
        self.eps = eps
        self.weight: Parameter | None = None
        self.bias: Parameter | None = None
        if elementwise_affine:
            self.weight = Parameter(np.ones(self.normalized_shape), name="weight", dtype=dtype)
            self.bias = Parameter(np.zeros(self.normalized_shape), name="bias", dtype=dtype)

    def forward(self, x: TensorLike) -> Tensor:
        """Normalize `x` over its last axes."""
        x = as_tensor(x)
        axes = tuple(range(-len(self.normalized_shape), 0))
        if x.shape[-len(axes) :] != self.normalized_shape:
            raise ValueError(
                f"LayerNorm normalizes over last axes of shape {self.normalized_shape}; "
                f"x has shape {x.shape}"
            )
        return layer_norm(x, self.weight, self.bias, axis=axes, eps=self.eps)

    def extra_repr(self) -> str:  # noqa: D102
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"
        )


class Sigmoid(Module):
    """Compute 1 / (1 + exp(-x)), element by element."""

    def forward(self, x: TensorLike) -> Tensor:  # noqa: D102
        y: Tensor = as_tensor(x).sigmoid()
        return y


class Tanh(Module):
    """Compute tanh(x), element by element."""

    def forward(self, x: TensorLike) -> Tensor:  # noqa: D102
        y: Tensor = as_tensor(x).tanh()
        return y


class ReLU(Module):
    """Compute max(x, 0), element by element."""

    def forward(self, x: TensorLike) -> Tensor:  # noqa: D102
        y: Tensor = as_tensor(x).relu()
        return y


class LeakyReLU(Module):
    """Compute x where x > 0, and `negative_slope` times x elsewhere."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: TensorLike) -> Tensor:  # noqa: D102
        y: Tensor = as_tensor(x).leaky_relu(self.negative_slope)
        return y

    def extra_repr(self) -> str:  # noqa: D102
        return f"negative_slope={self.negative_slope}"


def at_least_one(**sizes: int) -> None:
    """Raise ValueError unless every size is an integer of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"{name} must be an integer of at least 1, not {size!r}")


def weight_and_bias(
    shape: tuple[int, ...], bias: bool, generator: Seed, dtype: npt.DTypeLike | None
) -> tuple[Parameter, Parameter | None]:
    """Make the parameters of a Linear or Conv2d, with the initial distribution of PyTorch."""
    generator = np.random.default_rng(generator)
    weight = Parameter(np.zeros(shape), name="weight", dtype=dtype)
    kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
    if not bias:
        return weight, None
    bound = 1 / math.sqrt(fans(weight)[0])
    started = Parameter(np.zeros(shape[0]), name="bias", dtype=dtype)
    uniform_(started, -bound, bound, generator=generator)
    return weight, started
