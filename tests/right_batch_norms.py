"""Right implementations in many styles: the judge must find nothing in any of them."""

from __future__ import annotations

import numpy as np


def paper_forward(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0)
    var = np.var(x, axis=0)
    x_hat = (x - mu) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x, x_hat, mu, var, gamma, eps)


def paper_backward(dout, cache):
    x, x_hat, mu, var, gamma, eps = cache
    m = x.shape[0]
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mu) * -0.5 * (var + eps) ** -1.5, axis=0)
    dmu = np.sum(-dx_hat / np.sqrt(var + eps), axis=0) + dvar * np.mean(-2 * (x - mu), axis=0)
    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / m + dmu / m
    return dx, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)


def steps_forward(x, gamma, beta, bn_param):
    mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    n, d = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(d, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(d, dtype=x.dtype))
    cache = None
    if mode == "train":
        mu = 1.0 / n * np.sum(x, axis=0)
        xmu = x - mu
        sq = xmu**2
        var = 1.0 / n * np.sum(sq, axis=0)
        sqrtvar = np.sqrt(var + eps)
        ivar = 1.0 / sqrtvar
        xhat = xmu * ivar
        gammax = gamma * xhat
        out = gammax + beta
        cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    else:
        raise ValueError(mode)
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return out, cache


def steps_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    n, d = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / sqrtvar**2 * divar
    dvar = 0.5 / np.sqrt(var + eps) * dsqrtvar
    dsq = 1.0 / n * np.ones((n, d)) * dvar
    dx1 = dxmu1 + 2 * xmu * dsq
    dmu = -np.sum(dx1, axis=0)
    return dx1 + 1.0 / n * np.ones((n, d)) * dmu, dgamma, dbeta


def compact_forward(x, gamma, beta):
    s = np.sqrt(x.var(0) + 1e-8)
    x_hat = (x - x.mean(0)) / s
    return x_hat * gamma + beta, {"x_hat": x_hat, "scale": gamma / s}


def compact_backward(dout, cache):
    x_hat, scale = cache["x_hat"], cache["scale"]
    dgamma, dbeta = (dout * x_hat).sum(0), dout.sum(0)
    return scale * (dout - dbeta / len(dout) - x_hat * dgamma / len(dout)), dgamma, dbeta


def einsum_forward(x, gamma, beta, eps):
    m = x.shape[0]
    xc = x - np.einsum("ij->j", x) / m
    s = np.sqrt(np.einsum("ij,ij->j", xc, xc) / m + eps)
    x_hat = xc / s
    return np.einsum("j,ij->ij", gamma, x_hat) + beta, (x_hat, s, gamma)


def einsum_backward(dout, cache):
    x_hat, s, gamma = cache
    dgamma, dbeta = np.einsum("ij,ij->j", dout, x_hat), np.einsum("ij->j", dout)
    m = dout.shape[0]
    return gamma / s * (dout - dbeta / m - np.einsum("ij,j->ij", x_hat, dgamma) / m), dgamma, dbeta


def keepdims_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param["eps"], bn_param["momentum"]
    if bn_param["mode"] == "test":
        mean, var = bn_param["running_mean"], bn_param["running_var"]
        return gamma * (x - mean) / np.sqrt(var + eps) + beta, None
    mu, var = x.mean(axis=0, keepdims=True), x.var(axis=0, keepdims=True)
    rstd = (var + eps) ** -0.5
    m = x.shape[0]
    # PyTorch's way: the unbiased variance.
    unbiased = var.squeeze(0) * m / (m - 1)
    bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mu.squeeze(0)
    bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * unbiased
    return gamma * ((x - mu) * rstd) + beta, ((x - mu) * rstd, rstd, gamma)


def keepdims_backward(dout, cache):
    x_hat, rstd, gamma = cache
    dx_hat = dout * gamma
    dx = dx_hat - dx_hat.mean(axis=0, keepdims=True)
    dx = dx - x_hat * (dx_hat * x_hat).mean(axis=0, keepdims=True)
    return rstd * dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def in_place_forward(x, gamma, beta, eps=1e-3):
    out = x.copy()
    out -= out.mean(axis=0)
    s = np.sqrt(np.square(out).mean(axis=0) + eps)
    out /= s
    x_hat = out.copy()
    out *= gamma
    out += beta
    return out, (x_hat, s, gamma)


def in_place_backward(dout, cache):
    x_hat, s, gamma = cache
    dx = dout * gamma
    dx -= dx.mean(axis=0) + x_hat * (dx * x_hat).mean(axis=0)
    dx /= s
    return dx, np.multiply(dout, x_hat).sum(axis=0), np.add.reduce(dout)


def buffered_forward(x, gamma, beta, eps=1e-6):
    """Write into a buffer, column by column, as in C: the engine cannot record it."""
    out, x_hat, s = np.empty_like(x), np.empty_like(x), np.empty_like(gamma)
    for j in range(x.shape[1]):
        s[j] = np.sqrt(((x[:, j] - x[:, j].mean()) ** 2).mean() + eps)
        x_hat[:, j] = (x[:, j] - x[:, j].mean()) / s[j]
        out[:, j] = gamma[j] * x_hat[:, j] + beta[j]
    return out, (x_hat, s, gamma)


buffered_backward = in_place_backward


def matmul_forward(x, gamma, beta, eps=1e-5):
    m = x.shape[0]
    centre = np.eye(m) - np.ones((m, m)) / m
    xc = centre @ x
    s = np.sqrt(np.ones(m) @ xc**2 / m + eps)
    return xc / s * gamma + beta, (xc, s, gamma, centre)


def matmul_backward(dout, cache):
    xc, s, gamma, centre = cache
    ones = np.ones(len(dout))
    g = dout * gamma / s
    dvar = -(ones @ (g * xc)) / s**2 / len(dout)
    return centre @ (g + xc * dvar), ones @ (dout * xc / s), ones @ dout


def one_pass_forward(x, gamma, beta, eps=1e-5):
    """Compute the variance as E[x^2] - mu^2, which rounds worse."""
    mu = x.mean(axis=0)
    s = np.sqrt((x * x).mean(axis=0) - mu * mu + eps)
    return (x - mu) / s * gamma + beta, ((x - mu) / s, s, gamma)


def one_pass_backward(dout, cache):
    return keepdims_backward(dout, (cache[0], 1 / cache[1], cache[2]))


def single_forward(x, gamma, beta, eps=1e-5):
    """Compute in float32, whatever comes."""
    x = x.astype(np.float32)
    out, cache = paper_forward(x, gamma.astype(np.float32), beta.astype(np.float32), eps)
    return out, cache


def single_backward(dout, cache):
    return paper_backward(dout.astype(np.float32), cache)


def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    n, c, h, w = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, c)
    out, cache = steps_forward(rows, gamma, beta, bn_param)
    return out.reshape(n, h, w, c).transpose(0, 3, 1, 2), cache


def spatial_batchnorm_backward(dout, cache):
    n, c, h, w = dout.shape
    rows = dout.transpose(0, 2, 3, 1).reshape(-1, c)
    dx, dgamma, dbeta = steps_backward(rows, cache)
    return dx.reshape(n, h, w, c).transpose(0, 3, 1, 2), dgamma, dbeta


def direct_2d_forward(x, gamma, beta, eps):
    mu = x.mean(axis=(0, 2, 3), keepdims=True)
    s = np.sqrt(x.var(axis=(0, 2, 3), keepdims=True) + eps)
    x_hat = (x - mu) / s
    return gamma[None, :, None, None] * x_hat + beta[None, :, None, None], (x_hat, s, gamma)


def direct_2d_backward(dout, cache):
    x_hat, s, gamma = cache
    axes = (0, 2, 3)
    dgamma, dbeta = (dout * x_hat).sum(axis=axes), dout.sum(axis=axes)
    m = dout.size / dout.shape[1]
    spread = (slice(None), None, None)
    inner = dout - (dbeta[spread] + x_hat * dgamma[spread]) / m
    return gamma[spread] / s * inner, dgamma, dbeta


class BatchNormalization:
    """The layer of the book: flattens what has more than two axes, keeps running statistics."""

    def __init__(self, gamma, beta, momentum=0.9, running_mean=None, running_var=None):
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.input_shape = None
        self.running_mean, self.running_var = running_mean, running_var
        self.batch_size = self.xc = self.std = self.dgamma = self.dbeta = None

    def forward(self, x, train_flg=True):
        self.input_shape = x.shape
        if x.ndim != 2:
            x = x.reshape(x.shape[0], -1)
        return self._forward(x, train_flg).reshape(*self.input_shape)

    def _forward(self, x, train_flg):
        if self.running_mean is None:
            self.running_mean, self.running_var = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        if train_flg:
            mu = x.mean(axis=0)
            xc = x - mu
            var = np.mean(xc**2, axis=0)
            std = np.sqrt(var + 10e-7)
            self.batch_size, self.xc, self.xn, self.std = x.shape[0], xc, xc / std, std
            keep = self.momentum
            self.running_mean = keep * self.running_mean + (1 - keep) * mu
            self.running_var = keep * self.running_var + (1 - keep) * var
            xn = self.xn
        else:
            xn = (x - self.running_mean) / np.sqrt(self.running_var + 10e-7)
        return self.gamma * xn + self.beta

    def backward(self, dout):
        if dout.ndim != 2:
            dout = dout.reshape(dout.shape[0], -1)
        dbeta, dgamma = dout.sum(axis=0), np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / self.batch_size) * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        self.dgamma, self.dbeta = dgamma, dbeta
        return (dxc - dmu / self.batch_size).reshape(*self.input_shape)


class BatchNorm2d:
    """PyTorch's conventions: momentum weighs the new batch, and the variance fed is unbiased."""

    def __init__(self, gamma, beta, momentum=0.1, eps=1e-5):
        self.gamma, self.beta, self.momentum, self.eps = gamma, beta, momentum, eps
        self.running_mean = self.running_var = None

    def forward(self, x, training=True):
        n, c, h, w = x.shape
        m = n * h * w
        flat = np.swapaxes(x, 0, 1).reshape(c, m)
        if training:
            mu, var = flat.mean(axis=1), flat.var(axis=1)
            if self.running_mean is None:
                self.running_mean, self.running_var = np.zeros(c), np.ones(c)
            self.running_mean = self.running_mean + self.momentum * (mu - self.running_mean)
            self.running_var = self.running_var + self.momentum * (
                var * m / (m - 1) - self.running_var
            )
        else:
            mu, var = self.running_mean, self.running_var
        self.s = np.sqrt(var + self.eps)
        self.x_hat = (flat - mu[:, None]) / self.s[:, None]
        y = self.gamma[:, None] * self.x_hat + self.beta[:, None]
        return np.swapaxes(y.reshape(c, n, h, w), 0, 1)

    def backward(self, dout):
        n, c, h, w = dout.shape
        g = np.swapaxes(dout, 0, 1).reshape(c, -1)
        self.dgamma, self.dbeta = (g * self.x_hat).sum(axis=1), g.sum(axis=1)
        m = n * h * w
        dx = g - self.dbeta[:, None] / m - self.x_hat * self.dgamma[:, None] / m
        dx = (self.gamma / self.s)[:, None] * dx
        return np.swapaxes(dx.reshape(c, n, h, w), 0, 1)


PAIRS = [
    (paper_forward, paper_backward),
    (steps_forward, steps_backward),
    (compact_forward, compact_backward),
    (einsum_forward, einsum_backward),
    (keepdims_forward, keepdims_backward),
    (in_place_forward, in_place_backward),
    (buffered_forward, buffered_backward),
    (matmul_forward, matmul_backward),
    (one_pass_forward, one_pass_backward),
    (single_forward, single_backward),
    (spatial_batchnorm_forward, spatial_batchnorm_backward),
    (direct_2d_forward, direct_2d_backward),
]
CLASSES = [BatchNormalization, BatchNorm2d]
