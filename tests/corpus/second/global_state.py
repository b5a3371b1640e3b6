import numpy as np

EPSILON = 1e-5
memory = {}


def batchnorm_forward(x, gamma, beta):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    xhat = (x - mu) / np.sqrt(var + EPSILON)
    memory["xhat"], memory["var"], memory["gamma"] = xhat, var, gamma
    return gamma * xhat + beta


def batchnorm_backward(dout):
    xhat, var, gamma = memory["xhat"], memory["var"], memory["gamma"]
    n = len(dout)
    dgamma, dbeta = (dout * xhat).sum(axis=0), dout.sum(axis=0)
    dx = gamma / np.sqrt(var + EPSILON) * (dout - dbeta / n - xhat * dgamma / n)
    return dx, dgamma, dbeta
