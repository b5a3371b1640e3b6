import numpy as np


class BatchNormalization:
    def __init__(self, n_features, eps=1e-3, rho=0.9):
        self.gamma = np.ones(n_features)
        self.beta = np.zeros(n_features)
        self.running_mean = np.zeros(n_features)
        self.running_var = np.ones(n_features)
        self.eps = eps
        self.rho = rho

    def forward(self, x, training=True):
        if training:
            self.mean = x.mean(axis=0)
            self.var = x.var(axis=0) + self.eps
            self.running_mean = self.rho * self.running_mean + (1 - self.rho) * self.mean
            self.running_var = self.rho * self.running_var + (1 - self.rho) * self.var
            mean, var = self.mean, self.var
        else:
            mean, var = self.running_mean, self.running_var
        self.x_hat = (x - mean) / np.sqrt(var)
        return self.gamma * self.x_hat + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.x_hat).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        m = len(dy)
        return self.gamma / np.sqrt(self.var) * (dy - self.dbeta / m - self.x_hat * self.dgamma / m)
