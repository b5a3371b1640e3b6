import numpy as np


def BN_forward(x, gamma, beta, running_mean, running_var, eps=1e-5, momentum=0.1, training=True):
    N, C, H, W = x.shape
    if training:
        mu = np.mean(x, axis=(0, 2, 3)).reshape(1, C, 1, 1)
        var = np.var(x, axis=(0, 2, 3)).reshape(1, C, 1, 1)
        running_mean[:] = (1 - momentum) * running_mean + momentum * mu.ravel()
        running_var[:] = (1 - momentum) * running_var + momentum * var.ravel()
    else:
        mu, var = running_mean.reshape(1, C, 1, 1), running_var.reshape(1, C, 1, 1)
    xhat = (x - mu) / np.sqrt(var + eps)
    y = gamma.reshape(1, C, 1, 1) * xhat + beta.reshape(1, C, 1, 1)
    return y, (xhat, var, gamma, eps)


def BN_backward(dy, cache):
    xhat, var, gamma, eps = cache
    N, C, H, W = dy.shape
    m = N * H * W
    db = dy.sum(axis=(0, 2, 3))
    dg = (dy * xhat).sum(axis=(0, 2, 3))
    r = lambda a: a.reshape(1, C, 1, 1)
    dx = r(gamma) / np.sqrt(var + eps) / m * (m * dy - r(db) - xhat * r(dg))
    return dx, dg, db
