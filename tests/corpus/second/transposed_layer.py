"""Features in rows, examples in columns, one class per layer."""
import numpy as np


class BatchNorm:
    def __init__(self, n):
        self.gamma = np.ones((n, 1))
        self.beta = np.zeros((n, 1))
        self.eps = 1e-8

    def forward(self, Z):
        self.mu = np.mean(Z, axis=1, keepdims=True)
        self.sigma2 = np.var(Z, axis=1, keepdims=True)
        self.Zn = (Z - self.mu) / np.sqrt(self.sigma2 + self.eps)
        return self.gamma * self.Zn + self.beta

    def backward(self, dZt):
        m = dZt.shape[1]
        self.dgamma = np.sum(dZt * self.Zn, axis=1, keepdims=True)
        self.dbeta = np.sum(dZt, axis=1, keepdims=True)
        dZn = dZt * self.gamma
        return (m * dZn - np.sum(dZn, axis=1, keepdims=True)
                - self.Zn * np.sum(dZn * self.Zn, axis=1, keepdims=True)) / (m * np.sqrt(self.sigma2 + self.eps))
