from abc import ABC, abstractmethod
from typing import Dict, Tuple

import numpy as np


class Layer(ABC):
    @abstractmethod
    def forward(self, x: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def backward(self, grad: np.ndarray) -> np.ndarray: ...

    @property
    def params(self) -> Dict[str, np.ndarray]:
        return {}


class BatchNorm1D(Layer):
    def __init__(self, in_features: int, *, eps: float = 1e-5, momentum: float = 0.1):
        self._gamma = np.ones(in_features)
        self._beta = np.zeros(in_features)
        self._running_mean = np.zeros(in_features)
        self._running_var = np.ones(in_features)
        self._eps = eps
        self._momentum = momentum
        self._training = True
        self._grads: Dict[str, np.ndarray] = {}

    @property
    def params(self) -> Dict[str, np.ndarray]:
        return {"gamma": self._gamma, "beta": self._beta}

    def train_mode(self):
        self._training = True

    def eval_mode(self):
        self._training = False

    def forward(self, x: np.ndarray) -> np.ndarray:
        if self._training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self._running_mean += self._momentum * (mean - self._running_mean)
            self._running_var += self._momentum * (var - self._running_var)
        else:
            mean, var = self._running_mean, self._running_var
        self._istd = 1.0 / np.sqrt(var + self._eps)
        self._xhat = (x - mean) * self._istd
        return self._gamma * self._xhat + self._beta

    def backward(self, grad: np.ndarray) -> np.ndarray:
        self._grads["gamma"] = np.sum(grad * self._xhat, axis=0)
        self._grads["beta"] = np.sum(grad, axis=0)
        g = grad * self._gamma
        return self._istd * (g - g.mean(axis=0) - self._xhat * np.mean(g * self._xhat, axis=0))
