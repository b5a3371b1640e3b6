import numpy as np


def BatchNorm_fwd(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    var = ((x - mu) ** 2).mean(axis=0)
    std = np.sqrt(var + eps)
    x_hat = (x - mu) / std
    return gamma * x_hat + beta, x_hat, std


def BatchNorm_bwd(dy, x_hat, std, gamma):
    n = dy.shape[0]
    dbeta = dy.sum(axis=0)
    dgamma = (dy * x_hat).sum(axis=0)
    dx = gamma / (n * std) * (n * dy - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta
