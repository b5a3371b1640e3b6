"""Reverse-mode autodiff on NumPy, in which batch normalization is composed of primitives."""

from .autodiff import grad
from .functions import (
    abs, add, astype, broadcast_to, clip, concatenate, cos, div, exp, getitem, leaky_relu, log,
    matmul, max, maximum, mean, min, minimum, mul, neg, pow, relu, reshape, scatter, sigmoid,
    sign, sin, sqrt, stack, sub, sum, tanh, transpose, var, where,
)  # fmt: skip
from .recording import detect_anomaly, no_grad, scope
from .tensor import Tensor
