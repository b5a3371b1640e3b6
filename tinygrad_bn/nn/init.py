"""Initial values of parameters, from a generator that can be seeded.

Each function replaces the value of a tensor and returns the tensor. `generator` is a
``numpy.random.Generator``, a seed, or None for numbers that differ every time. The names,
arguments and distributions are those of PyTorch.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from ..tensor import Tensor

Seed: TypeAlias = "np.random.Generator | int | None"

GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2)}


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Seed = None
) -> Tensor:
    """Draw from the normal distribution N(mean, std^2).

    >>> import tinygrad_bn as tg
    >>> w = tg.nn.Parameter([[0.0] * 1000])
    >>> round(float(tg.nn.init.normal_(w, std=0.1, generator=0).data.std()), 2)
    0.1
    """
    if not 0 <= std < math.inf:
        raise ValueError(f"std must be finite and at least 0, not {std}")
    values = np.random.default_rng(generator).normal(mean, std, tensor.shape)
    tensor.data = values.astype(tensor.dtype)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Seed = None) -> Tensor:
    """Draw from the uniform distribution over [a, b)."""
    values = np.random.default_rng(generator).uniform(a, b, tensor.shape)
    tensor.data = values.astype(tensor.dtype)
    return tensor


def xavier_normal_(tensor: Tensor, gain: float = 1.0, *, generator: Seed = None) -> Tensor:
    """Draw from N(0, std^2) with std = gain sqrt(2 / (fan_in + fan_out)) (Glorot, Bengio 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator=generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, *, generator: Seed = None) -> Tensor:
    """Draw uniformly, with the standard deviation of ``xavier_normal_``."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator=generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Seed = None,
) -> Tensor:
    """Draw from N(0, std^2) with std = gain / sqrt(fan) (He et al. 2015).

    `mode` is "fan_in" or "fan_out". `a` is the negative slope of a leaky ReLU (see
    ``calculate_gain``).
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator=generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Seed = None,
) -> Tensor:
    """Draw uniformly, with the standard deviation of ``kaiming_normal_``.

    With a = sqrt(5) this is the uniform distribution over [-1/sqrt(fan_in), 1/sqrt(fan_in)), the
    initial distribution of Linear and Conv2d.
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator=generator)


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """Return the factor by which the weights before a nonlinearity are scaled.

    The factor is 1 for "linear" and "sigmoid", 5/3 for "tanh", sqrt(2) for "relu", and
    sqrt(2 / (1 + param^2)) for "leaky_relu" with negative slope `param`. Raises ValueError for
    another name.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + param**2))
    if nonlinearity not in GAINS:
        known = ", ".join([*GAINS, "leaky_relu"])
        raise ValueError(f"no gain is known for {nonlinearity!r}; known are {known}")
    return GAINS[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """Return fan_in and fan_out of a weight of shape (out, in) or (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ValueError(f"a weight has at least two axes; this one has shape {tensor.shape}")
    out_features, in_features, *kernel = tensor.shape
    return in_features * math.prod(kernel), out_features * math.prod(kernel)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', not {mode!r}")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)
