from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class BatchNorm:
    features: int
    eps: float = 1e-5
    momentum: float = 0.1
    weight: np.ndarray = field(init=False)
    bias: np.ndarray = field(init=False)

    def __post_init__(self):
        self.weight = np.ones(self.features)
        self.bias = np.zeros(self.features)
        self.running_mean = np.zeros(self.features)
        self.running_var = np.ones(self.features)
        self.training = True

    def __call__(self, x):
        if self.training:
            mean, var = x.mean(0), x.var(0)
            n = x.shape[0]
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)
        else:
            mean, var = self.running_mean, self.running_var
        self.inv_std = (var + self.eps) ** -0.5
        self.xhat = (x - mean) * self.inv_std
        return self.weight * self.xhat + self.bias

    def backward(self, dy):
        self.dweight = (dy * self.xhat).sum(0)
        self.dbias = dy.sum(0)
        n = dy.shape[0]
        return self.weight * self.inv_std * (dy - self.dbias / n - self.xhat * self.dweight / n)
