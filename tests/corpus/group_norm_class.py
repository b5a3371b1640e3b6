import numpy as np


class GroupNorm:
    def __init__(self, num_groups, num_channels, eps=1e-5):
        self.num_groups, self.eps = num_groups, eps
        self.gamma = np.ones(num_channels)
        self.beta = np.zeros(num_channels)

    def forward(self, x):
        n, c, h, w = x.shape
        xg = x.reshape(n, self.num_groups, -1)
        self.std = np.sqrt(xg.var(axis=-1, keepdims=True) + self.eps)
        self.xhat = ((xg - xg.mean(axis=-1, keepdims=True)) / self.std).reshape(x.shape)
        return self.gamma[:, None, None] * self.xhat + self.beta[:, None, None]

    def backward(self, dy):
        n = dy.shape[0]
        self.dgamma = (dy * self.xhat).sum(axis=(0, 2, 3))
        self.dbeta = dy.sum(axis=(0, 2, 3))
        d = (dy * self.gamma[:, None, None]).reshape(n, self.num_groups, -1)
        xh = self.xhat.reshape(n, self.num_groups, -1)
        dx = (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True)) / self.std
        return dx.reshape(dy.shape)
