import numpy as np


def standardize(x, eps):
    mean = x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + eps)
    return (x - mean) / std, std
