"""Record PyTorch's results for the cases of pytorch_cases.py, in float64.

Needs PyTorch, which the tests do not: they compare with the file that this writes.

    python tests/record_pytorch.py
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from pytorch_cases import (
    BATCH_NORMS,
    CONVOLUTIONS,
    LAYER_NORMS,
    OPTIMIZERS,
    POOLINGS,
    REFERENCE,
    STEPS,
)

with suppress(ImportError):  # pytest imports every file here, in search of doctests
    import torch

rng = np.random.default_rng(0)
record: dict[str, np.ndarray] = {}


def normal(name: str, *shape: int) -> torch.Tensor:
    record[name] = rng.normal(size=shape)
    return torch.tensor(record[name], requires_grad=True)


def keep(name: str, tensor: torch.Tensor) -> None:
    record[name] = tensor.detach().numpy().copy()


def run(name: str, layer: torch.nn.Module, x: torch.Tensor) -> None:
    """Apply a layer, pull a random cotangent back, and keep everything."""
    for parameter, value in layer.named_parameters():
        value.grad = None
        keep(f"{name}.{parameter}", value)
    y = layer(x)
    y.backward(normal(f"{name}.dy", *y.shape).detach())
    keep(f"{name}.y", y)
    keep(f"{name}.dx", x.grad)
    for parameter, value in layer.named_parameters():
        keep(f"{name}.d{parameter}", value.grad)


def main() -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)

    for i, (c_in, c_out, kernel, stride, padding, groups, bias, shape) in enumerate(CONVOLUTIONS):
        layer = torch.nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=bias)
        run(f"conv{i}", layer, normal(f"conv{i}.x", *shape))

    for i, (kernel, stride, padding, shape) in enumerate(POOLINGS):
        run(f"max{i}", torch.nn.MaxPool2d(kernel, stride, padding), normal(f"max{i}.x", *shape))
        run(f"avg{i}", torch.nn.AvgPool2d(kernel, stride, padding), normal(f"avg{i}.x", *shape))

    by_axes = {
        2: torch.nn.BatchNorm1d,
        3: torch.nn.BatchNorm1d,
        4: torch.nn.BatchNorm2d,
        5: torch.nn.BatchNorm3d,
    }
    for i, (shape, momentum, eps, affine) in enumerate(BATCH_NORMS):
        layer = by_axes[len(shape)](shape[1], eps, momentum, affine)
        if affine:
            layer.weight.data = normal(f"bn{i}.gamma", shape[1]).detach()
            layer.bias.data = normal(f"bn{i}.beta", shape[1]).detach()
        for batch in range(3):
            run(f"bn{i}.{batch}", layer, normal(f"bn{i}.{batch}.x", *shape))
            for name, value in layer.named_buffers():
                keep(f"bn{i}.{batch}.{name}", value)
        run(f"bn{i}.eval", layer.eval(), normal(f"bn{i}.eval.x", *shape))

    for i, (shape, normalized) in enumerate(LAYER_NORMS):
        layer = torch.nn.LayerNorm(normalized)
        layer.weight.data = normal(f"ln{i}.weight", *normalized).detach()
        layer.bias.data = normal(f"ln{i}.bias", *normalized).detach()
        run(f"ln{i}", layer, normal(f"ln{i}.x", *shape))

    target = record["loss.target"] = rng.integers(0, 4, 7)
    logits = normal("loss.logits", 7, 4)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(target))
    loss.backward()
    keep("loss.value", loss)
    keep("loss.dlogits", logits.grad)

    for i, (kind, settings) in enumerate(OPTIMIZERS):
        net = torch.nn.Sequential(
            torch.nn.Linear(5, 6, bias=False),
            torch.nn.BatchNorm1d(6),
            torch.nn.Tanh(),
            torch.nn.Linear(6, 4),
        )
        for name, value in net.state_dict().items():
            keep(f"train{i}.start.{name}", value)
        optimizer = getattr(torch.optim, kind)(net.parameters(), **settings)
        x = normal(f"train{i}.x", STEPS, 7, 5)
        labels = record[f"train{i}.labels"] = rng.integers(0, 4, (STEPS, 7))
        for step in range(STEPS):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(
                net(x[step].detach()), torch.tensor(labels[step])
            )
            loss.backward()
            optimizer.step()
            keep(f"train{i}.loss{step}", loss)
        for name, value in net.state_dict().items():
            keep(f"train{i}.end.{name}", value)

    REFERENCE.parent.mkdir(exist_ok=True)
    np.savez_compressed(REFERENCE, torch_version=np.array(torch.__version__), **record)
    print(f"{len(record)} arrays of PyTorch {torch.__version__} written to {REFERENCE}")


if __name__ == "__main__":
    main()
