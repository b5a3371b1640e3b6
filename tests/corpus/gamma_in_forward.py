import numpy as np


class BatchNorm:
    """The parameters belong to the network, which hands them in."""

    def __init__(self, momentum=0.9):
        self.momentum = momentum
        self.running_mean = None
        self.running_var = None

    def forward(self, x, gamma, beta, train_flg=True):
        if self.running_mean is None:
            self.running_mean = np.zeros(x.shape[1])
            self.running_var = np.zeros(x.shape[1])
        if train_flg:
            mu, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            mu, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + 1e-6)
        self.xn = (x - mu) / self.std
        self.gamma = gamma
        return gamma * self.xn + beta

    def backward(self, dout):
        dbeta = dout.sum(axis=0)
        dgamma = (self.xn * dout).sum(axis=0)
        dx = self.gamma / self.std * (dout - dout.mean(axis=0) - self.xn * (self.xn * dout).mean(axis=0))
        return dx, dgamma, dbeta
