import numpy as np


class BatchNorm:
    def __init__(self, num_features):
        self.gamma = np.ones(num_features)
        self.beta = np.zeros(num_features)
        self.run_mean = np.zeros(num_features)
        self.run_var = np.ones(num_features)
        self.mode = "train"

    def forward(self, X):
        if self.mode == "train":
            self.mean = np.mean(X, axis=0)
            self.var = np.var(X, axis=0)
            self.run_mean = 0.9 * self.run_mean + 0.1 * self.mean
            self.run_var = 0.9 * self.run_var + 0.1 * self.var
            self.X_norm = (X - self.mean) / np.sqrt(self.var + 1e-8)
            self.X = X
            return self.gamma * self.X_norm + self.beta
        X_norm = (X - self.run_mean) / np.sqrt(self.run_var + 1e-8)
        return self.gamma * X_norm + self.beta

    def backward(self, d_out):
        n = d_out.shape[0]
        self.d_gamma = np.sum(d_out * self.X_norm, axis=0)
        self.d_beta = np.sum(d_out, axis=0)
        inv = 1 / np.sqrt(self.var + 1e-8)
        d_norm = d_out * self.gamma
        d_var = np.sum(d_norm * (self.X - self.mean), axis=0) * -0.5 * inv**3
        d_mean = np.sum(-d_norm * inv, axis=0) + d_var * np.mean(-2 * (self.X - self.mean), axis=0)
        return d_norm * inv + d_var * 2 * (self.X - self.mean) / n + d_mean / n
