import numpy as np


class BatchNorm:
    def __init__(self, cfg):
        self.eps = cfg.bn.eps
        self.gamma = np.ones(cfg.hidden)
        self.beta = np.zeros(cfg.hidden)

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=0) + self.eps)
        self.xhat = (x - x.mean(axis=0)) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.xhat).sum(axis=0), dout.sum(axis=0)
        n = len(dout)
        return self.gamma / self.std * (dout - self.dbeta / n - self.xhat * self.dgamma / n)
