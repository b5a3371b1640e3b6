import numpy as np


class RMSNorm:
    def __init__(self, hidden_size, eps=1e-6):
        self.weight = np.ones(hidden_size)
        self.variance_epsilon = eps

    def __call__(self, hidden_states):
        variance = np.mean(hidden_states**2, axis=-1, keepdims=True)
        self.x = hidden_states
        self.r = 1 / np.sqrt(variance + self.variance_epsilon)
        return self.weight * (hidden_states * self.r)

    def backward(self, grad):
        n = self.x * self.r
        self.weight_grad = np.sum(grad * n, axis=0)
        d = grad * self.weight
        return self.r * (d - n * np.mean(d * n, axis=-1, keepdims=True))
