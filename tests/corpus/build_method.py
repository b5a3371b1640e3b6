import numpy as np


class BatchNorm:
    def __init__(self, epsilon=1e-3, momentum=0.99):
        self.epsilon = epsilon
        self.momentum = momentum
        self.built = False

    def build(self, input_shape):
        d = input_shape[-1]
        self.gamma, self.beta = np.ones(d), np.zeros(d)
        self.moving_mean, self.moving_variance = np.zeros(d), np.ones(d)
        self.built = True

    def call(self, inputs, training=False):
        if not self.built:
            self.build(inputs.shape)
        if training:
            mean, variance = inputs.mean(0), inputs.var(0)
            self.moving_mean = self.moving_mean * self.momentum + mean * (1 - self.momentum)
            self.moving_variance = self.moving_variance * self.momentum + variance * (1 - self.momentum)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        self.std = np.sqrt(variance + self.epsilon)
        self.z = (inputs - mean) / self.std
        return self.z * self.gamma + self.beta

    def __call__(self, inputs, training=False):
        return self.call(inputs, training)

    def backward(self, upstream):
        self.gamma_grad = np.sum(upstream * self.z, axis=0)
        self.beta_grad = np.sum(upstream, axis=0)
        dz = upstream * self.gamma
        return (dz - dz.mean(0) - self.z * (dz * self.z).mean(0)) / self.std
