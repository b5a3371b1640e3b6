"""Functions with a right backward, and wrong ones made from it by one change of its text each."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_bn as tg

EPS = 1e-5


@dataclass(frozen=True)
class Row:
    """A function of x, gamma and beta, its backward, and changes that make the backward wrong."""

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    changes: tuple[tuple[str, str], ...]

    def mutants(self) -> list[Callable[..., Any]]:
        """Make the wrong backwards."""
        decorated = inspect.getsource(self.backward)
        source = decorated[decorated.index(f"def {self.backward.__name__}(") :]
        made = []
        for old, new in self.changes:
            assert source.count(old) == 1, (self.name, old)
            scope = dict(globals())
            exec(source.replace(old, new), scope)
            made.append(scope[self.backward.__name__])
        return made


ROWS: dict[str, Row] = {}


def row(forward, *changes):
    def add(backward):
        name = backward.__name__
        ROWS[name] = Row(name, forward, backward, changes)
        return backward

    return add


# --- batch norm in five styles --------------------------------------------------------------


def paper_forward(x, gamma, beta):
    m = x.shape[0]
    mu = 1.0 / m * np.sum(x, axis=0)
    var = 1.0 / m * np.sum((x - mu) ** 2, axis=0)
    return gamma * ((x - mu) / np.sqrt(var + EPS)) + beta


@row(
    paper_forward,
    ("** (-1.5)", "** (-0.5)"),
    ("dvar * 2 / m", "dvar / m"),
    ("+ dmu / m", "- dmu / m"),
)
def paper(w, x, gamma, beta):
    m = x.shape[0]
    mu = np.sum(x, axis=0) / m
    var = np.sum((x - mu) ** 2, axis=0) / m
    s = np.sqrt(var + EPS)
    dx_hat = w * gamma
    dvar = np.sum(dx_hat * (x - mu) * (-0.5) * (var + EPS) ** (-1.5), axis=0)
    dmu = np.sum(-dx_hat / s, axis=0) + dvar * np.sum(-2 * (x - mu), axis=0) / m
    dx = dx_hat / s + dvar * 2 / m * (x - mu) + dmu / m
    return dx, np.sum(w * (x - mu) / s, axis=0), np.sum(w, axis=0)


@row(
    lambda x, gamma, beta: gamma * ((x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + EPS)) + beta,
    ("dxc / s", "dxc"),
    ("2 * s)", "s)"),
    ("- dxc.mean(axis=0)", "- dxc.sum(axis=0)"),
)
def steps(w, x, gamma, beta):
    m = len(x)
    xc = x - x.mean(axis=0)
    s = np.sqrt(x.var(axis=0) + EPS)
    dxc = w * gamma
    ds = -(dxc * xc).sum(axis=0) / s**2
    dvar = ds / (2 * s)
    dxc = dxc / s
    dxc = dxc + 2 / m * xc * dvar
    return dxc - dxc.mean(axis=0), (w * xc / s).sum(axis=0), w.sum(axis=0)


@row(
    tg.batch_norm,
    ("x_hat * (d * x_hat)", "x_hat * d"),
    ("(d - d.mean(0) -", "(d -"),
    ("* x_hat).sum(0)", "* x).sum(0)"),
)
def compact(w, x, gamma, beta):
    s = np.sqrt(x.var(0) + EPS)
    x_hat = (x - x.mean(0)) / s
    d = w * gamma
    dx = (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) / s
    return dx, (w * x_hat).sum(0), w.sum(0)


def two_moments(x, gamma, beta):
    mu = np.mean(x, axis=0)
    var = np.mean((x - mu) * (x - mu), axis=0)
    scale = gamma / np.sqrt(var + EPS)
    return x * scale + (beta - mu * scale)


@row(
    two_moments,
    ("- (x - mu) * a * ", "+ (x - mu) * a * "),
    ("/ m - (", " - ("),
    ("a = 1 / (var + EPS)", "a = 1 / np.sqrt(var + EPS)"),
)
def affine(w, x, gamma, beta):
    m = x.shape[0]
    mu = np.mean(x, axis=0)
    var = np.mean((x - mu) ** 2, axis=0)
    a = 1 / (var + EPS)
    scale = gamma / np.sqrt(var + EPS)
    t = np.sum(w * (x - mu), axis=0)
    dx = scale * (w - np.sum(w, axis=0) / m - (x - mu) * a * t / m)
    return dx, t / np.sqrt(var + EPS), np.sum(w, axis=0)


def by_feature_forward(x, gamma, beta):
    y = np.empty_like(x)
    for j in range(x.shape[1]):
        column = x[:, j]
        y[:, j] = gamma[j] * (column - column.mean()) / np.sqrt(column.var() + EPS) + beta[j]
    return y


@row(
    by_feature_forward,
    ("d.mean()", "d.max()"),
    ("gamma[j] / s", "gamma[0] / s"),
    ("dbeta[j] = d.sum()", "dbeta[j] = d.mean()"),
)
def by_feature(w, x, gamma, beta):  # in loops, and in place: it does not run on Tensors
    dx, dgamma, dbeta = np.zeros_like(x), np.zeros_like(gamma), np.zeros_like(beta)
    for j in range(x.shape[1]):
        column, d = x[:, j], w[:, j]
        s = np.sqrt(column.var() + EPS)
        x_hat = (column - column.mean()) / s
        dx[:, j] = gamma[j] / s * (d - d.mean() - x_hat * np.mean(d * x_hat))
        dgamma[j], dbeta[j] = (d * x_hat).sum(), 0
        dbeta[j] = d.sum()
    return dx, dgamma, dbeta


# --- with kinks -----------------------------------------------------------------------------


@row(
    lambda x, gamma, beta: np.maximum(tg.batch_norm(x, gamma, beta), 0),
    ("(y > 0)", "(y < 0)"),
    ("live = w * (y > 0)", "live = w"),
    ("d = live", "d = w"),
)
def batch_norm_relu(w, x, gamma, beta):
    s = np.sqrt(x.var(0) + EPS)
    x_hat = (x - x.mean(0)) / s
    y = gamma * x_hat + beta
    live = w * (y > 0)
    d = live * gamma
    dx = (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) / s
    return dx, (live * x_hat).sum(0), live.sum(0)


@row(
    lambda x, gamma, beta: tg.leaky_relu(tg.batch_norm(x, gamma, beta), 0.1),
    ("0.1)", "0.0)"),
    ("x_hat = (x - x.mean(0)) / s", "x_hat = (x - x.mean(0)) / s**2"),
    ("w = w * slope", "w = w / slope"),
)
def batch_norm_leaky_relu(w, x, gamma, beta):
    s = np.sqrt(x.var(0) + EPS)
    x_hat = (x - x.mean(0)) / s
    slope = np.where(gamma * x_hat + beta > 0, 1.0, 0.1).astype(x.dtype)
    w = w * slope
    d = w * gamma
    dx = (d - d.mean(0) - x_hat * (d * x_hat).mean(0)) / s
    return dx, (w * x_hat).sum(0), w.sum(0)


@row(
    lambda x, gamma, beta: np.max(x * gamma + beta, axis=1),
    ("np.max(y", "np.min(y"),
    ("hit * gamma", "hit / gamma"),
    ("(hit * x).sum(0)", "hit.sum(0)"),
)
def largest(w, x, gamma, beta):
    y = x * gamma + beta
    hit = w[:, None] * (y == np.max(y, axis=1, keepdims=True))
    return hit * gamma, (hit * x).sum(0), hit.sum(0)


@row(
    lambda x, gamma, beta: np.abs(x) * gamma + beta,
    ("np.sign(x)", "1"),
    ("np.abs(x)", "x"),
    ("w.sum(0)", "w.mean(0)"),
)
def absolute(w, x, gamma, beta):
    return w * gamma * np.sign(x), (w * np.abs(x)).sum(0), w.sum(0)


@row(
    lambda x, gamma, beta: np.clip(x * gamma, -1, 1) + beta,
    ("z < 1", "z < 2"),
    ("inside * gamma", "w * gamma"),
    ("inside * x", "inside * gamma"),
)
def clipped(w, x, gamma, beta):
    z = x * gamma
    inside = w * ((z > -1) & (z < 1))
    return inside * gamma, (inside * x).sum(0), w.sum(0)


# --- other norms ----------------------------------------------------------------------------


@row(
    tg.layer_norm,
    ("(d * x_hat).mean(1", "(d * x_hat).mean(0"),
    ("- d.mean(1, keepdims=True)", "- 0"),
    ("(w * x_hat).sum(0)", "(w * x_hat).mean(0)"),
)
def layer_norm(w, x, gamma, beta):
    s = np.sqrt(x.var(1, keepdims=True) + EPS)
    x_hat = (x - x.mean(1, keepdims=True)) / s
    d = w * gamma
    dx = (d - d.mean(1, keepdims=True) - x_hat * (d * x_hat).mean(1, keepdims=True)) / s
    return dx, (w * x_hat).sum(0), w.sum(0)


def rms_forward(x, gamma, beta):
    return x / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + EPS) * gamma + beta


@row(
    rms_forward,
    ("- x_hat *", "+ x_hat *"),
    ("np.mean(d * x_hat", "np.sum(d * x_hat"),
    ("d = w * gamma", "d = w"),
)
def rms_norm(w, x, gamma, beta):
    r = np.sqrt(np.mean(x * x, axis=1, keepdims=True) + EPS)
    x_hat = x / r
    d = w * gamma
    dx = (d - x_hat * np.mean(d * x_hat, axis=1, keepdims=True)) / r
    return dx, (w * x_hat).sum(0), w.sum(0)


def groups_forward(x, gamma, beta):
    g = x.reshape(x.shape[0], 2, -1)
    mean, var = g.mean(axis=2, keepdims=True), g.var(axis=2, keepdims=True)
    return ((g - mean) / np.sqrt(var + EPS)).reshape(x.shape) * gamma + beta


@row(
    groups_forward,
    ("d.mean(2, keepdims=True)", "d.mean((1, 2), keepdims=True)"),
    ("(d * g_hat).mean(2", "(d * g).mean(2"),
    ("g_hat).mean(2, keepdims=True)) / s", "g_hat).mean(2, keepdims=True)) * s"),
)
def group_norm(w, x, gamma, beta):
    g = x.reshape(x.shape[0], 2, -1)
    s = np.sqrt(g.var(axis=2, keepdims=True) + EPS)
    g_hat = (g - g.mean(axis=2, keepdims=True)) / s
    d = (w * gamma).reshape(g.shape)
    dx = (d - d.mean(2, keepdims=True) - g_hat * (d * g_hat).mean(2, keepdims=True)) / s
    return dx.reshape(x.shape), (w * g_hat.reshape(x.shape)).sum(0), w.sum(0)


@row(
    lambda x, gamma, beta: x / np.sqrt((x * x).sum(axis=1, keepdims=True) + 1e-12) * gamma + beta,
    ("x_hat * (d * x_hat).sum(1", "x_hat * (d * x).sum(1"),
    ("dx = (d -", "dx = 2 * (d -"),
    ("keepdims=True)) / r", "keepdims=True)) / r**2"),
)
def l2_normalisation(w, x, gamma, beta):
    r = np.sqrt((x * x).sum(1, keepdims=True) + 1e-12)
    x_hat = x / r
    d = w * gamma
    dx = (d - x_hat * (d * x_hat).sum(1, keepdims=True)) / r
    return dx, (w * x_hat).sum(0), w.sum(0)


# --- activations and others -----------------------------------------------------------------


def softmax_forward(x, gamma, beta):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) * gamma + beta


@row(
    softmax_forward,
    ("p * (d -", "(d -"),
    (".sum(1, keepdims=True))", ".mean(1, keepdims=True))"),
    ("(d * p)", "d"),
)
def softmax(w, x, gamma, beta):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    d = w * gamma
    return p * (d - (d * p).sum(1, keepdims=True)), (w * p).sum(0), w.sum(0)


def log_sum_exp_forward(x, gamma, beta):
    z = x * gamma + beta
    c = np.max(z, axis=1, keepdims=True)
    return np.log(np.exp(z - c).sum(axis=1)) + c[:, 0]


@row(
    log_sum_exp_forward,
    ("/ e.sum(1, keepdims=True)", ""),
    ("d * gamma", "d"),
    ("(d * x).sum(0)", "(w[:, None] * x).sum(0)"),
)
def log_sum_exp(w, x, gamma, beta):
    z = x * gamma + beta
    e = np.exp(z - z.max(axis=1, keepdims=True))
    d = w[:, None] * e / e.sum(1, keepdims=True)
    return d * gamma, (d * x).sum(0), d.sum(0)


C = float(np.sqrt(2 / np.pi))


@row(
    lambda x, gamma, beta: 0.5 * x * (1 + np.tanh(C * (x + 0.044715 * x**3))) * gamma + beta,
    ("3 * 0.044715", "2 * 0.044715"),
    ("(1 - t * t)", "(1 - t)"),
    ("0.5 * x * (1 + t)).sum", "x * (1 + t)).sum"),
)
def gelu(w, x, gamma, beta):
    t = np.tanh(C * (x + 0.044715 * x**3))
    slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * C * (1 + 3 * 0.044715 * x**2)
    return w * gamma * slope, (w * 0.5 * x * (1 + t)).sum(0), w.sum(0)


@row(
    lambda x, gamma, beta: tg.sigmoid(x * gamma) + beta,
    ("(1 - y)", "(1 + y)"),
    ("d * gamma", "d"),
    ("d * x", "w * x"),
)
def sigmoid(w, x, gamma, beta):
    e = np.exp(-np.abs(x * gamma))
    y = np.where(x * gamma >= 0, 1, e) / (1 + e)
    d = w * y * (1 - y)
    return d * gamma, (d * x).sum(0), w.sum(0)


@row(
    lambda x, gamma, beta: x**3 * gamma - beta * x,
    ("3 * x**2", "3 * x"),
    ("x**3).sum", "x**2).sum"),
    ("-(w * x)", "(w * x)"),
)
def polynomial(w, x, gamma, beta):
    return w * (3 * x**2 * gamma - beta), (w * x**3).sum(0), -(w * x).sum(0)


@row(
    lambda x, gamma, beta: np.std(x, axis=0) * gamma + beta,
    ("/ (len(x) * s)", "/ s"),
    ("(x - x.mean(0))", "x"),
    ("w * s, w", "s, w"),
)
def deviation(w, x, gamma, beta):
    s = x.std(0)
    return w * gamma * (x - x.mean(0)) / (len(x) * s), w * s, w + 0 * s


def drawn(seed: int, offset: float, scale: float, far: bool, dtype: Any) -> list[np.ndarray]:
    """Draw x (2 to 5 rows, 2 or 4 columns) with this offset and scale, gamma and beta."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(2, 6)), 2 * int(rng.integers(1, 3)))
    x = offset * (scale if far else 1.0) + scale * rng.normal(size=shape)
    arrays = x, rng.normal(size=shape[1]), rng.normal(size=shape[1])
    return [a.astype(dtype) for a in arrays]


OFFSETS = (0.0, 1.0, 30.0, 1e2, 1e3, 1e4, 1e5, 1e6)
SCALES = tuple(10.0**k for k in range(-6, 7))
