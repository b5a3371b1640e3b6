"""Right batch norms in the styles in which people write the backward pass, to plant mistakes in."""

# ruff: noqa: N806, RUF059

import numpy as np

# --- the three closed forms -------------------------------------------------------------------


def equations_forward(x, gamma, beta, eps):
    mu = x.mean(axis=0)
    var = ((x - mu) ** 2).mean(axis=0)
    x_hat = (x - mu) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x, mu, var, x_hat, gamma, eps)


def equations_backward(dout, cache):
    x, mu, var, x_hat, gamma, eps = cache
    m = x.shape[0]
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mu) * -0.5 * (var + eps) ** -1.5, axis=0)
    dmu = (
        np.sum(dx_hat * -1 / np.sqrt(var + eps), axis=0) + dvar * np.sum(-2 * (x - mu), axis=0) / m
    )
    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / m + dmu / m
    dgamma = np.sum(dout * x_hat, axis=0)
    dbeta = np.sum(dout, axis=0)
    return dx, dgamma, dbeta


def steps_forward(x, gamma, beta, eps):
    xc = x - x.mean(axis=0)
    s = np.sqrt(np.mean(xc**2, axis=0) + eps)
    x_hat = xc / s
    return gamma * x_hat + beta, (xc, s, x_hat, gamma)


def steps_backward(dout, cache):
    xc, s, x_hat, gamma = cache
    m = len(dout)
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(x_hat * dout, axis=0)
    dx_hat = gamma * dout
    dxc = dx_hat / s
    ds = -np.sum(dx_hat * xc, axis=0) / s**2
    dvar = ds / (2 * s)
    dxc = dxc + (2 / m) * xc * dvar
    dmu = np.sum(dxc, axis=0)
    dx = dxc - dmu / m
    return dx, dgamma, dbeta


def compact_forward(x, gamma, beta, eps):
    s = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / s
    return gamma * x_hat + beta, (x_hat, s, gamma)


def compact_backward(dout, cache):
    x_hat, s, gamma = cache
    m = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * x_hat, axis=0)
    dx = gamma / (m * s) * (m * dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta


# --- five step-wise styles --------------------------------------------------------------------


def staged_forward(x, gamma, beta, eps):
    N, D = x.shape
    mu = 1.0 / N * np.sum(x, axis=0)
    xmu = x - mu
    sq = xmu**2
    var = 1.0 / N * np.sum(sq, axis=0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    gammax = gamma * xhat
    out = gammax + beta
    return out, (xhat, gamma, xmu, ivar, sqrtvar, var, eps)


def staged_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgammax = dout
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def vectorised_forward(x, gamma, beta, eps):
    mean = np.mean(x, axis=0, keepdims=True)
    std = np.sqrt(np.var(x, axis=0, keepdims=True) + eps)
    norm = (x - mean) / std
    return norm * gamma + beta, {"norm": norm, "std": std, "gamma": gamma}


def vectorised_backward(dout, cache):
    norm, std, gamma = cache["norm"], cache["std"], cache["gamma"]
    dgamma = (dout * norm).sum(axis=0)
    dbeta = dout.sum(axis=0)
    dnorm = dout * gamma
    dcentered = dnorm - dnorm.mean(axis=0, keepdims=True)
    dcentered -= norm * (dnorm * norm).mean(axis=0, keepdims=True)
    dx = dcentered / std
    return dx, dgamma, dbeta


class Layer:
    def __init__(self, gamma, beta, eps=1e-5):
        self.gamma, self.beta, self.eps = gamma, beta, eps

    def forward(self, x):
        self.mean = x.mean(axis=0)
        self.xc = x - self.mean
        self.var = np.mean(self.xc**2, axis=0)
        self.std = np.sqrt(self.var + self.eps)
        self.xn = self.xc / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / dout.shape[0]) * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        dx = dxc - dmu / dout.shape[0]
        return dx


def returned_forward(x, gamma, beta, eps):
    r = (x.var(0) + eps) ** -0.5
    z = (x - x.mean(0)) * r
    return z * gamma + beta, (z, r, gamma)


def returned_backward(dout, cache):
    z, r, gamma = cache
    n = len(dout)
    return (
        gamma * r * (dout - dout.sum(0) / n - z * (dout * z).sum(0) / n),
        (dout * z).sum(0),
        dout.sum(0),
    )


def inverse_forward(x, gamma, beta, eps):
    mu = np.mean(x, axis=0)
    var = np.var(x, axis=0)
    inv_std = 1.0 / np.sqrt(var + eps)
    x_mu = x - mu
    x_norm = x_mu * inv_std
    return gamma * x_norm + beta, (x_mu, x_norm, inv_std, gamma)


def inverse_backward(dout, cache):
    x_mu, x_norm, inv_std, gamma = cache
    N = dout.shape[0]
    dgamma = np.sum(dout * x_norm, axis=0)
    dbeta = np.sum(dout, axis=0)
    dx_norm = dout * gamma
    dvar = np.sum(dx_norm * x_mu, axis=0) * -0.5 * inv_std**3
    dmu = np.sum(dx_norm * -inv_std, axis=0) + dvar * np.mean(-2.0 * x_mu, axis=0)
    dx = (dx_norm * inv_std) + (dvar * 2 * x_mu / N) + (dmu / N)
    return dx, dgamma, dbeta


STYLES = {
    "equations": (equations_forward, equations_backward),
    "steps": (steps_forward, steps_backward),
    "compact": (compact_forward, compact_backward),
    "staged": (staged_forward, staged_backward),
    "vectorised": (vectorised_forward, vectorised_backward),
    "class": Layer,
    "returned": (returned_forward, returned_backward),
    "inverse": (inverse_forward, inverse_backward),
}
