"""The cases that record_pytorch.py runs in PyTorch and test_nn_pytorch.py runs here.

Both build the same things in the same order from these settings; the inputs, the initial
parameters and PyTorch's results are in data/pytorch_reference.npz.
"""

from __future__ import annotations

from pathlib import Path

REFERENCE = Path(__file__).parent / "data" / "pytorch_reference.npz"

# in_channels, out_channels, kernel, stride, padding, groups, bias, image shape
CONVOLUTIONS = [
    (3, 4, (3, 3), (1, 1), (1, 1), 1, True, (2, 3, 5, 5)),
    (4, 6, (2, 3), (2, 1), (0, 2), 2, True, (3, 4, 6, 5)),
    (4, 4, (3, 2), (3, 2), (1, 0), 4, False, (2, 4, 7, 6)),
    (2, 3, (4, 4), (1, 1), (0, 0), 1, True, (2, 2, 4, 4)),
]

# kernel, stride, padding, image shape
POOLINGS = [
    ((2, 2), (2, 2), (0, 0), (2, 3, 6, 4)),
    ((3, 2), (1, 2), (1, 1), (2, 2, 5, 7)),
    ((2, 2), (3, 3), (0, 0), (1, 2, 8, 8)),
]

# the shape of a batch, momentum, eps, affine
BATCH_NORMS = [
    ((8, 3), 0.1, 1e-5, True),
    ((4, 3, 5), 0.3, 1e-3, True),
    ((4, 3, 4, 5), None, 1e-5, True),
    ((2, 3, 2, 3, 2), 0.1, 1e-5, False),
]

LAYER_NORMS = [((5, 4), (4,)), ((3, 4, 5), (4, 5))]

# the optimizer's name, its settings
OPTIMIZERS = [
    ("SGD", {"lr": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
]
STEPS = 6
