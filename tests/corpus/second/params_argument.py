import numpy as np


class BatchNorm:
    """A functional layer: parameters and state come in and go out with each call."""

    def init(self, dim):
        params = {"scale": np.ones(dim), "offset": np.zeros(dim)}
        state = {"mean": np.zeros(dim), "var": np.ones(dim)}
        return params, state

    def forward(self, params, x):
        mean, std = x.mean(0), np.sqrt(x.var(0) + 1e-5)
        xhat = (x - mean) / std
        return params["scale"] * xhat + params["offset"], (xhat, std)

    def backward(self, params, cache, dout):
        xhat, std = cache
        grads = {"scale": (dout * xhat).sum(0), "offset": dout.sum(0)}
        d = dout * params["scale"]
        return (d - d.mean(0) - xhat * (d * xhat).mean(0)) / std, grads
