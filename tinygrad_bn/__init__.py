"""Reverse-mode autodiff on NumPy, in which batch normalization is composed of primitives."""

from . import closed_form, nn, optim, testing
from .allocator import keep_freed_memory
from .autodiff import grad
from .batch_norm import batch_norm, layer_norm
from .functions import (
    abs,
    add,
    astype,
    broadcast_to,
    clip,
    concatenate,
    cos,
    div,
    exp,
    getitem,
    leaky_relu,
    log,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    mul,
    neg,
    pow,
    relu,
    reshape,
    scatter,
    sigmoid,
    sign,
    sin,
    sqrt,
    stack,
    sub,
    sum,
    tanh,
    transpose,
    var,
    where,
)  # fmt: skip
from .graph import Graph, graph
from .recording import detect_anomaly, no_grad, scope
from .tensor import Tensor

keep_freed_memory()

__version__ = "0.1.0"

__all__ = [
    "Graph", "Tensor", "abs", "add", "astype", "batch_norm", "broadcast_to", "clip", "closed_form",
    "concatenate", "cos", "detect_anomaly", "div", "exp", "getitem", "grad", "graph", "layer_norm",
    "leaky_relu", "log", "matmul", "max", "maximum", "mean", "min", "minimum", "mul", "neg", "nn",
    "no_grad", "optim", "pow", "relu", "reshape", "scatter", "scope", "sigmoid", "sign", "sin",
    "sqrt", "stack", "sub", "sum", "tanh", "testing", "transpose", "var", "where",
]  # fmt: skip
