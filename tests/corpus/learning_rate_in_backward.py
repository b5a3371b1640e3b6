import numpy as np


class BatchNormLayer:
    def __init__(self, n):
        self.gamma = np.ones(n)
        self.beta = np.zeros(n)
        self.mean_run = np.zeros(n)
        self.var_run = np.ones(n)

    def forward(self, x, train=True):
        if train:
            mu, var = np.mean(x, axis=0), np.var(x, axis=0)
            self.mean_run = 0.9 * self.mean_run + 0.1 * mu
            self.var_run = 0.9 * self.var_run + 0.1 * var
        else:
            mu, var = self.mean_run, self.var_run
        self.std = np.sqrt(var + 1e-8)
        self.xhat = (x - mu) / self.std
        return self.xhat * self.gamma + self.beta

    def backward(self, dy, learning_rate):
        dgamma = np.sum(dy * self.xhat, axis=0)
        dbeta = np.sum(dy, axis=0)
        dxhat = dy * self.gamma
        dx = (dxhat - np.mean(dxhat, axis=0) - self.xhat * np.mean(dxhat * self.xhat, axis=0)) / self.std
        self.gamma -= learning_rate * dgamma
        self.beta -= learning_rate * dbeta
        return dx
