"""Layers, losses and initial values of networks, composed of the engine's primitives."""

from . import init, windows
from .conv import AvgPool2d, Conv2d, MaxPool2d
from .folding import fold_batch_norm
from .layers import Dropout, Flatten, LayerNorm, LeakyReLU, Linear, ReLU, Sigmoid, Tanh
from .losses import cross_entropy, mse
from .module import Buffer, Module, Parameter, Sequential
from .norm import BatchNorm, population_statistics

__all__ = [
    "AvgPool2d", "BatchNorm", "Buffer", "Conv2d", "Dropout", "Flatten", "LayerNorm", "LeakyReLU",
    "Linear", "MaxPool2d", "Module", "Parameter", "ReLU", "Sequential", "Sigmoid", "Tanh",
    "cross_entropy", "fold_batch_norm", "init", "mse", "population_statistics", "windows",
]  # fmt: skip
