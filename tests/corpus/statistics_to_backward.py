import numpy as np

EPS = 1e-5


def bn_fwd(x, gamma, beta):
    mu = np.mean(x, axis=0)
    var = np.var(x, axis=0)
    y = gamma * (x - mu) / np.sqrt(var + EPS) + beta
    return y, mu, var


def bn_bwd(dy, x, gamma, beta, mu, var):
    m = len(x)
    s = np.sqrt(var + EPS)
    xc = x - mu
    dgamma = np.sum(dy * xc / s, axis=0)
    dbeta = np.sum(dy, axis=0)
    dvar = -0.5 * np.sum(dy * gamma * xc, axis=0) / s**3
    dmu = -np.sum(dy * gamma, axis=0) / s
    return dy * gamma / s + 2 * xc * dvar / m + dmu / m, dgamma, dbeta
