"""The training step of batch norm, as each column of the benchmark computes it.

A column prepares its arrays once and returns a closure. The closure runs forward and backward, and
returns (y, dx, dgamma, dbeta) in the array type of its library. The columns "op by op" and "from
primitives" evaluate one formula, ``by_primitives``, with the functions of their library. Every peer
is optional.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..autodiff import grad
from ..batch_norm import batch_norm
from ..tensor import Tensor

Array = npt.NDArray[Any]
Step = Callable[[], Any]

EPS = 1e-5


class AbsentError(Exception):
    """A peer is not available. The message is the reason."""


class Batch(NamedTuple):
    """A mini-batch in float32: gamma and beta have one value for each channel (axis 1)."""

    x: Array
    gamma: Array
    beta: Array
    dy: Array

    @property
    def axes(self) -> tuple[int, ...]:
        """Return the axes averaged over."""
        return tuple(i for i in range(self.x.ndim) if i != 1)

    @property
    def spread(self) -> tuple[int, ...]:
        """Return the shape in which gamma and beta broadcast against x."""
        return (-1, *(1 for _ in self.x.shape[2:]))


class Column(NamedTuple):
    """One column: its label, the package that it needs (or None), and how to make its closure."""

    label: str
    package: str | None
    prepare: Callable[[Batch], Step]


def make_batch(shape: tuple[int, ...], seed: int = 0) -> Batch:
    """Draw a batch whose channels have different means and deviations, and a cotangent for it."""
    rng = np.random.default_rng(seed)
    along_channels = (shape[1], *(1 for _ in shape[2:]))
    mean = rng.normal(size=along_channels)
    spread = rng.uniform(0.5, 2.0, along_channels)
    arrays = (
        mean + spread * rng.normal(size=shape),
        rng.uniform(0.5, 2.0, shape[1]),
        rng.normal(size=shape[1]),
        rng.normal(size=shape),
    )
    return Batch(*(array.astype(np.float32) for array in arrays))


def load(module: str) -> Any:
    """Import a module of a peer. Raises AbsentError if that is not possible."""
    package = module.split(".")[0]
    try:
        return importlib.import_module(module)
    except Exception as error:  # a broken installation may raise anything
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            raise AbsentError(f"{package} is not installed") from None
        raise AbsentError(f"{package} cannot be imported: {error}") from None


def numpy_array(value: Any) -> Array:
    """Convert the array of any column to a NumPy array."""
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


def by_primitives(xp: Any, leaves: Sequence[Any], batch: Batch, eps: Any = EPS) -> Any:
    """Compute batch norm with the functions of the namespace `xp` and its arrays' operators."""
    x, gamma, beta = leaves
    mu = xp.mean(x, axis=batch.axes, keepdims=True)
    x_centered = x - mu
    var = xp.mean(x_centered**2, axis=batch.axes, keepdims=True)
    x_hat = x_centered / xp.sqrt(var + eps)
    if x.ndim > 2:
        gamma, beta = gamma.reshape(batch.spread), beta.reshape(batch.spread)
    return x_hat * gamma + beta


# --- the columns ----------------------------------------------------------------------------


def ours(batch: Batch) -> Step:
    """Make the step with this package: batch norm, and the reverse pass over its graph."""
    leaves = tuple(Tensor(array, requires_grad=True) for array in batch[:3])
    dy = Tensor(batch.dy)

    def step() -> tuple[Any, ...]:
        y = batch_norm(*leaves, eps=EPS)
        return y, *grad(y, leaves, dy)

    return step


def numpy_by_hand(batch: Batch) -> Step:
    """Make the step by the closed form in NumPy, with two arrays of the size of x besides y."""
    x, gamma, beta, dy = batch
    axes, m = batch.axes, x.size // x.shape[1]
    scale, shift = gamma.reshape(batch.spread), beta.reshape(batch.spread)

    def step() -> tuple[Any, ...]:
        x_hat = x - x.mean(axes, keepdims=True)
        product = np.square(x_hat)
        std = np.sqrt(product.mean(axes, keepdims=True) + np.float32(EPS))
        x_hat /= std
        y = x_hat * scale
        y += shift
        dbeta = dy.sum(axes, keepdims=True)
        np.multiply(dy, x_hat, out=product)
        dgamma = product.sum(axes, keepdims=True)
        x_hat *= dgamma / np.float32(-m)
        x_hat += dy
        x_hat -= dbeta / np.float32(m)
        x_hat *= scale / std
        return y, x_hat, dgamma.reshape(gamma.shape), dbeta.reshape(beta.shape)

    return step


def torch_by_primitives(batch: Batch) -> Step:
    """Make the step with PyTorch in eager mode, op by op."""
    torch = load("torch")
    *leaves, dy = _torch_tensors(torch, batch)

    def step() -> tuple[Any, ...]:
        y = by_primitives(torch, leaves, batch)
        return y, *torch.autograd.grad(y, leaves, dy)

    return step


def torch_fused(batch: Batch) -> Step:
    """Make the step with the single kernel of PyTorch for batch norm."""
    torch = load("torch")
    *leaves, dy = _torch_tensors(torch, batch)
    x, gamma, beta = leaves
    function = torch.nn.functional.batch_norm

    def step() -> tuple[Any, ...]:
        y = function(x, None, None, gamma, beta, training=True, eps=EPS)
        return y, *torch.autograd.grad(y, leaves, dy)

    return step


def _torch_tensors(torch: Any, batch: Batch) -> list[Any]:
    leaves = [torch.from_numpy(array.copy()).requires_grad_() for array in batch[:3]]
    return [*leaves, torch.from_numpy(batch.dy.copy())]


def mygrad_by_primitives(batch: Batch) -> Step:
    """Make the step with MyGrad, op by op."""
    mygrad = load("mygrad")
    eps = np.float32(EPS)  # a Python float would make the rest of its graph float64
    return _mygrad_step(mygrad, batch, lambda *leaves: by_primitives(mygrad, leaves, batch, eps))


def mygrad_own(batch: Batch) -> Step:
    """Make the step with MyGrad's own batch norm, one operation with a hand-written backward."""
    mygrad = load("mygrad")
    batchnorm = load("mygrad.nnet.layers.batchnorm").batchnorm
    eps = np.float32(EPS)
    return _mygrad_step(
        mygrad, batch, lambda x, gamma, beta: batchnorm(x, gamma=gamma, beta=beta, eps=eps)
    )


def _mygrad_step(mygrad: Any, batch: Batch, function: Callable[..., Any]) -> Step:
    leaves = [mygrad.tensor(array) for array in batch[:3]]
    dy = batch.dy.copy()

    def step() -> tuple[Any, ...]:
        y = function(*leaves)
        y.backward(dy)
        return y, *(leaf.grad for leaf in leaves)

    return step


def autograd(batch: Batch) -> Step:
    """Make the step with HIPS autograd, op by op."""
    differentiated = load("autograd").make_vjp
    xp = load("autograd.numpy")
    vjp_maker = differentiated(lambda *leaves: by_primitives(xp, leaves, batch), (0, 1, 2))

    def step() -> tuple[Any, ...]:
        vjp, y = vjp_maker(*batch[:3])
        return y, *vjp(batch.dy)

    return step


def jax_jit(batch: Batch) -> Step:
    """Make the step with JAX: the same formula and its vjp, compiled together."""
    jax, xp = load("jax"), load("jax.numpy")

    def both(x: Any, gamma: Any, beta: Any, dy: Any) -> Any:
        y, vjp = jax.vjp(lambda *leaves: by_primitives(xp, leaves, batch), x, gamma, beta)
        return y, *vjp(dy)

    compiled = jax.jit(both)
    arrays = [xp.asarray(array) for array in batch]

    def step() -> tuple[Any, ...]:
        return tuple(jax.block_until_ready(compiled(*arrays)))

    return step


def copy(batch: Batch) -> Step:
    """Make a step that copies x once into allocated memory: the cost of moving the data alone."""
    ready = np.ones_like(batch.x)

    def step() -> tuple[Any, ...]:
        np.copyto(ready, batch.x)
        return (ready,)

    return step


COLUMNS: dict[str, Column] = {
    "ours": Column("tinygrad_bn, eager", None, ours),
    "numpy": Column("NumPy, closed form", None, numpy_by_hand),
    "torch": Column("PyTorch, op by op", "torch", torch_by_primitives),
    "torch_fused": Column("PyTorch, fused batch_norm", "torch", torch_fused),
    "mygrad": Column("MyGrad, from primitives", "mygrad", mygrad_by_primitives),
    "mygrad_own": Column("MyGrad, its own batchnorm", "mygrad", mygrad_own),
    "autograd": Column("autograd", "autograd", autograd),
    "jax": Column("JAX, jit", "jax", jax_jit),
    "copy": Column("copy of x (memory limit)", None, copy),
}
