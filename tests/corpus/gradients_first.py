import numpy as np


def batchnorm_forward(x, scale, shift, eps=1e-5):
    mean = x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + eps)
    z = (x - mean) / std
    return scale * z + shift, (z, std, scale)


def batchnorm_backward(grad, cache):
    z, std, scale = cache
    dscale = np.sum(grad * z, axis=0)
    dshift = np.sum(grad, axis=0)
    g = grad * scale
    dx = (g - g.mean(axis=0) - z * (g * z).mean(axis=0)) / std
    return dscale, dshift, dx
