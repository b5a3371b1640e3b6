import numpy as np


def init_batchnorm(num_features):
    params = {"gamma": np.ones(num_features), "beta": np.zeros(num_features)}
    state = {"moving_mean": None, "moving_var": None}
    return params, state


def batchnorm_forward(x, params, state, training=True, momentum=0.9, eps=1e-5):
    gamma, beta = params["gamma"], params["beta"]
    if training:
        mean = x.mean(axis=0)
        var = x.var(axis=0)
        if state["moving_mean"] is None:
            state["moving_mean"] = mean
            state["moving_var"] = var
        else:
            state["moving_mean"] = momentum * state["moving_mean"] + (1 - momentum) * mean
            state["moving_var"] = momentum * state["moving_var"] + (1 - momentum) * var
    else:
        mean, var = state["moving_mean"], state["moving_var"]
    ivar = 1 / np.sqrt(var + eps)
    xhat = (x - mean) * ivar
    return gamma * xhat + beta, {"xhat": xhat, "ivar": ivar, "gamma": gamma}


def batchnorm_backward(dout, cache):
    xhat, ivar, gamma = cache["xhat"], cache["ivar"], cache["gamma"]
    grads = {"gamma": np.sum(dout * xhat, axis=0), "beta": np.sum(dout, axis=0)}
    dxhat = dout * gamma
    dx = ivar * (dxhat - dxhat.mean(axis=0) - xhat * np.mean(dxhat * xhat, axis=0))
    return dx, grads
