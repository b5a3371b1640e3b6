"""Losses: a single number that says how wrong the outputs are, averaged over the mini-batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..recording import scope
from ..tensor import Tensor, TensorLike, as_tensor


def cross_entropy(logits: TensorLike, target: npt.ArrayLike) -> Tensor:
    """Average the negative log-probability of the true classes.

        loss = (1/m) sum_i (log sum_j exp(logits_ij) - logits_i,target_i)

    Parameters
    ----------
    logits : array or Tensor of shape (m, classes)
    target : integers of shape (m,)
        The true classes, from 0.

    Returns
    -------
    Tensor of shape (). The largest logit of each example is subtracted first, so that no
    exponential overflows.

    Raises
    ------
    TypeError
        If the classes are not integers.
    ValueError
        For other shapes, an empty batch, and a class that is not there.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> tg.nn.cross_entropy([[0.0, 0.0], [1000.0, 0.0]], [1, 0])
    Tensor(0.34657359, name='loss')
    """
    logits, classes = as_tensor(logits), np.asarray(target)
    if logits.ndim != 2 or classes.shape != logits.shape[:1] or not classes.size:
        raise ValueError(
            f"cross_entropy takes logits of shape (m, classes) and m target classes, m > 0; "
            f"not shapes {logits.shape} and {classes.shape}"
        )
    if classes.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: target holds class numbers, not {classes.dtype}")
    if classes.min() < 0 or classes.max() >= logits.shape[1]:
        raise ValueError(
            f"cross_entropy: target has classes {classes.min()} to {classes.max()}, but "
            f"{logits.shape[1]} logits are for the classes 0 to {logits.shape[1] - 1}"
        )
    with scope("cross_entropy"):
        shifted = logits - logits.data.max(axis=1, keepdims=True)
        log_total = np.log(np.exp(shifted).sum(axis=1))
        loss: Tensor = (log_total - shifted[np.arange(classes.size), classes]).mean()
    loss.name = "loss"
    return loss


def mse(output: TensorLike, target: TensorLike) -> Tensor:
    """Average the squared differences: (1/size) sum (output - target)^2.

    Both have the same shape (ValueError otherwise: broadcasting here is nearly always a mistake).

    >>> import tinygrad_bn as tg
    >>> tg.nn.mse([1.0, 2.0], [1.0, 4.0])
    Tensor(2., name='loss')
    """
    output, target = as_tensor(output), as_tensor(target)
    if output.shape != target.shape or not output.size:
        raise ValueError(
            "mse: output and target must have the same shape and at least one value; "
            f"they have shapes {output.shape} and {target.shape}"
        )
    with scope("mse"):
        loss: Tensor = ((output - target) ** 2).mean()
    loss.name = "loss"
    return loss
