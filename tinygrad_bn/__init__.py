"""Reverse-mode autodiff on NumPy, in which batch normalization is composed of primitives.

The readers of what the engine records (``nn``, ``optim``, ``testing``, the views of a graph) are
loaded on use: the engine works without them.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from . import closed_form
from .autodiff import grad
from .batch_norm import batch_norm, layer_norm
from .fast import leave_allocator_alone
from .functions import (
    abs,
    add,
    astype,
    broadcast_to,
    clip,
    concatenate,
    cos,
    cumprod,
    cumsum,
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
    prod,
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
from .program import Program, trace
from .recording import detect_anomaly, no_grad, scope
from .tensor import Tensor

if TYPE_CHECKING:
    from . import nn, optim, testing
    from .rewrite import derive
if TYPE_CHECKING or find_spec(".graph", __name__):
    # At once, for the function has the name of its folder.
    from .graph import Graph, explore, graph  # type: ignore[no-redef]
if TYPE_CHECKING:
    from .graph.render import render

__version__ = "0.1.0"

__all__ = [
    "Graph", "Program", "Tensor", "abs", "add", "astype", "batch_norm", "broadcast_to", "clip",
    "closed_form", "concatenate", "cos", "cumprod", "cumsum", "derive", "detect_anomaly", "div",
    "exp", "explore", "getitem", "grad", "graph", "layer_norm", "leaky_relu",
    "leave_allocator_alone", "log", "matmul", "max", "maximum", "mean", "min", "minimum", "mul",
    "neg", "nn", "no_grad", "optim", "pow", "prod", "relu", "render", "reshape", "scatter",
    "scope", "sigmoid", "sign", "sin", "sqrt", "stack", "sub", "sum", "tanh", "testing", "trace",
    "transpose", "var", "where",
]  # fmt: skip

ON_USE = {  # a module, or what is in it
    "nn": ".nn", "optim": ".optim", "testing": ".testing",
    "derive": ".rewrite", "render": ".graph.render",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ON_USE:
        module = import_module(ON_USE[name], __name__)
        return module if ON_USE[name] == f".{name}" else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *ON_USE])
