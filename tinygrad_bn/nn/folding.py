"""Folding of batch normalization into the layer before it, for inference."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeVar

import numpy.typing as npt

from .conv import Conv2d
from .layers import Linear
from .module import Module, Parameter, Sequential
from .norm import BatchNorm

Array = npt.NDArray[Any]
M = TypeVar("M", bound=Module)


def fold_batch_norm(model: M) -> M:
    """Make a copy for inference in which BatchNorm layers are folded into the layers before them.

    In inference, a BatchNorm computes y = scale x + shift for each feature
    (``BatchNorm.affine``). If the BatchNorm directly follows a Linear or Conv2d in a Sequential,
    anywhere in the model, this map becomes part of the weights of that layer:

        W' = scale W,    b' = scale b + shift

    The copy is in eval mode. Its outputs equal those of the model in eval mode up to rounding. The
    model is not changed. A BatchNorm is not folded if it follows another kind of layer, is outside
    of a Sequential, or has other features than the layer before it (as with ``axis=0`` after
    Conv2d). The input of a Linear before a BatchNorm is assumed to have two axes. Source:
    source 1.

    >>> import tinygrad_bn as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(4, 3), tg.nn.BatchNorm(3), tg.nn.ReLU())
    >>> tg.nn.fold_batch_norm(model)
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (2): ReLU()
    )
    """
    folded = deepcopy(model).eval()
    for module in list(folded.modules()):
        if isinstance(module, Sequential):
            module.layers = _folded(module.layers)
    return folded


def _folded(layers: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, layer in layers.items():
        before = next(reversed(kept), None)
        if before is not None and isinstance(layer, BatchNorm) and _fits(kept[before], layer):
            kept[before] = _with_affine(kept[before], *layer.affine())
        else:
            kept[name] = layer
    return kept


def _fits(layer: Any, norm: BatchNorm) -> bool:
    if isinstance(layer, Conv2d):
        return norm.axis in (None, (0, 2, 3)) and norm.shape == (layer.out_channels,)
    return (
        isinstance(layer, Linear)
        and norm.axis in (None, 0, (0,))
        and norm.shape == (layer.out_features,)
    )


def _with_affine(layer: Any, scale: Array, shift: Array) -> Any:
    """Return a copy of a Linear or Conv2d, composed with an affine map of its outputs.

    The layer itself does not change, since other parts of the model may use it.
    """
    new = deepcopy(layer)
    weight = layer.weight.data
    bias = shift if layer.bias is None else scale * layer.bias.data + shift
    new.weight = Parameter(weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), name="weight")
    new.bias = Parameter(bias, name="bias")
    return new
