from collections import namedtuple

import numpy as np

BNCache = namedtuple("BNCache", "x_hat inv_std gamma")
Grads = namedtuple("Grads", ["dx", "dgamma", "dbeta"])


def batch_norm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(0)
    inv_std = (x.var(0) + eps) ** -0.5
    x_hat = (x - mu) * inv_std
    return gamma * x_hat + beta, BNCache(x_hat, inv_std, gamma)


def batch_norm_backward(dy, cache):
    dgamma = (dy * cache.x_hat).sum(0)
    dbeta = dy.sum(0)
    n = dy.shape[0]
    dx = cache.gamma * cache.inv_std * (dy - dbeta / n - cache.x_hat * dgamma / n)
    return Grads(dx, dgamma, dbeta)
