"""The table of known mistakes. Each row has a wrong formula, as a function that can be run.

The field `seen` of a row names the quantity in which the mistake is visible: an output, a gradient,
a running statistic, or an array that should not have changed. The wrong formula predicts its value.
Two mistakes that predict the same value are one row, since no result can distinguish them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .batch import Array, Batch


@dataclass(frozen=True)
class Mistake:
    """A wrong formula: `wrong(batch)` is the value that an implementation with it computes.

    `term` is the formula of SOURCES.md in which the mistake is made, in the notation of that file.
    If `ndim` is not None, the mistake exists only for batches with that many axes.
    """

    name: str
    seen: str
    sentence: str
    term: str
    wrong: Callable[[Batch], Array]
    ndim: int | None = None


CATALOGUE: list[Mistake] = []

# The formulas of SOURCES.md to which the rows refer.
MU = "mu = (1/m) sum x_i"
VAR = "var = (1/m) sum (x_i - mu)^2"
X_HAT = "x_hat = (x_i - mu) / sqrt(var + eps)"
Y = "y_i = gamma * x_hat_i + beta"
DX_HAT = "dx_hat_i = dy_i * gamma"
DVAR = "dvar = sum dx_hat_i (x_i - mu) * (-1/2) (var + eps)^(-3/2)"
DMU = "dmu = sum dx_hat_i * (-1 / sqrt(var + eps)) + dvar * sum(-2 (x_i - mu)) / m"
DX = "dx_i = dx_hat_i / sqrt(var + eps) + dvar * 2 (x_i - mu) / m + dmu / m"
COMPACT = "dx_i = gamma / (m s) * ( m dy_i - sum_j dy_j - x_hat_i sum_j dy_j x_hat_j )"
DGAMMA = "dgamma = sum dy_i x_hat_i"
DBETA = "dbeta = sum dy_i"
RUNNING = "running = momentum * running + (1 - momentum) * batch"
INFERENCE = (
    "y = a x + c, a = gamma / sqrt(Var[x] + eps), c = beta - gamma E[x] / sqrt(Var[x] + eps)"
)
PURE = ""  # no formula is wrong, but the code changes its inputs or depends on other calls


def _seen(
    what: str, rows: list[tuple[str, str, str, Callable[[Batch], Array]]], ndim: int | None = None
) -> None:
    CATALOGUE.extend(
        Mistake(name, what, sentence, term, wrong, ndim) for name, sentence, term, wrong in rows
    )


def _normalized(b: Batch, var: Array) -> Array:
    y: Array = b.g * (b.x - b.mu) / np.sqrt(var + b.eps) + b.b
    return y


def _over(b: Batch, axis: int | tuple[int, ...] | None) -> Array:
    """Normalize over `axis` instead of the axes of the batch."""
    mu = np.mean(b.x, axis=axis, keepdims=True)
    var = np.mean((b.x - mu) ** 2, axis=axis, keepdims=True)
    y: Array = b.g * (b.x - mu) / np.sqrt(var + b.eps) + b.b
    return y


def _rows_of_channels(b: Batch) -> Array:
    """Normalize rows of C numbers, made from (N, C, H, W) without moving C to the end first."""
    rows = np.reshape(b.x, (-1, b.x.shape[1]))
    mu = np.mean(rows, axis=0)
    var = np.mean((rows - mu) ** 2, axis=0)
    y = b.gamma * (rows - mu) / np.sqrt(var + b.eps) + b.beta
    return np.reshape(y, b.x.shape)


def _dx_over(b: Batch, axis: int) -> Array:
    """Compute dx by the compact form, with its sums over another axis."""
    n = b.x.shape[axis]
    dbeta = b.dy.sum(axis=axis, keepdims=True)
    dgamma = (b.dy * b.x_hat).sum(axis=axis, keepdims=True)
    dx: Array = b.g / (n * b.s) * (n * b.dy - dbeta - b.x_hat * dgamma)
    return dx


def _dx_of_everything(b: Batch, dx_hat: Array, outside: Array | float, times: float) -> Array:
    """Compute dx from dx_hat with means over the whole array, and a factor of gamma outside."""
    inner = dx_hat - times * (np.mean(dx_hat) + b.x_hat * np.mean(dx_hat * b.x_hat))
    dx: Array = outside / b.s * inner
    return dx


def _rows(values: Array) -> Array:
    """Make rows of C numbers without moving C to the end first."""
    return np.reshape(values, (-1, values.shape[1]))


def _rows_of(values: Array) -> Array:
    """Make rows of C numbers, one for each place in each image."""
    return np.reshape(np.moveaxis(values, 1, -1), (-1, values.shape[1]))


def _dx_of_rows(b: Batch, dy: Array) -> Array:
    """Compute dx as rows of C numbers, from dy as such rows."""
    x_hat, s = _rows_of(b.x_hat), np.reshape(b.s, -1)
    dx: Array = b.gamma / s * (dy - dy.mean(0) - x_hat * (dy * x_hat).mean(0))
    return dx


def _rows_back(rows: Array, b: Batch) -> Array:
    n, c, h, w = b.x.shape
    return np.moveaxis(np.reshape(rows, (n, h, w, c)), -1, 1)


def _exchanged(b: Batch) -> Array:
    n, c, h, w = b.x.shape
    rows = _dx_of_rows(b, _rows_of(b.dy))
    return np.transpose(np.reshape(rows, (n, w, h, c)), (0, 3, 2, 1))


_seen("y", [
    ("unbiased variance", "The variance is divided by m-1; batch norm divides by m.", VAR,
     lambda b: _normalized(b, b.var * b.m / (b.m - 1))),
    ("variance not averaged", "The squares are summed and never divided by m.", VAR,
     lambda b: _normalized(b, b.var * b.m)),
    ("mean of squares", "The variance is the mean of x^2: the mean is not subtracted first.", VAR,
     lambda b: _normalized(b, b.mean(b.x**2))),
    ("eps outside the root", "eps is added to the standard deviation, outside of the root.", X_HAT,
     lambda b: b.g * b.xc / (np.sqrt(b.var) + b.eps) + b.b),
    ("eps forgotten", "eps is missing: a constant feature divides 0 by 0.", X_HAT,
     lambda b: b.g * b.xc / np.sqrt(b.var) + b.b),
    ("eps subtracted", "eps is subtracted from the variance.", X_HAT,
     lambda b: _normalized(b, b.var - 2 * b.eps)),
    ("divided by the variance", "The root is missing: x - mu is divided by var + eps.", X_HAT,
     lambda b: b.g * b.xc / (b.var + b.eps) + b.b),
    ("root taken twice", "The standard deviation stands under the root, where var belongs.", X_HAT,
     lambda b: _normalized(b, np.sqrt(b.var))),
    ("not divided", "x - mu is not divided by the standard deviation.", X_HAT,
     lambda b: b.g * b.xc + b.b),
    ("multiplied by the deviation", "x - mu is multiplied by the root, not divided by it.", X_HAT,
     lambda b: b.g * b.xc * b.s + b.b),
    ("mean not subtracted", "x is divided by the standard deviation without taking off mu.", X_HAT,
     lambda b: b.g * b.x / b.s + b.b),
    ("gamma forgotten in y", "y is x_hat + beta: gamma is missing.", Y, lambda b: b.x_hat + b.b),
    ("beta forgotten in y", "y is gamma x_hat: beta is missing.", Y, lambda b: b.g * b.x_hat),
    ("neither gamma nor beta", "y is x_hat: it is neither scaled nor shifted.", Y,
     lambda b: b.x_hat),
    ("beta subtracted", "beta is subtracted.", Y, lambda b: b.g * b.x_hat - b.b),
    ("beta scaled by gamma", "y is gamma (x_hat + beta): beta is scaled too.", Y,
     lambda b: b.g * (b.x_hat + b.b)),
    ("gamma and beta exchanged", "y is beta x_hat + gamma: the two are exchanged.", Y,
     lambda b: b.b * b.x_hat + b.g),
    ("statistics of everything", "One mean and variance for the whole array, not per feature.", MU,
     lambda b: _over(b, None)),
])  # fmt: skip

_seen("y", [
    ("statistics per example", "Mean and variance run over each example's features (axis 1), as in "
     "layer norm, not over the batch (axis 0).", MU, lambda b: _over(b, 1)),
], ndim=2)  # fmt: skip

_seen("y", [
    ("statistics per activation", "Mean and variance run over the batch alone (axis 0); per "
     "channel they run over (0, 2, 3).", MU, lambda b: _over(b, 0)),
    ("statistics of each image", "Mean and variance run over (2, 3), each image by itself, as in "
     "instance norm.", MU, lambda b: _over(b, (2, 3))),
    ("reshaped without transposing", "x is reshaped to rows of C numbers while C is still axis 1, "
     "which mixes channels: move C to the end first.", MU, _rows_of_channels),
], ndim=4)  # fmt: skip


_seen("dx", [
    ("path through the variance dropped",
     "The path through the variance is missing: s is treated as a constant.", DVAR,
     lambda b: b.dx(var=0)),
    ("path through the mean dropped",
     "The path through the mean is missing: mu is treated as a constant (detached).", DMU,
     lambda b: b.dx(mean=0)),
    ("both statistics constant",
     "dx is gamma dy / s: mean and variance are treated as constants.", DX,
     lambda b: b.dx(mean=0, var=0)),
    ("factor 2 too much in dvar",
     "The path through the variance counts twice: the 1/2 of the root's derivative is missing.",
     DVAR, lambda b: b.dx(var=2)),
    ("factor 1/2 too much in dvar",
     "The path through the variance counts half: the 2 of the square's derivative is missing.",
     DX, lambda b: b.dx(var=0.5)),
    ("sign of dvar", "The path through the variance has the wrong sign.", DVAR,
     lambda b: b.dx(var=-1)),
    ("sign of dmu", "The path through the mean has the wrong sign.", DMU,
     lambda b: b.dx(mean=-1)),
    ("both signs", "The paths through mean and variance both have the wrong sign.", DX,
     lambda b: b.dx(mean=-1, var=-1)),
    ("m-1 in the backward", "The backward divides by m-1, in both paths; the forward by m.", DX,
     lambda b: b.dx(b.m / (b.m - 1), b.m / (b.m - 1))),
    ("m-1 in dvar", "The backward divides the variance's path by m-1; the forward by m.", DX,
     lambda b: b.dx(var=b.m / (b.m - 1))),
    ("1/m forgotten", "The 1/m is missing in both paths.", DX, lambda b: b.dx(b.m, b.m)),
    ("1/m forgotten in dvar", "The 1/m is missing in the path through the variance.", DX,
     lambda b: b.dx(var=b.m)),
    ("1/m forgotten in dmu", "The 1/m is missing in the path through the mean.", DX,
     lambda b: b.dx(mean=b.m)),
    ("1/m twice", "The sums are averaged and then divided by m once more.", COMPACT,
     lambda b: b.dx(1 / b.m, 1 / b.m)),
    ("m times too large", "dx is m times too large: the leading 1/m is missing.",
     COMPACT, lambda b: b.m * b.dx()),
    ("m times too small", "dx is divided by m once too often.", COMPACT, lambda b: b.dx() / b.m),
    ("batch size is D", "The number of features is taken for the batch size m.", DX,
     lambda b: b.dx(b.m / np.size(b.gamma), b.m / np.size(b.gamma))),
    ("batch size is x.size", "The size of the whole array is taken for the batch size m.", DX,
     lambda b: b.dx(b.m / b.x.size, b.m / b.x.size)),
    ("gamma forgotten", "dx lacks gamma.", DX_HAT, lambda b: b.dx() / b.g),
    ("gamma twice", "dx has gamma twice.", DX_HAT, lambda b: b.dx() * b.g),
    ("gamma forgotten in dvar", "The path through the variance lacks gamma: it starts from dy, "
     "not from dx_hat.", DVAR, lambda b: b.dx(var=1 / b.g)),
    ("gamma forgotten in dmu", "The path through the mean lacks gamma: it starts from dy, not from "
     "dx_hat.", DMU, lambda b: b.dx(mean=1 / b.g)),
    ("gamma forgotten in both paths", "The paths through mean and variance lack gamma; only the "
     "direct path has it.", DX, lambda b: b.dx(1 / b.g, 1 / b.g)),
    ("1/s forgotten", "dx is not divided by the standard deviation.", DX, lambda b: b.dx() * b.s),
    ("1/s^2 for 1/s", "dx is divided by var + eps, where its root belongs.", DX,
     lambda b: b.dx() / b.s),
    ("one s missing in dvar", "The path through the variance is s times too large: one division by "
     "s is missing (-1/s for -1/s^2, or the exponent -1 for -3/2), or x - mu stands once where "
     "x_hat belongs.", DVAR, lambda b: b.dx(var=b.s)),
    ("two s missing in dvar", "The path through the variance is s^2 times too large: two divisions "
     "by s are missing (-1 for -1/s^2, or the exponent -1/2 for -3/2), or x - mu stands twice "
     "where x_hat belongs.", DVAR,
     lambda b: b.dx(var=b.s**2)),
    ("one s too many in dvar", "The path through the variance is divided by s once too often, or "
     "x_hat stands where x - mu belongs.", DVAR, lambda b: b.dx(var=1 / b.s)),
    ("x for x - mu in dvar", "x stands where x - mu belongs, in dvar.", DVAR,
     lambda b: b.dx(var=0) - b.g / b.s**2 * b.x_hat * b.mean(b.dy * b.x)),
    ("backward averages over everything", "The means of dx run over the whole array: axis is "
     "missing.", COMPACT, lambda b: _dx_of_everything(b, b.dy, b.g, 1.0)),
    ("backward averages over everything, before gamma", "The means of dx run over the whole array: "
     "axis is missing.", COMPACT, lambda b: _dx_of_everything(b, b.dy * b.g, 1.0, 1.0)),
    ("backward sums over everything", "The sums of dx run over the whole array: axis is missing.",
     COMPACT, lambda b: _dx_of_everything(b, b.dy, b.g, b.x.size / b.m)),
    ("std where variance belongs in dvar", "dvar raises the standard deviation to -3/2, where "
     "var + eps belongs.", DVAR, lambda b: b.dx(var=b.s**1.5)),
    ("one s missing in dmu", "The path through the mean is s times too large: 1/s is missing.",
     DMU, lambda b: b.dx(mean=b.s)),
    ("eps missing in the backward", "The backward divides by sqrt(var), without eps (x_hat has "
     "it).", DX, lambda b: b.dx() * b.s / np.sqrt(b.var)),
    ("eps missing in the backward and its x_hat", "The backward computes sqrt(var) and x_hat "
     "afresh, both without eps.", DX,
     lambda b: b.dx(var=b.s**2 / b.var) * b.s / np.sqrt(b.var)),
    ("eps missing in dvar", "The path through the variance uses var^(-3/2), without eps.", DVAR,
     lambda b: b.dx(var=(b.s**2 / b.var) ** 1.5)),
    ("x for x_hat in the last sum", "sum dy x stands where sum dy x_hat belongs.", COMPACT,
     lambda b: b.dx(var=0) - b.g / b.s * b.x_hat * b.mean(b.dy * b.x)),
    ("x for x_hat before the last sum", "x stands where x_hat_i belongs, before the last sum.",
     COMPACT, lambda b: b.dx(var=0) - b.g / b.s * b.x * b.mean(b.dy * b.x_hat)),
    ("y for x_hat", "y stands where x_hat belongs.", COMPACT,
     lambda b: b.dx(var=0) - b.g / b.s * b.y * b.mean(b.dy * b.y)),
    ("x_hat forgotten before the last sum", "The last sum is not multiplied by x_hat_i.", COMPACT,
     lambda b: b.dx(var=0) - b.g / b.s * b.mean(b.dy * b.x_hat)),
    ("wrong sign", "dx has the wrong sign.", DX, lambda b: -b.dx()),
])  # fmt: skip

_seen("dx", [
    ("backward sums over axis 1", "The sums of dx run over axis 1 (features); they belong to "
     "axis 0 (the batch).", COMPACT, lambda b: _dx_over(b, 1)),
], ndim=2)  # fmt: skip

_seen("dx", [
    ("batch size is N", "The batch size is taken as N; per channel it is N H W.", DX,
     lambda b: b.dx(b.m / b.x.shape[0], b.m / b.x.shape[0])),
    ("backward sums over axis 0 alone", "The sums of dx run over axis 0 alone; per channel they "
     "run over (0, 2, 3).", COMPACT, lambda b: _dx_over(b, 0)),
    ("dout reshaped without transposing", "dout is reshaped to rows of C numbers while C is still "
     "axis 1, which mixes channels: move C to the end first.", DX,
     lambda b: _rows_back(_dx_of_rows(b, _rows(b.dy)), b)),
    ("dx reshaped without transposing", "dx is reshaped to (N, C, H, W) while C is still its last "
     "axis, which mixes channels: reshape to (N, H, W, C), then transpose.", DX,
     lambda b: np.reshape(_dx_of_rows(b, _rows_of(b.dy)), b.x.shape)),
    ("dout and dx reshaped without transposing", "dout and dx are reshaped without moving C to the "
     "end and back, which mixes channels.", DX,
     lambda b: np.reshape(_dx_of_rows(b, _rows(b.dy)), b.x.shape)),
    ("H and W exchanged in dx", "H and W are exchanged on the way back: the transpose of dx is not "
     "the inverse of that of x.", DX, lambda b: np.swapaxes(b.dx(), 2, 3)),
    ("H and W exchanged in the reshape of dx", "H and W are exchanged on the way back: dx is "
     "reshaped to (N, W, H, C).", DX, _exchanged),
], ndim=4)  # fmt: skip

_seen("dgamma", [
    ("dgamma: dout reshaped without transposing", "dout is reshaped to rows of C numbers while C "
     "is still axis 1, which mixes channels: move C to the end first.", DGAMMA,
     lambda b: np.sum(_rows(b.dy) * _rows_of(b.x_hat), axis=0)),
], ndim=4)  # fmt: skip

_seen("dbeta", [
    ("dbeta: dout reshaped without transposing", "dout is reshaped to rows of C numbers while C is "
     "still axis 1, which mixes channels: move C to the end first.", DBETA,
     lambda b: np.sum(_rows(b.dy), axis=0)),
], ndim=4)  # fmt: skip

_seen("dgamma", [
    ("dgamma with x", "dgamma is sum dy x: x stands where x_hat belongs.", DGAMMA,
     lambda b: b.per_feature(b.sum(b.dy * b.x))),
    ("dgamma with x - mu", "dgamma is sum dy (x - mu): the division by s is missing.", DGAMMA,
     lambda b: b.per_feature(b.sum(b.dy * b.xc))),
    ("dgamma with y", "dgamma is sum dy y: y stands where x_hat belongs.", DGAMMA,
     lambda b: b.per_feature(b.sum(b.dy * b.y))),
    ("dgamma averaged", "dgamma is averaged over the batch; it is a sum.", DGAMMA,
     lambda b: b.per_feature(b.mean(b.dy * b.x_hat))),
    ("dgamma with gamma", "dgamma is sum dx_hat x_hat: gamma does not belong in it.", DGAMMA,
     lambda b: b.per_feature(b.g * b.sum(b.dy * b.x_hat))),
    ("dgamma without x_hat", "dgamma is sum dy: x_hat is missing (that is dbeta).", DGAMMA,
     lambda b: b.per_feature(b.sum(b.dy))),
    ("dgamma of the sums", "dgamma is (sum dy) (sum x_hat), which is zero: multiply first, then "
     "sum.", DGAMMA, lambda b: b.per_feature(b.sum(b.dy) * b.sum(b.x_hat))),
    ("dgamma kept dimensions", "dgamma keeps the summed axes (keepdims): its shape is not gamma's.",
     DGAMMA, lambda b: b.sum(b.dy * b.x_hat)),
    ("dgamma not summed", "dgamma is dy x_hat, not summed over the batch.", DGAMMA,
     lambda b: b.dy * b.x_hat),
    ("dgamma sign", "dgamma has the wrong sign.", DGAMMA,
     lambda b: -b.per_feature(b.sum(b.dy * b.x_hat))),
])  # fmt: skip

_seen("dbeta", [
    ("dbeta averaged", "dbeta is averaged over the batch; it is a sum.", DBETA,
     lambda b: b.per_feature(b.mean(b.dy))),
    ("dbeta with gamma", "dbeta is sum dx_hat: gamma does not belong in it.", DBETA,
     lambda b: b.per_feature(b.g * b.sum(b.dy))),
    ("dbeta is dgamma", "dbeta is sum dy x_hat: that is dgamma.", DBETA,
     lambda b: b.per_feature(b.sum(b.dy * b.x_hat))),
    ("dbeta kept dimensions", "dbeta keeps the summed axes (keepdims): its shape is not beta's.",
     DBETA, lambda b: b.sum(b.dy)),
    ("dbeta not summed", "dbeta is dy itself, not summed over the batch.", DBETA,
     lambda b: b.dy * 1.0),
    ("dbeta of everything", "dbeta is summed over all axes, the features too.", DBETA,
     lambda b: np.asarray(b.dy.sum())),
    ("dbeta sign", "dbeta has the wrong sign.", DBETA, lambda b: -b.per_feature(b.sum(b.dy))),
])  # fmt: skip

_seen("dgamma", [
    ("dgamma over axis 1", "dgamma is summed over axis 1 (features); it belongs to axis 0.", DGAMMA,
     lambda b: (b.dy * b.x_hat).sum(axis=1)),
], ndim=2)  # fmt: skip

_seen("dbeta", [
    ("dbeta over axis 1", "dbeta is summed over axis 1 (features); it belongs to axis 0.", DBETA,
     lambda b: b.dy.sum(axis=1)),
], ndim=2)  # fmt: skip

_seen("running mean", [
    ("running mean: momentum the wrong way round", "The running mean keeps 1 - momentum of the old "
     "value: the momentum is the wrong way round.", RUNNING,
     lambda b: b.blend(b.running_mean, b.mu, 1 - b.momentum)),
    ("running mean never updated", "The running mean stays what it was.", RUNNING,
     lambda b: np.asarray(b.running_mean)),
    ("running mean replaced", "The running mean is the last batch's: the old value is lost.",
     RUNNING, lambda b: b.blend(b.running_mean, b.mu, 0.0)),
    ("running mean not weighted", "The batch's mean is added to the running mean without its "
     "weight 1 - momentum.", RUNNING,
     lambda b: b.per_feature(b.momentum * b.spread(b.running_mean) + b.mu)),
    ("running mean fed with the variance", "The running mean is fed with the batch's variance.",
     RUNNING, lambda b: b.blend(b.running_mean, b.var)),
])  # fmt: skip

_seen("running var", [
    ("running variance: momentum the wrong way round", "The running variance keeps 1 - momentum of "
     "the old value: the momentum is the wrong way round.", RUNNING,
     lambda b: b.blend(b.running_var, b.var, 1 - b.momentum)),
    ("running variance never updated", "The running variance stays what it was.", RUNNING,
     lambda b: np.asarray(b.running_var)),
    ("running variance replaced", "The running variance is the last batch's: the old value is "
     "lost.", RUNNING, lambda b: b.blend(b.running_var, b.var, 0.0)),
    ("running variance not weighted", "The batch's variance is added to the running variance "
     "without its weight 1 - momentum.", RUNNING,
     lambda b: b.per_feature(b.momentum * b.spread(b.running_var) + b.var)),
    ("running variance is a deviation", "The running variance is fed with the standard deviation.",
     RUNNING, lambda b: b.blend(b.running_var, b.s)),
    ("running variance has eps", "The running variance is fed with var + eps.", RUNNING,
     lambda b: b.blend(b.running_var, b.s**2)),
    ("running variance corrected upside down", "The running variance is fed with var (m-1)/m: "
     "biased and unbiased are mixed up. Unbiased is var m/(m-1).",
     "Var[x] = m/(m-1) * E_B[var_B]", lambda b: b.blend(b.running_var, b.var * (b.m - 1) / b.m)),
    ("running variance fed with the mean", "The running variance is fed with the batch's mean.",
     RUNNING, lambda b: b.blend(b.running_var, b.mu)),
])  # fmt: skip

_seen("test mode", [
    ("test mode: batch statistics", "Test mode normalizes with the statistics of the batch, not "
     "with the running ones.", INFERENCE, lambda b: b.y),
    ("test mode: mean not subtracted", "Test mode does not subtract the running mean.", INFERENCE,
     lambda b: b.test(mean=0.0)),
    ("test mode: not divided", "Test mode does not divide by the deviation.", INFERENCE,
     lambda b: b.test(std=1.0)),
    ("test mode: divided by the variance", "Test mode divides by the running variance, not by its "
     "root.", INFERENCE, lambda b: b.test(std=b.spread(b.running_var) + b.eps)),
    ("test mode: eps forgotten", "Test mode forgets eps.", INFERENCE,
     lambda b: b.test(std=np.sqrt(b.spread(b.running_var)))),
    ("test mode: eps outside the root", "Test mode adds eps outside of the root.", INFERENCE,
     lambda b: b.test(std=np.sqrt(b.spread(b.running_var)) + b.eps)),
    ("test mode: neither gamma nor beta", "Test mode neither scales by gamma nor shifts by beta.",
     INFERENCE, lambda b: (b.test() - b.b) / b.g),
    ("test mode: beta forgotten", "Test mode does not add beta.", INFERENCE,
     lambda b: b.test() - b.b),
    ("test mode: batch mean", "Test mode takes the mean of the batch, with the running variance.",
     INFERENCE, lambda b: b.test(mean=b.mu)),
    ("test mode: batch variance", "Test mode takes the variance of the batch, with the running "
     "mean.", INFERENCE, lambda b: b.test(std=b.s)),
])  # fmt: skip

_seen("x after forward", [
    ("x centred in place", "The forward overwrites x by x - mu (x -= mu).", PURE, lambda b: b.xc),
    ("x normalized in place", "The forward overwrites x by x_hat.", PURE, lambda b: b.x_hat),
    ("x overwritten by y", "The forward overwrites x by y.", PURE, lambda b: b.y),
])  # fmt: skip

_seen("dy after backward", [
    ("dy scaled in place", "The backward overwrites dy by dx_hat (dout *= gamma).", PURE,
     lambda b: b.dy * b.g),
    ("dy overwritten by dx", "The backward overwrites dy by dx.", PURE, lambda b: b.dx()),
])  # fmt: skip

_seen("dx after another forward", [
    ("stale: the latest batch", "The backward reads what the latest forward left in a shared place "
     "(a global, a class attribute), not its own cache.", PURE,
     lambda b: elsewhere(b, "latest").dx()),
    ("stale: the first batch", "The backward reads what the first forward left: the cache is not "
     "renewed.", PURE, lambda b: elsewhere(b, "first").dx()),
])  # fmt: skip

_seen("dx of a second backward", [
    ("cache spent: dy added up", "A second backward adds to the first one's dx: what is returned "
     "is kept and accumulated.", PURE, lambda b: 2 * b.dx()),
])  # fmt: skip


def elsewhere(batch: Batch, when: str) -> Batch:
    """Return the batch of another forward: the one before `batch` or the one after it.

    `when` is "first" (before) or "latest" (after).
    """
    x = batch.x[::-1] * 2 + 1 if when == "first" else batch.x[::-1] ** 2 - 3
    return Batch(x, batch.gamma, batch.beta, batch.dy, batch.axis, batch.eps)
