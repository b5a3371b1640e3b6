"""Record how accurate PyTorch's float32 batch norm is, for test_batch_norm.py to hold ours against.

Needs PyTorch, which the tests do not. From the repository's root:

    python tests/pytorch_accuracy.py > tests/data/pytorch_accuracy.json
"""

import json
import sys

import numpy as np

OFFSETS = [0.0, 1e2, 1e4, 1e6]  # of the mean, in standard deviations
SHAPES = [(256, 8), (64, 8, 9, 9), (100_000, 3)]
EPS = 1e-5


def data(shape, offset):
    """Draw the same float32 batch for whoever normalizes it."""
    return (np.random.default_rng(0).normal(size=shape) + offset).astype(np.float32)


def exact(x):
    """Normalize in float64."""
    x = x.astype(np.float64)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    centered = x - x.mean(axes, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axes, keepdims=True) + EPS)


def main():
    import torch

    errors = []
    for shape in SHAPES:
        for offset in OFFSETS:
            x = data(shape, offset)
            theirs = torch.nn.functional.batch_norm(
                torch.from_numpy(x), None, None, training=True, eps=EPS
            ).numpy()
            error = float(np.abs(theirs - exact(x)).max())
            errors.append({"shape": shape, "offset": offset, "largest_error": error})
    versions = {"torch": torch.__version__, "numpy": np.__version__}
    json.dump({"versions": versions, "errors": errors}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
