import numpy as np


def forward_bn(A, gamma, beta):
    mu = np.mean(A, axis=0)
    sigma = np.std(A, axis=0)
    A_norm = (A - mu) / (np.sqrt(sigma**2 + 1e-6))
    out = gamma * A_norm + beta
    return {"out": out, "A_norm": A_norm, "mu": mu, "sigma": sigma, "gamma": gamma}


def backward_bn(dA, cache):
    A_norm, sigma, gamma = cache["A_norm"], cache["sigma"], cache["gamma"]
    m = dA.shape[0]
    dgamma = np.sum(dA * A_norm, axis=0)
    dbeta = np.sum(dA, axis=0)
    s = np.sqrt(sigma**2 + 1e-6)
    dX = gamma / (m * s) * (m * dA - dbeta - A_norm * dgamma)
    return {"dA": dX, "dgamma": dgamma, "dbeta": dbeta}
