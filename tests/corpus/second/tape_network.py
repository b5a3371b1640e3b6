"""A whole network as a class; batch norm is two of its methods."""
import numpy as np


class BatchNormLayer:
    def __init__(self, n_neurons, epsilon=1e-5, momentum=0.9):
        self.n_neurons = n_neurons
        self.epsilon = epsilon
        self.momentum = momentum
        self.weights = np.ones((1, n_neurons))
        self.biases = np.zeros((1, n_neurons))
        self.moving_mean = np.zeros((1, n_neurons))
        self.moving_var = np.ones((1, n_neurons))

    def forward(self, inputs, training):
        self.inputs = inputs
        if training:
            self.mean = np.mean(inputs, axis=0, keepdims=True)
            self.var = np.var(inputs, axis=0, keepdims=True)
            self.moving_mean = self.momentum * self.moving_mean + (1 - self.momentum) * self.mean
            self.moving_var = self.momentum * self.moving_var + (1 - self.momentum) * self.var
        else:
            self.mean = self.moving_mean
            self.var = self.moving_var
        self.normalized = (inputs - self.mean) / np.sqrt(self.var + self.epsilon)
        self.output = self.weights * self.normalized + self.biases

    def backward(self, dvalues):
        m = len(dvalues)
        self.dweights = np.sum(dvalues * self.normalized, axis=0, keepdims=True)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        dnorm = dvalues * self.weights
        std = np.sqrt(self.var + self.epsilon)
        self.dinputs = (dnorm - dnorm.mean(axis=0) - self.normalized * (dnorm * self.normalized).mean(axis=0)) / std
