import numpy as np


def rmsnorm_forward(x, weight, eps=1e-6):
    rstd = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return x * rstd * weight, (x, rstd, weight)


def rmsnorm_backward(dout, cache):
    x, rstd, weight = cache
    xhat = x * rstd
    dweight = (dout * xhat).sum(axis=0)
    d = dout * weight
    dx = rstd * (d - xhat * (d * xhat).mean(axis=-1, keepdims=True))
    return dx, dweight
