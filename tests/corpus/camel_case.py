import numpy as np


def batchNormForward(x, gamma, beta, eps):
    mu = np.mean(x, 0)
    var = np.mean((x - mu) ** 2, 0)
    xHat = (x - mu) / np.sqrt(var + eps)
    return gamma * xHat + beta, (xHat, gamma, var, eps)


def batchNormBackward(dout, cache):
    xHat, gamma, var, eps = cache
    n = dout.shape[0]
    dBeta = np.sum(dout, 0)
    dGamma = np.sum(dout * xHat, 0)
    dx = gamma / np.sqrt(var + eps) * (dout - dBeta / n - xHat * dGamma / n)
    return dx, dGamma, dBeta
