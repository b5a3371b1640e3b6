import numpy as np


def bn_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    if bn_param["mode"] == "train":
        mu, var = x.mean(0), x.var(0)
        bn_param["running_mean"] = momentum * bn_param.get("running_mean", 0) + (1 - momentum) * mu
        bn_param["running_var"] = momentum * bn_param.get("running_var", 0) + (1 - momentum) * var
        xhat = (x - mu) / np.sqrt(var + eps)
        return gamma * xhat + beta, (x, mu, var, eps, gamma, xhat)
    return gamma * (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps) + beta, None


def bn_backward(dout, cache):
    x, mu, var, eps, gamma, xhat = cache
    N = x.shape[0]
    dgamma, dbeta = np.sum(dout * xhat), np.sum(dout)
    d = dout * gamma
    dx = (d - d.mean(0) - xhat * (d * xhat).mean(0)) / np.sqrt(var + eps)
    return dx, dgamma, dbeta
