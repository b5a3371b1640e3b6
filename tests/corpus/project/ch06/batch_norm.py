import sys, os
sys.path.append(os.pardir)
from common.functions import standardize


class BatchNormalization:
    def __init__(self, gamma, beta):
        self.gamma = gamma
        self.beta = beta

    def forward(self, x, train_flg=True):
        self.xn, self.std = standardize(x, 1e-7)
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dgamma = (dout * self.xn).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        n = dout.shape[0]
        return self.gamma / self.std * (dout - self.dbeta / n - self.xn * self.dgamma / n)
