"""Running statistics are arrays that the caller owns; they are updated in place."""
import numpy as np


def forward_batchnorm(x, gamma, beta, moving_mean, moving_var, is_training, decay=0.95, epsilon=1e-6):
    if not is_training:
        return gamma * (x - moving_mean) / np.sqrt(moving_var + epsilon) + beta, None
    mean, var = x.mean(0), x.var(0)
    moving_mean *= decay
    moving_mean += (1 - decay) * mean
    moving_var *= decay
    moving_var += (1 - decay) * var
    rstd = 1 / np.sqrt(var + epsilon)
    xn = (x - mean) * rstd
    return gamma * xn + beta, {"xn": xn, "rstd": rstd}


def backward_batchnorm(dy, gamma, cache):
    xn, rstd = cache["xn"], cache["rstd"]
    dxn = dy * gamma
    dx = rstd * (dxn - dxn.mean(0) - xn * (dxn * xn).mean(0))
    return dx, (dy * xn).sum(0), dy.sum(0)
