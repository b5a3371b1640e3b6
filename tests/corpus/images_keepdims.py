import numpy as np


class BatchNorm2D:
    def __init__(self, num_channels, eps=1e-5, momentum=0.9):
        shape = (1, num_channels, 1, 1)
        self.gamma = np.ones(shape)
        self.beta = np.zeros(shape)
        self.running_mean = np.zeros(shape)
        self.running_var = np.ones(shape)
        self.eps, self.momentum = eps, momentum

    def forward(self, x, training=True):
        if training:
            mean = x.mean(axis=(0, 2, 3), keepdims=True)
            var = x.var(axis=(0, 2, 3), keepdims=True)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            mean, var = self.running_mean, self.running_var
        self.ivar = 1.0 / np.sqrt(var + self.eps)
        self.xhat = (x - mean) * self.ivar
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        axes = (0, 2, 3)
        m = dout.shape[0] * dout.shape[2] * dout.shape[3]
        self.dgamma = np.sum(dout * self.xhat, axis=axes, keepdims=True)
        self.dbeta = np.sum(dout, axis=axes, keepdims=True)
        return self.gamma * self.ivar / m * (m * dout - self.dbeta - self.xhat * self.dgamma)
