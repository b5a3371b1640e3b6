import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mean = x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + eps)
    x_norm = (x - mean) / std
    return gamma * x_norm + beta, (x_norm, std, gamma)


def batchnorm_backward(dout, cache):
    x_norm, std, gamma = cache
    return dout * gamma / std, (dout * x_norm).sum(axis=0), dout.sum(axis=0)
