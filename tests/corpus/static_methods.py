import numpy as np


class BatchNorm:
    @staticmethod
    def forward(x, gamma, beta, eps=1e-5):
        mu = x.mean(axis=0)
        var = x.var(axis=0)
        x_hat = (x - mu) / np.sqrt(var + eps)
        return gamma * x_hat + beta, (x_hat, gamma, var, eps)

    @staticmethod
    def backward(dout, cache):
        x_hat, gamma, var, eps = cache
        m = x_hat.shape[0]
        dgamma = (dout * x_hat).sum(axis=0)
        dbeta = dout.sum(axis=0)
        dx = gamma / np.sqrt(var + eps) * (dout - dbeta / m - x_hat * dgamma / m)
        return dx, dgamma, dbeta
