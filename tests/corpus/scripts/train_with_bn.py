import numpy as np
import matplotlib_of_another_machine.pyplot as plt
from helpers import column_sum

data = np.load("mnist_of_another_machine.npz")


class BatchNorm:
    def __init__(self, n_units):
        self.gamma, self.beta = np.ones(n_units), np.zeros(n_units)

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=0) + 1e-5)
        self.xhat = (x - x.mean(axis=0)) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = column_sum(dout * self.xhat), column_sum(dout)
        n = len(dout)
        return self.gamma / self.std * (dout - self.dbeta / n - self.xhat * self.dgamma / n)


net = BatchNorm(784)
for epoch in range(1000):
    out = net.forward(data["x"])
    plt.plot(epoch, out.mean())
plt.show()
