"""Loss functions: the mean error of the outputs over a mini-batch, as a Tensor of shape ()."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..recording import MODE, scope
from ..sizes import now
from ..tensor import Tensor, TensorLike, as_tensor


def cross_entropy(logits: TensorLike, target: npt.ArrayLike) -> Tensor:
    """Compute the mean negative log-probability of the true classes.

        loss = (1/m) sum_i (log sum_j exp(logits_ij) - logits_i,target_i)

    Parameters
    ----------
    logits : array or Tensor of shape (m, classes)
    target : integers of shape (m,)
        The indices of the true classes, counted from 0.

    Returns
    -------
    Tensor of shape (). The largest logit of each example is subtracted first, so that no
    exponential overflows.

    Raises
    ------
    TypeError
        If the classes are not integers.
    ValueError
        For other shapes, an empty batch, and a class index out of range.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> tg.nn.cross_entropy([[0.0, 0.0], [1000.0, 0.0]], [1, 0])
    Tensor(0.34657359, name='loss')
    """
    logits = as_tensor(logits)
    traced = MODE.get().trace is not None and isinstance(target, Tensor)
    classes: Any = target if traced else np.asarray(target)
    if logits.ndim != 2 or now(classes.shape) != now(logits.shape[:1]) or not classes.size:
        raise ValueError(
            f"cross_entropy takes logits of shape (m, classes) and m target classes, m > 0; "
            f"not shapes {logits.shape} and {classes.shape}"
        )
    if classes.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: target holds class numbers, not {classes.dtype}")
    if not traced and (classes.min() < 0 or classes.max() >= logits.shape[1]):
        raise ValueError(
            f"cross_entropy: target has classes {classes.min()} to {classes.max()}, but "
            f"{logits.shape[1]} logits are for the classes 0 to {logits.shape[1] - 1}"
        )
    with scope("cross_entropy"):
        shifted = logits - logits.detach().max(axis=1, keepdims=True)
        log_total = np.log(np.exp(shifted).sum(axis=1))
        true_class = np.take_along_axis(shifted, np.reshape(classes, (-1, 1)), axis=1)[:, 0]
        loss: Tensor = (log_total - true_class).mean()
    loss.name = "loss"
    return loss


def mse(output: TensorLike, target: TensorLike) -> Tensor:
    """Compute the mean squared difference: (1/size) sum (output - target)^2.

    Both must have the same shape, with at least one value. Otherwise ValueError is raised; they
    are not broadcast, since that is nearly always a mistake here.

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
