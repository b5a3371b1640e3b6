import numpy as np

np.random.seed(0)


def relu(x):
    return np.maximum(0, x)


def batch_norm_forward(z, gamma, beta, eps=1e-3):
    mu = z.mean(axis=0)
    var = z.var(axis=0)
    zn = (z - mu) / np.sqrt(var + eps)
    return gamma * zn + beta, mu, var, zn


def batch_norm_backward(dout, z, mu, var, zn, gamma, eps=1e-3):
    m = z.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * zn).sum(axis=0)
    dzn = dout * gamma
    dvar = np.sum(dzn * (z - mu), axis=0) * -0.5 * (var + eps) ** -1.5
    dmu = np.sum(dzn, axis=0) * -1 / np.sqrt(var + eps)
    dz = dzn / np.sqrt(var + eps) + dvar * 2 * (z - mu) / m + dmu / m
    return dz, dgamma, dbeta


W1, W2 = np.random.randn(5, 8) * 0.1, np.random.randn(8, 1) * 0.1
gamma1, beta1 = np.ones(8), np.zeros(8)
x, t = np.random.randn(32, 5), np.random.randn(32, 1)
losses = []
for step in range(5):
    h, mu, var, zn = batch_norm_forward(x @ W1, gamma1, beta1)
    a = relu(h)
    err = a @ W2 - t
    losses.append(float((err**2).mean()))
    da = 2 * err @ W2.T / len(x)
    W2 -= 0.1 * a.T @ (2 * err / len(x))
    dz, dg, db = batch_norm_backward(da * (h > 0), x @ W1, mu, var, zn, gamma1)
    W1 -= 0.1 * x.T @ dz
    gamma1 -= 0.1 * dg
    beta1 -= 0.1 * db
print("loss", losses[-1])
