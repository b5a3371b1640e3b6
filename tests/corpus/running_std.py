import numpy as np


def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = 1e-5, 0.9
    if bn_param["mode"] == "train":
        mean = np.mean(x, axis=0)
        std = np.sqrt(np.var(x, axis=0) + eps)
        bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mean
        bn_param["running_std"] = momentum * bn_param["running_std"] + (1 - momentum) * std
    else:
        mean, std = bn_param["running_mean"], bn_param["running_std"]
    xhat = (x - mean) / std
    return gamma * xhat + beta, (xhat, std, gamma)


def batchnorm_backward(dout, cache):
    xhat, std, gamma = cache
    dxhat = dout * gamma
    dx = (dxhat - np.mean(dxhat, axis=0) - xhat * np.mean(dxhat * xhat, axis=0)) / std
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)
