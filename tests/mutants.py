"""Implementations with one mistake each, made from the rows of the catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import tinygrad_bn as tg
from tinygrad_bn.testing.batch import Batch
from tinygrad_bn.testing.catalogue import Mistake
from tinygrad_bn.testing.conventions import Subject, layers, pair


def mutant(row: Mistake) -> Subject:
    """Make an implementation that is right but for this row."""
    ndim = row.ndim or 2
    axis = (0,) if ndim == 2 else (0, 2, 3)

    def choose(seen: str, batch: Batch, right: Any) -> Any:
        return row.wrong(batch) if row.seen == seen else right

    def forward(x, gamma, beta, bn_param):
        old = bn_param["running_mean"], bn_param["running_var"]
        batch = Batch(x, gamma, beta, np.ones(1), axis, bn_param["eps"], *old, 0.9)
        if bn_param["mode"] == "test":
            return choose("test mode", batch, batch.test()), None
        bn_param["running_mean"] = choose("running mean", batch, batch.new_running_mean)
        bn_param["running_var"] = choose("running var", batch, batch.new_running_var)
        y = choose("y", batch, batch.y)
        if row.seen == "x after forward":
            _ = batch.x_hat, batch.s  # computed before x is overwritten
            x[...] = row.wrong(batch)
        return y, batch

    def backward(dout, batch):
        batch = replace(batch, dy=dout) if row.seen != "x after forward" else _kept(batch, dout)
        if row.seen == "y":
            return of_the_wrong_forward(row, batch)
        dx, dgamma, dbeta = batch.dx(), (dout * batch.x_hat), dout
        dgamma = choose("dgamma", batch, dgamma.sum(axis))
        dbeta = choose("dbeta", batch, dbeta.sum(axis))
        dx = choose("dx", batch, dx)
        if row.seen == "dy after backward":
            dout[...] = row.wrong(batch)
        return dx, dgamma, dbeta

    if row.seen == "dx after another forward":
        return layers(stale(row.name.endswith("first batch")), ndim)[0]
    if row.seen == "dx of a second backward":
        return layers(accumulating(), ndim)[0]
    return pair(forward, backward, ndim)


def _kept(batch: Batch, dout: np.ndarray) -> Batch:
    batch.__dict__["dy"] = dout  # keeps the statistics that were computed before
    return batch


def of_the_wrong_forward(row: Mistake, batch: Batch):
    leaves = [tg.Tensor(a, requires_grad=True) for a in (batch.x, batch.gamma, batch.beta)]
    x, gamma, beta = leaves
    y = row.wrong(replace(batch, x=x, gamma=gamma, beta=beta))
    return tuple(g.data for g in tg.grad(y, leaves, batch.dy))


def stale(keeps_the_first: bool) -> type:
    class Stale:
        shared: Any = None

        def __init__(self, gamma, beta):
            self.gamma, self.beta, self.batch = gamma, beta, None

        def forward(self, x):
            batch = Batch(x, self.gamma, self.beta, np.ones(1), (0,))
            if self.batch is None or not keeps_the_first:
                self.batch = Stale.shared = batch
            return batch.y

        def backward(self, dout):
            batch = replace(self.batch if keeps_the_first else Stale.shared, dy=dout)
            self.dgamma, self.dbeta = (dout * batch.x_hat).sum(0), dout.sum(0)
            return batch.dx()

    return Stale


def accumulating() -> type:
    class Accumulating:
        def __init__(self, gamma, beta):
            self.gamma, self.beta = gamma, beta

        def forward(self, x):
            self.batch = Batch(x, self.gamma, self.beta, np.ones(1), (0,))
            self.dx = np.zeros(x.shape, x.dtype)
            return self.batch.y

        def backward(self, dout):
            batch = replace(self.batch, dy=dout)
            self.dgamma, self.dbeta = (dout * batch.x_hat).sum(0), dout.sum(0)
            self.dx = self.dx + batch.dx()
            return self.dx

    return Accumulating
