import numpy as np


def layer_norm_forward(x, g, b, eps=1e-5):
    mean = x.mean(axis=-1, keepdims=True)
    variance = x.var(axis=-1, keepdims=True)
    norm = (x - mean) / np.sqrt(variance + eps)
    return g * norm + b, (x, g, mean, variance, eps)


def layer_norm_backward(dout, cache):
    x, g, mean, variance, eps = cache
    D = x.shape[-1]
    xc = x - mean
    istd = 1 / np.sqrt(variance + eps)
    dg = np.sum(dout * xc * istd, axis=0)
    db = np.sum(dout, axis=0)
    dnorm = dout * g
    dvar = np.sum(dnorm * xc, axis=-1, keepdims=True) * -0.5 * istd**3
    dmean = -np.sum(dnorm * istd, axis=-1, keepdims=True)
    dx = dnorm * istd + dvar * 2 * xc / D + dmean / D
    return dx, dg, db
