import numpy as np


def batchnorm_forward(x, gamma, beta, running_mean, running_var, mode="train", eps=1e-5, momentum=0.1):
    if mode == "train":
        n = x.shape[0]
        mu = x.mean(axis=0)
        var = x.var(axis=0)
        xhat = (x - mu) / np.sqrt(var + eps)
        running_mean = (1 - momentum) * running_mean + momentum * mu
        running_var = (1 - momentum) * running_var + momentum * var * n / (n - 1)
        cache = (xhat, var, gamma, eps)
    elif mode == "eval":
        xhat = (x - running_mean) / np.sqrt(running_var + eps)
        cache = None
    else:
        raise ValueError("mode must be train or eval")
    return gamma * xhat + beta, running_mean, running_var, cache


def batchnorm_backward(dout, cache):
    xhat, var, gamma, eps = cache
    n = dout.shape[0]
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = dout.sum(axis=0)
    return gamma / np.sqrt(var + eps) / n * (n * dout - dbeta - xhat * dgamma), dgamma, dbeta
