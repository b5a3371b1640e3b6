import numpy as np


class Layer:
    def __init__(self):
        self.params, self.grads = {}, {}

    def forward(self, inputs, training=True):
        raise NotImplementedError

    def backward(self, grad):
        raise NotImplementedError


class BatchNorm(Layer):
    def __init__(self, size, momentum=0.99, epsilon=1e-3):
        super().__init__()
        self.params["gamma"] = np.ones(size)
        self.params["beta"] = np.zeros(size)
        self.moving_mean = np.zeros(size)
        self.moving_var = np.ones(size)
        self.momentum = momentum
        self.epsilon = epsilon

    def forward(self, inputs, training=True):
        if training:
            mean = np.mean(inputs, axis=0)
            var = np.var(inputs, axis=0)
            self.moving_mean = self.momentum * self.moving_mean + (1 - self.momentum) * mean
            self.moving_var = self.momentum * self.moving_var + (1 - self.momentum) * var
        else:
            mean, var = self.moving_mean, self.moving_var
        self.std = np.sqrt(var + self.epsilon)
        self.normalized = (inputs - mean) / self.std
        return self.params["gamma"] * self.normalized + self.params["beta"]

    def backward(self, grad):
        self.grads["gamma"] = np.sum(grad * self.normalized, axis=0)
        self.grads["beta"] = np.sum(grad, axis=0)
        g = grad * self.params["gamma"]
        return (g - np.mean(g, axis=0) - self.normalized * np.mean(g * self.normalized, axis=0)) / self.std
