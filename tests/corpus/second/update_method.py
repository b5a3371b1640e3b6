import numpy as np


class BatchNormalization:
    def __init__(self, dim, momentum=0.9):
        self.gamma, self.beta = np.ones(dim), np.zeros(dim)
        self.momentum = momentum
        self.running_mean, self.running_var = np.zeros(dim), np.zeros(dim)

    def forward(self, X, train=True):
        if not train:
            return self.gamma * (X - self.running_mean) / np.sqrt(self.running_var + 1e-8) + self.beta
        self.N, self.D = X.shape
        self.xmu = X - X.mean(0)
        self.var = (self.xmu**2).mean(0)
        self.ivar = 1 / np.sqrt(self.var + 1e-8)
        self.xhat = self.xmu * self.ivar
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * X.mean(0)
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * self.var
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.db = dout.sum(0)
        self.dg = (dout * self.xhat).sum(0)
        dxhat = dout * self.gamma
        divar = (dxhat * self.xmu).sum(0)
        dvar = -0.5 * divar * self.ivar**3
        dxmu = dxhat * self.ivar + 2 * self.xmu * dvar / self.N
        return dxmu - dxmu.mean(0)

    def update(self, lr):
        self.gamma -= lr * self.dg
        self.beta -= lr * self.db
