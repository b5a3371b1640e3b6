import numpy as np


class BN:
    def __init__(self, n_out):
        self.gamma = np.ones(n_out)
        self.beta = np.zeros(n_out)
        self.mean_avg = np.zeros(n_out)
        self.var_avg = np.ones(n_out)
        self.decay = 0.9

    def forward(self, a):
        self.a = a
        self.m = a.mean(axis=0)
        self.v = a.var(axis=0)
        self.s = np.sqrt(self.v + 1e-5)
        self.ahat = (a - self.m) / self.s
        self.mean_avg = self.decay * self.mean_avg + (1 - self.decay) * self.m
        self.var_avg = self.decay * self.var_avg + (1 - self.decay) * self.v
        return self.gamma * self.ahat + self.beta

    def predict(self, a):
        return self.gamma * (a - self.mean_avg) / np.sqrt(self.var_avg + 1e-5) + self.beta

    def backward(self, delta):
        n = len(delta)
        self.delta_gamma = np.sum(delta * self.ahat, axis=0)
        self.delta_beta = np.sum(delta, axis=0)
        d = delta * self.gamma
        return (n * d - d.sum(axis=0) - self.ahat * (d * self.ahat).sum(axis=0)) / (n * self.s)
