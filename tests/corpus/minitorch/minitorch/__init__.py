from .layers import BatchNorm1d
