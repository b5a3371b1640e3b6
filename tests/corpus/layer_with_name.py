import numpy as np


class BatchNormLayer:
    def __init__(self, name, input_shape, params=None):
        self.name = name
        self.trainable = True
        self.gamma = np.ones(input_shape)
        self.beta = np.zeros(input_shape)
        self.cache = {}
        self.gradients = {}

    def fprop(self, x):
        mu = x.mean(axis=0)
        var = x.var(axis=0)
        xhat = (x - mu) / np.sqrt(var + 1e-5)
        self.cache.update(xhat=xhat, var=var)
        return self.gamma * xhat + self.beta

    def bprop(self, dout):
        xhat, var = self.cache["xhat"], self.cache["var"]
        self.gradients["dgamma"] = np.sum(dout * xhat, axis=0)
        self.gradients["dbeta"] = np.sum(dout, axis=0)
        N = xhat.shape[0]
        dxhat = dout * self.gamma
        return (dxhat - dxhat.sum(0) / N - xhat * (dxhat * xhat).sum(0) / N) / np.sqrt(var + 1e-5)
