import numpy as np


def batch_norm_forward(x, gamma, beta, running_mean, running_var, momentum=0.9, eps=1e-5, training=True):
    if training:
        batch_mean = x.mean(axis=0)
        batch_var = x.var(axis=0)
        running_mean = momentum * running_mean + (1 - momentum) * batch_mean
        running_var = momentum * running_var + (1 - momentum) * batch_var
    else:
        batch_mean, batch_var = running_mean, running_var
    inv_std = 1.0 / np.sqrt(batch_var + eps)
    x_hat = (x - batch_mean) * inv_std
    y = gamma * x_hat + beta
    return y, (x_hat, gamma, inv_std), running_mean, running_var


def batch_norm_backward(dy, cache):
    x_hat, gamma, inv_std = cache
    m = dy.shape[0]
    dgamma = np.einsum("ij,ij->j", dy, x_hat)
    dbeta = dy.sum(axis=0)
    dx = gamma * inv_std / m * (m * dy - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta
