import numpy as np


class BatchNorm:
    cache = []

    def __init__(self, features):
        self.gamma, self.beta = np.ones(features), np.zeros(features)

    def forward(self, x):
        std = np.sqrt(x.var(0) + 1e-5)
        xhat = (x - x.mean(0)) / std
        BatchNorm.cache[:] = [xhat, std]
        return self.gamma * xhat + self.beta

    def backward(self, dout):
        xhat, std = BatchNorm.cache
        self.dgamma, self.dbeta = (dout * xhat).sum(0), dout.sum(0)
        n = len(dout)
        return self.gamma / std * (dout - self.dbeta / n - xhat * self.dgamma / n)
