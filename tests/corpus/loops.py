import math
import numpy as np


def batch_norm_forward(x, gamma, beta, eps=1e-5):
    n, d = x.shape
    out = np.zeros_like(x)
    xhat = np.zeros_like(x)
    stds = []
    for j in range(d):
        mean = 0.0
        for i in range(n):
            mean += x[i, j]
        mean /= n
        var = 0.0
        for i in range(n):
            var += (x[i, j] - mean) ** 2
        var /= n
        std = math.sqrt(var + eps)
        stds.append(std)
        for i in range(n):
            xhat[i, j] = (x[i, j] - mean) / std
            out[i, j] = gamma[j] * xhat[i, j] + beta[j]
    return out, (xhat, stds, gamma)


def batch_norm_backward(dout, cache):
    xhat, stds, gamma = cache
    n, d = dout.shape
    dx = np.zeros_like(dout)
    dgamma, dbeta = np.zeros(d), np.zeros(d)
    for j in range(d):
        for i in range(n):
            dgamma[j] += dout[i, j] * xhat[i, j]
            dbeta[j] += dout[i, j]
        for i in range(n):
            dx[i, j] = gamma[j] / stds[j] * (dout[i, j] - dbeta[j] / n - xhat[i, j] * dgamma[j] / n)
    return dx, dgamma, dbeta
