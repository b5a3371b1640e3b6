import numpy as np


def column_sum(a):
    return np.sum(a, axis=0)
