import numpy as np

c = {"eps": 1e-8}
eps = c["eps"]


def exp_running_avg(running, new, gamma=0.9):
    return gamma * running + (1.0 - gamma) * new


def bn_forward(X, gamma, beta, cache, momentum=0.9, train=True):
    running_mean, running_var = cache
    if train:
        mu = np.mean(X, axis=0)
        var = np.var(X, axis=0)
        X_norm = (X - mu) / np.sqrt(var + eps)
        out = gamma * X_norm + beta
        cache = (X, X_norm, mu, var, gamma, beta)
        running_mean = exp_running_avg(running_mean, mu, momentum)
        running_var = exp_running_avg(running_var, var, momentum)
    else:
        X_norm = (X - running_mean) / np.sqrt(running_var + eps)
        out = gamma * X_norm + beta
        cache = None
    return out, cache, running_mean, running_var


def bn_backward(dout, cache):
    X, X_norm, mu, var, gamma, beta = cache
    N, D = X.shape
    X_mu = X - mu
    std_inv = 1.0 / np.sqrt(var + eps)
    dX_norm = dout * gamma
    dvar = np.sum(dX_norm * X_mu, axis=0) * -0.5 * (var + eps) ** (-3 / 2)
    dmu = np.sum(dX_norm * -std_inv, axis=0) + dvar * 1 / N * np.sum(-2.0 * X_mu, axis=0)
    dX = (dX_norm * std_inv) + (dmu / N) + (dvar * 2 / N * X_mu)
    dgamma = np.sum(dout * X_norm, axis=0)
    dbeta = np.sum(dout, axis=0)
    return dX, dgamma, dbeta
