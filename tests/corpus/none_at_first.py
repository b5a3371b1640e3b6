import numpy as np


def bn_forward(x, gamma, beta, bn_params):
    mode = bn_params.get("mode", "train")
    eps = bn_params.get("eps", 1e-5)
    mom = bn_params.get("momentum", 0.99)
    r_mean, r_var = bn_params.get("r_mean"), bn_params.get("r_var")
    if mode == "train":
        mean = np.mean(x, axis=0)
        var = np.mean(np.square(x - mean), axis=0)
        if r_mean is None:
            r_mean, r_var = mean, var
        else:
            r_mean = mom * r_mean + (1 - mom) * mean
            r_var = mom * r_var + (1 - mom) * var
        bn_params["r_mean"] = r_mean
        bn_params["r_var"] = r_var
    else:
        mean, var = r_mean, r_var
    norm = (x - mean) / np.sqrt(var + eps)
    return norm * gamma + beta, (norm, var, eps, gamma)


def bn_backward(dout, cache):
    norm, var, eps, gamma = cache
    n = norm.shape[0]
    dgamma = np.sum(norm * dout, axis=0)
    dbeta = np.sum(dout, axis=0)
    dx = gamma / np.sqrt(var + eps) / n * (n * dout - norm * dgamma - dbeta)
    return dx, dgamma, dbeta
