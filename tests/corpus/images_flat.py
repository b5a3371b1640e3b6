import numpy as np


class BatchNorm2d:
    def __init__(self, in_channels, affine=True):
        self.in_channels = in_channels
        self.w = np.ones(in_channels)
        self.b = np.zeros(in_channels)
        self.grad_w = None
        self.grad_b = None

    def forward(self, x):
        N, C, H, W = x.shape
        flat = x.transpose(0, 2, 3, 1).reshape(-1, C)
        self.mu = flat.mean(axis=0)
        self.sigma = np.sqrt(flat.var(axis=0) + 1e-5)
        self.normed = (flat - self.mu) / self.sigma
        out = self.w * self.normed + self.b
        return out.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    def backward(self, grad):
        N, C, H, W = grad.shape
        g = grad.transpose(0, 2, 3, 1).reshape(-1, C)
        self.grad_w = (g * self.normed).sum(axis=0)
        self.grad_b = g.sum(axis=0)
        gx = g * self.w
        gx = (gx - gx.mean(axis=0) - self.normed * (gx * self.normed).mean(axis=0)) / self.sigma
        return gx.reshape(N, H, W, C).transpose(0, 3, 1, 2)
