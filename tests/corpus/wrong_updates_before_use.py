import numpy as np


class BatchNorm:
    def __init__(self, size):
        self.gamma = np.ones(size)
        self.beta = np.zeros(size)

    def forward(self, input):
        self.std = np.sqrt(np.var(input, axis=0) + 1e-5)
        self.normalized = (input - np.mean(input, axis=0)) / self.std
        return self.gamma * self.normalized + self.beta

    def backward(self, output_gradient, lr):
        n = output_gradient.shape[0]
        gamma_gradient = np.sum(output_gradient * self.normalized, axis=0)
        beta_gradient = np.sum(output_gradient, axis=0)
        self.gamma = self.gamma - lr * gamma_gradient
        self.beta = self.beta - lr * beta_gradient
        g = self.gamma * output_gradient
        return (g - g.sum(axis=0) / n - self.normalized * (g * self.normalized).sum(axis=0) / n) / self.std
