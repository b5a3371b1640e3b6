"""A training step of the digits network, with plain tensors: by this engine and by PyTorch.

The network has three layers of 100 sigmoid units with batch norm, as in the first experiment of
the paper. A batch has 60 images of 8 x 8 pixels. The loss is the softmax cross-entropy, which
gradient descent minimizes. The pixels are random, since the operations do not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .. import functions
from ..autodiff import grad
from ..batch_norm import batch_norm
from ..tensor import Tensor
from .checks import admitted, fault
from .peers import EPS, Array, Step, load
from .records import Record, measured, without_values
from .timing import interleaved

STEP, CASE = "step", "digits step"
WIDTHS = (64, 100, 100, 100, 10)
BATCH = 60
RATE = 0.1


class Task(NamedTuple):
    """A batch of images, their classes (one-hot), and the initial parameters."""

    images: Array
    classes: Array
    parameters: list[Array]  # W, gamma, beta of each hidden layer, then W of the last


def make_task(dtype: type[np.floating[Any]]) -> Task:
    """Draw the task. The values are those of float32, so that they are the same in every dtype."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0.0, 1.0, (BATCH, WIDTHS[0]))
    classes = np.eye(WIDTHS[-1])[rng.integers(WIDTHS[-1], size=BATCH)]
    parameters = []
    for inputs, outputs in pairwise(WIDTHS):
        parameters.append(rng.normal(size=(inputs, outputs)) / np.sqrt(inputs))
        parameters += [np.ones(outputs), np.zeros(outputs)]
    rounded = [a.astype(np.float32).astype(dtype) for a in (images, classes, *parameters[:-2])]
    return Task(rounded[0], rounded[1], rounded[2:])


def _loss(xp: Any, normalize: Any, images: Any, classes: Any, parameters: list[Any]) -> Any:
    *hidden, last = parameters
    out = images
    for weight, gamma, beta in zip(hidden[::3], hidden[1::3], hidden[2::3], strict=True):
        out = xp.sigmoid(normalize(out @ weight, gamma, beta))
    scores = out @ last
    right, total = (scores * classes).sum(1), xp.exp(scores).sum(1)
    return (xp.log(total) - right).mean()


def ours(task: Task) -> Step:
    """Make the step with this engine."""
    images, classes = Tensor(task.images), Tensor(task.classes)
    parameters = [Tensor(p, requires_grad=True) for p in task.parameters]

    def normalize(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return batch_norm(x, gamma, beta, eps=EPS)

    def step() -> tuple[Any, ...]:
        loss = _loss(functions, normalize, images, classes, parameters)
        gradients = grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.data = parameter.data - RATE * gradient.data
        return loss, *gradients

    return step


def torch_by_primitives(task: Task) -> Step:
    """Make the step with PyTorch, batch norm op by op."""

    def normalize(x: Any, gamma: Any, beta: Any) -> Any:
        x_centered = x - x.mean(0, keepdim=True)
        var = (x_centered**2).mean(0, keepdim=True)
        return x_centered / (var + EPS).sqrt() * gamma + beta

    return _torch_step(task, normalize)


def torch_fused(task: Task) -> Step:
    """Make the step with the single kernel of PyTorch for batch norm."""
    function = load("torch").nn.functional.batch_norm

    def normalize(x: Any, gamma: Any, beta: Any) -> Any:
        return function(x, None, None, gamma, beta, training=True, eps=EPS)

    return _torch_step(task, normalize)


def _torch_step(task: Task, normalize: Any) -> Step:
    torch = load("torch")
    images, classes = torch.from_numpy(task.images), torch.from_numpy(task.classes)
    parameters = [torch.from_numpy(p.copy()).requires_grad_() for p in task.parameters]

    def step() -> tuple[Any, ...]:
        loss = _loss(torch, normalize, images, classes, parameters)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=RATE)
        return loss, *gradients

    return step


STEPS: dict[str, Callable[[Task], Step]] = {
    "ours": ours,
    "torch": torch_by_primitives,
    "torch_fused": torch_fused,
}


def training_steps(rounds: int, at_least: float) -> Iterator[Record]:
    """Time the step, if its loss and gradients agree with those of this engine in float64.

    No entry may differ by more than 100 u times the largest entry, with u the machine epsilon of
    float32. In each of four layers a value is a sum of 100 products. Their roundings go up as often
    as down, so the error is about 10 u for each layer, and the same again in the backward pass.
    """
    expected = [result.data for result in ours(make_task(np.float64))()]
    u = float(np.finfo(np.float32).eps)
    tolerances = [100 * u * float(np.abs(value).max()) for value in expected]
    names = ("loss", *(f"gradient {i}" for i in range(len(expected) - 1)))
    task = make_task(np.float32)
    steps, others = admitted(
        {name: partial(prepare, task) for name, prepare in STEPS.items()},
        lambda results: fault(results, expected, tolerances, names),
    )
    yield from without_values(STEP, CASE, others)
    for column, spread in interleaved(steps, rounds, at_least).items():
        yield measured(STEP, CASE, column, spread, "s")
