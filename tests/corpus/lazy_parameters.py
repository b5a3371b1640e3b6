import numpy as np


class BatchNormalization:
    def __init__(self, momentum=0.9, eps=1e-5):
        self.gamma = None
        self.beta = None
        self.momentum = momentum
        self.eps = eps
        self.running_mean = None
        self.running_var = None

    def forward(self, x, is_training=True):
        if self.gamma is None:
            self.gamma = np.ones(x.shape[1:])
            self.beta = np.zeros(x.shape[1:])
            self.running_mean = np.zeros(x.shape[1:])
            self.running_var = np.ones(x.shape[1:])
        if is_training:
            self.mu = np.mean(x, axis=0)
            self.var = np.var(x, axis=0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * self.mu
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * self.var
            mu, var = self.mu, self.var
        else:
            mu, var = self.running_mean, self.running_var
        self.x_hat = (x - mu) / np.sqrt(var + self.eps)
        return self.gamma * self.x_hat + self.beta

    def backward(self, dout):
        N = dout.shape[0]
        self.dbeta = np.sum(dout, axis=0)
        self.dgamma = np.sum(dout * self.x_hat, axis=0)
        return self.gamma / np.sqrt(self.var + self.eps) / N * (N * dout - self.dbeta - self.x_hat * self.dgamma)
