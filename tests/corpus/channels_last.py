import numpy as np


def batchnorm2d_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=(0, 1, 2))
    var = x.var(axis=(0, 1, 2))
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma * xhat + beta, (xhat, gamma, var, eps)


def batchnorm2d_backward(dout, cache):
    xhat, gamma, var, eps = cache
    axes = (0, 1, 2)
    dbeta = dout.sum(axis=axes)
    dgamma = (dout * xhat).sum(axis=axes)
    m = dout.size / dout.shape[-1]
    dx = gamma / np.sqrt(var + eps) * (dout - dbeta / m - xhat * dgamma / m)
    return dx, dgamma, dbeta
