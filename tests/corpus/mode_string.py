import numpy as np


class BatchNorm:
    def __init__(self, D, eps=1e-5, momentum=0.9):
        self.scale = np.ones(D)
        self.shift = np.zeros(D)
        self.eps = eps
        self.momentum = momentum
        self.running = {"mean": np.zeros(D), "var": np.zeros(D)}

    def forward(self, x, mode):
        if mode == "train":
            mu = x.mean(0)
            var = x.var(0)
            for k, v in (("mean", mu), ("var", var)):
                self.running[k] = self.momentum * self.running[k] + (1 - self.momentum) * v
        elif mode == "test":
            mu, var = self.running["mean"], self.running["var"]
        else:
            raise ValueError(mode)
        std = np.sqrt(var + self.eps)
        xhat = (x - mu) / std
        self.cache = (xhat, std)
        return self.scale * xhat + self.shift

    def backward(self, dout):
        xhat, std = self.cache
        self.dscale = (dout * xhat).sum(0)
        self.dshift = dout.sum(0)
        N = len(dout)
        return self.scale / std * (dout - self.dshift / N - xhat * self.dscale / N)
