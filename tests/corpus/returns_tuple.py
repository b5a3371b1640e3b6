import numpy as np


class BatchNormLayer(object):
    def __init__(self, input_dim, eps=1e-5):
        self.gamma = np.ones((1, input_dim))
        self.beta = np.zeros((1, input_dim))
        self.eps = eps

    def forward(self, X):
        self.X = X
        self.mu = X.mean(axis=0, keepdims=True)
        self.var = X.var(axis=0, keepdims=True)
        self.X_hat = (X - self.mu) / np.sqrt(self.var + self.eps)
        return self.gamma * self.X_hat + self.beta

    def backward(self, dY):
        N = dY.shape[0]
        dgamma = np.sum(dY * self.X_hat, axis=0, keepdims=True)
        dbeta = np.sum(dY, axis=0, keepdims=True)
        dX_hat = dY * self.gamma
        dvar = np.sum(dX_hat * (self.X - self.mu), axis=0, keepdims=True) * -0.5 * (self.var + self.eps) ** -1.5
        dmu = -np.sum(dX_hat, axis=0, keepdims=True) / np.sqrt(self.var + self.eps)
        dX = dX_hat / np.sqrt(self.var + self.eps) + dvar * 2 * (self.X - self.mu) / N + dmu / N
        return dX, dgamma, dbeta
