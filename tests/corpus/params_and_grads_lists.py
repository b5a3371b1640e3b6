import numpy as np


class BatchNorm:
    def __init__(self, gamma, beta):
        self.params = [gamma, beta]
        self.grads = [np.zeros_like(gamma), np.zeros_like(beta)]
        self.cache = None

    def forward(self, x):
        gamma, beta = self.params
        mu = x.mean(axis=0)
        var = x.var(axis=0)
        s = np.sqrt(var + 1e-7)
        xn = (x - mu) / s
        self.cache = (xn, s)
        return gamma * xn + beta

    def backward(self, dout):
        gamma, beta = self.params
        xn, s = self.cache
        dgamma = np.sum(xn * dout, axis=0)
        dbeta = np.sum(dout, axis=0)
        self.grads[0][...] = dgamma
        self.grads[1][...] = dbeta
        m = dout.shape[0]
        return gamma / s * (dout - dbeta / m - xn * dgamma / m)
