import numpy as np

from ..parameter import Parameter
from .base import Layer


class BatchNorm1d(Layer):
    def __init__(self, features, eps=1e-5):
        self.gamma = Parameter(np.ones(features))
        self.beta = Parameter(np.zeros(features))
        self.eps = eps

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=0) + self.eps)
        self.xhat = (x - x.mean(axis=0)) / self.std
        return self.gamma.value * self.xhat + self.beta.value

    def backward(self, grad):
        self.gamma.grad = (grad * self.xhat).sum(axis=0)
        self.beta.grad = grad.sum(axis=0)
        n = len(grad)
        return self.gamma.value / self.std * (grad - self.beta.grad / n - self.xhat * self.gamma.grad / n)
