"""What tinygrad_bn/fast does for speed changes no number; or, where it does, by less than it says.

Most tests make "large" small, so that many small cases take the ways of large arrays; the others
take arrays that are large in earnest.
"""

from __future__ import annotations

import ctypes
import math
import os
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import FLOATS, cotangent, leaves, rng_of
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn import fast, shapes
from tinygrad_bn import primitives as P
from tinygrad_bn.broadcasting import fit
from tinygrad_bn.fast import allocator, arithmetic, rules, sums

U = 2.0**-24  # the largest relative error of one rounding to float32
LARGE = arithmetic.LARGE


@pytest.fixture(autouse=True)
def switched_on(monkeypatch):
    """Attach the quicker ways, also where TINYGRAD_BN_FAST=0 is set for the whole run."""
    for row, compute in fast.QUICKER.items():
        monkeypatch.setattr(row, "compute", compute)
    for row, pull in rules.RULES.items():
        monkeypatch.setattr(row, "pull", pull)


@pytest.fixture
def everything_is_large(monkeypatch):
    """Let arrays of two values and more take the ways of large ones, in small rows and blocks."""
    for module in (arithmetic, sums, rules):
        monkeypatch.setattr(module, "LARGE", 2)
    monkeypatch.setattr(arithmetic, "ROW", 16)
    monkeypatch.setattr(sums, "BLOCK", 64)
    arithmetic._rows.cache_clear()
    yield
    arithmetic._rows.cache_clear()


def same(got: Any, expected: Any) -> None:
    """Hold one array against another, to the last bit (but for the sign of 0)."""
    assert got.dtype == expected.dtype
    assert np.shape(got) == np.shape(expected)
    np.testing.assert_array_equal(got, expected)


def within(got: Any, expected: Any, error: Any) -> None:
    """Hold one array against another; where the one is not finite, so must be the other."""
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    finite = np.isfinite(expected)
    same(np.where(finite, 0, got), np.where(finite, 0, expected))
    difference = np.abs(np.where(finite, got, 0) - np.where(finite, expected, 0))
    assert np.max(difference - error, initial=-np.inf, where=finite) <= 0


# --- the table against what replaces it, row by row ------------------------------------------


class Call(NamedTuple):
    """What a row of the table is called with."""

    operands: tuple[Any, ...]
    params: dict[str, Any]
    usual: bool  # a batch in NumPy's own order, most often of float32, and one value per feature


def drawn(draw: Any, shape: tuple[int, ...], dtypes: Any) -> np.ndarray:
    array = cotangent(np.random.default_rng(draw(st.integers(0, 2**32))), shape)
    return array.astype(draw(st.sampled_from(dtypes)))


def operand(draw: Any, shape: tuple[int, ...], dtypes: Any) -> np.ndarray:
    """Draw an array that broadcasts to a shape: of fewer axes, axes of length 1, or a view."""
    repeated = draw(st.sets(st.integers(0, len(shape))))  # axes; few, and often the first
    own = tuple([1 if i in repeated else n for i, n in enumerate(shape)])
    if own[:1] == (1,) and draw(st.booleans()):
        own = own[1:]
    order = draw(st.permutations(range(len(own))))  # in which its axes lie in memory
    array = drawn(draw, tuple([own[i] for i in order]), dtypes).transpose(np.argsort(order))
    return np.broadcast_to(array, shape) if draw(st.booleans()) else array


@st.composite
def calls(draw: Any, row: P.Primitive, i: int | None) -> Call:
    """Draw operands for a row, read-only as Tensors hold them; the i-th needs a gradient."""
    usual = draw(st.booleans())
    wide = row is P.sub and draw(st.booleans())  # minus a mean that is kept in float64
    small = draw(st.integers(0, 1)) if i is None else i  # which operand is repeated
    dtypes = FLOATS if usual or wide or i is not None else (*FLOATS, np.int64)
    dtypes = (np.float32, np.float32, *dtypes)
    of_each: list[Any] = [dtypes, [np.float64] if wide else dtypes]
    if usual:
        shape = draw(st.tuples(st.integers(8, 40), st.integers(2, 9), st.integers(8, 9)))
        features = draw(st.sampled_from([(1, *shape[1:]), (1, shape[1], 1), shape[1:]]))
        both = [features if at == small else shape for at in (0, 1)]
        pair: list[Any] = [drawn(draw, own, of) for own, of in zip(both, of_each, strict=True)]
    else:
        shape = draw(st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple))
        pair = [operand(draw, shape, of) for of in of_each]
    params: dict[str, Any] = {}
    if row.reduces:
        x = np.asarray(pair[1 - small])
        axes = draw(st.sets(st.integers(0, x.ndim - 1)) if x.ndim else st.just(set()))
        params = {"axis": tuple(sorted(axes)), "keepdims": draw(st.booleans())}
        if row is P.mean and x.dtype.kind == "f":
            params["dtype"] = draw(st.sampled_from([None, *map(np.dtype, FLOATS)]))
        pair = [x]
    elif row is shapes.broadcast_to:
        pair, params = [pair[small]], {"shape": shape}
    elif wide:
        params = {"dtype": np.promote_types(pair[0].dtype, np.float32)}
    elif draw(st.integers(0, 3)) == 0:
        pair[1 - small] = draw(st.sampled_from([2, 2.0, -3, 2.5]))
    if row is P.pow:
        pair[0] = abs(pair[0])
    for array in pair:
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return Call(tuple(pair), params, usual)


def rounding(row: P.Primitive, call: Call, expected: np.ndarray) -> Any:
    """Return by how much sums.py says that a result may differ from the table; 0: not at all."""
    x, dtype = call.operands[0], call.params.get("dtype")
    if expected.dtype.kind != "f" or not (row.reduces or dtype is not None):
        return 0
    of_result = float(np.finfo(expected.dtype).eps) / 2 * np.abs(expected, dtype=float)
    if row is P.sub:
        return 3.001 * of_result  # "two roundings of the result, where the row has one"
    if x.dtype.kind != "f":
        return 0
    axis, kept = call.params["axis"], call.params["keepdims"]
    count = math.prod([x.shape[i] for i in axis])
    size = np.abs(x, dtype=float).sum(axis=axis, keepdims=kept) / (count if row is P.mean else 1)
    # "7 2^-24 of the mean absolute value" where float32 is summed to float32. Then float64, in
    # two orders: no partial sum of m values is beyond the sum of their sizes, so each order costs
    # m - 1 roundings of that. Both round the result once, subnormal float16 by a fixed step.
    by_eights = 7 * U if x.dtype == expected.dtype == np.float32 else 0
    step = float(np.finfo(expected.dtype).smallest_subnormal)
    return 1.001 * (by_eights + 2 * count * 2.0**-53) * size + 2.001 * of_result + step


EVERYTHING = [(row, None) for row in fast.QUICKER] + [
    (row, i) for row, pull in rules.RULES.items() for i in range(len(pull))
]


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize(
    ("row", "i"), EVERYTHING, ids=[f"{r}-{'compute' if i is None else i}" for r, i in EVERYTHING]
)
@settings(max_examples=max(100, settings.default.max_examples))
@given(data=st.data())
def test_every_quicker_way_computes_what_its_row_of_the_table_does(row, i, data):
    call = data.draw(calls(row, i))
    operands, params, usual = call
    with np.errstate(all="ignore"):  # means of nothing, powers beyond float16
        out = np.asarray(row.forward(*operands, **params))
        if i is None:
            got = np.asarray(fast.QUICKER[row](*operands, **params))
            error = rounding(row, call, out)
            same(got, out) if np.all(error == 0) else within(got, out, error)
            return
        g = (drawn if usual else operand)(data.draw, out.shape, [out.dtype])
        g = np.broadcast_to(g, out.shape)
        got, expected = (
            fit(vjps[i](g, out, *operands, **params), operands[i])
            for vjps in (rules.RULES[row], row.vjps)
        )
        same(got, expected)


@given(data=st.data())
def test_what_is_repeated_is_a_view_that_cannot_be_written_to(data):
    (small,), params, _ = data.draw(calls(shapes.broadcast_to, None))
    small = small.copy()  # which can
    got = arithmetic.repeated(small, **params)
    assert np.shares_memory(got, small) or got.size == 0
    assert not got.flags.writeable


@pytest.mark.parametrize("own", [(3,), (2, 3), (1, 3), (3, 1)])
@pytest.mark.parametrize("shape", [(2,), (5,), (0,), (-1,), (1, 3), (2, 1), (2, -1), (2, 2), ()])
def test_a_shape_that_numpy_does_not_broadcast_to_is_refused(own, shape):
    x = np.arange(float(math.prod(own))).reshape(own)
    try:
        expected = np.broadcast_to(x, shape)
    except ValueError:
        with pytest.raises(ValueError, match=r"^broadcast_to of \("):
            tg.broadcast_to(x, shape)
    else:
        same(tg.broadcast_to(x, shape).data, expected)


@pytest.mark.usefixtures("everything_is_large")
def test_what_both_operands_repeat_is_computed_once_and_not_stored():
    view = np.broadcast_to(np.array([[1.0, 2.0, 3.0]]), (50, 3))
    doubled = arithmetic.multiply(view, 2)
    assert doubled.strides[0] == 0
    same(doubled, view * 2)


@pytest.mark.parametrize("shape", [(257, 1024), (64, 8, 32, 17), (70_000, 3), (5, 40_000)])
@pytest.mark.parametrize("row", [P.add, P.sub, P.mul, P.div], ids=str)
def test_arithmetic_on_arrays_that_are_large_in_earnest_is_numpys_to_the_last_bit(row, shape):
    rng = rng_of(row.name, shape)
    x = cotangent(rng, shape).astype(np.float32)
    small = cotangent(rng, (1, shape[1], *[1 for _ in shape[2:]])).astype(np.float32)
    assert x.size >= LARGE
    same(row.compute(x, small), row.forward(x, small))
    same(row.compute(small, x), row.forward(small, x))


@pytest.mark.parametrize("row", [P.add, P.sub, P.mul, P.div], ids=str)
def test_shapes_that_do_not_broadcast_are_named_for_large_arrays_too(row):
    x = tg.Tensor(np.ones((400, 400)))
    message = rf"^{row} of \(400, 400\) and \(399,\): these shapes do not broadcast"
    with pytest.raises(ValueError, match=message):
        row(x, np.ones(399))


# --- recorded or not, the gradients are the same numbers --------------------------------------

# Functions of a batch x and of three parameters for each feature, which lies along axis 1. Those
# that end in a mean start the reverse pass with a cotangent that is repeated.
COMPOSED = {
    "batch norm": lambda x, g, b, s: tg.batch_norm(x, g, b),
    "batch norm in test mode": lambda x, g, b, s: tg.batch_norm(x, g, b, mean=b, var=s),
    "mean of batch norm": lambda x, g, b, s: mean(tg.batch_norm(x, g, b) * x),
    "layer norm": lambda x, g, b, s: tg.layer_norm(x, axis=1) * g + b,
    "(x g + b) / s": lambda x, g, b, s: (x * g + b) / s,
    "mean of (x g + b) / s": lambda x, g, b, s: mean((x * g + b) / s),
    "x^2 - b": lambda x, g, b, s: x**2 - b,
    "mean of x^2 - b": lambda x, g, b, s: mean(x**2 - b),
    "g - b / (1 + x^2)": lambda x, g, b, s: g - b / (1 + x**2),
    "x - mean(x)": lambda x, g, b, s: (x - mean(x, dtype=np.float64)) * s,
    "softmax": lambda x, g, b, s: tg.exp(x * g) / (s + mean(tg.exp(x * g))),
    "mean of 2 (x + b)": lambda x, g, b, s: mean(2 * (x + b)),
    "mean of g times b, repeated": lambda x, g, b, s: mean(g * b.broadcast_to(x.shape)),
    "mean of log b, repeated": lambda x, g, b, s: mean(tg.log(b.broadcast_to(x.shape))),
}


def mean(x: tg.Tensor, dtype: Any = None) -> tg.Tensor:
    return x.mean(tuple(i for i in range(x.ndim) if i != 1), keepdims=x.ndim > 2, dtype=dtype)


def assert_the_same_recorded_or_not(f, rng, shape, features, dtype=np.float32, order="C"):
    x = np.asarray(cotangent(rng, shape), dtype, order=order)
    parameters = [rng.uniform(0.5, 2.0, features).astype(dtype) for _ in range(3)]
    inputs = leaves([x, *parameters])
    y = f(*inputs)
    w = cotangent(rng, y.shape).astype(y.dtype)
    plain = tg.grad(y, inputs, w)
    recorded = tg.grad(y, inputs, w, create_graph=True)
    for once, again in zip(plain, recorded, strict=True):
        same(once.data, again.data)


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize("name", COMPOSED)
@given(
    shape=st.lists(st.integers(1, 9), min_size=2, max_size=4).map(tuple)
    | st.tuples(st.integers(8, 40), st.integers(8, 40))
    | st.tuples(st.integers(8, 40), st.integers(2, 9), st.integers(8, 9)),
    dtype=st.sampled_from(FLOATS),
    order=st.sampled_from("CF"),
    flat=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_gradients_are_the_same_numbers_with_and_without_create_graph(
    name, shape, dtype, order, flat, seed
):
    features = (1, shape[1], *[1 for _ in shape[2:]])
    features = features[1:] if flat and len(shape) == 2 else features
    rng = np.random.default_rng(seed)
    assert_the_same_recorded_or_not(COMPOSED[name], rng, shape, features, dtype, order)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("shape", [(256, 1024), (64, 8, 33, 32), (3000, 50)])
@pytest.mark.parametrize("name", COMPOSED)
def test_so_they_are_for_arrays_that_are_large_in_earnest(name, shape, order):
    assert math.prod(shape) >= LARGE
    features = (shape[1], *[1 for _ in shape[2:]])
    assert_the_same_recorded_or_not(
        COMPOSED[name], rng_of(name, shape), shape, features, order=order
    )


# --- sums ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2051, 67), (1003, 5, 7, 4), (9, 20_000)])
@pytest.mark.parametrize("offset", [0.0, 3.0, 1e4])
def test_sums_of_large_arrays_are_as_near_as_they_say(shape, offset):
    x = (rng_of(shape, offset).normal(size=shape) + offset).astype(np.float32)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    assert x.size >= LARGE
    assert sums._by_eights(x, axes)
    total, mean_of = tg.sum(x, axes).data, tg.mean(x, axes).data
    wide = tg.mean(x, axes, dtype=np.float64).data
    assert total.dtype == mean_of.dtype == np.float32
    for channel in range(shape[1]):
        column = x[:, channel].ravel().astype(float)
        exact, size = math.fsum(column), math.fsum(np.abs(column))
        assert abs(total[channel] - exact) <= U * (7 * size + abs(exact))
        assert abs(mean_of[channel] - exact / column.size) * column.size <= U * (
            7 * size + abs(exact)
        )
        # in float64 each of m values is rounded m - 1 times at most, and the quotient once
        assert abs(wide[channel] - exact / column.size) <= 2.0**-53 * size


def test_sums_by_eights_do_not_overflow_and_pass_on_what_is_not_finite():
    x = np.full((64, 4096), 5e36, np.float32)
    x[3, 0], x[4, 1], x[5, 2] = np.inf, np.nan, -np.inf
    assert sums._by_eights(x, (0,))
    total = tg.sum(x, axis=0).data
    np.testing.assert_array_equal(total[:3], np.float32([np.inf, np.nan, -np.inf]))
    np.testing.assert_allclose(total[3:], 64 * 5e36, rtol=8 * U)  # of 340 10^36
    y = np.full((64, 4096), 3e38, np.float32)  # eight of them are more than float32 holds
    np.testing.assert_allclose(tg.mean(y, axis=0).data, 3e38, rtol=8 * U)


def test_undoing_broadcasting_along_many_rows_does_not_stop_at_2_to_the_24th():
    rows = 2**24 + 8  # in float32, 2^24 + 1 is 2^24
    same(fit(np.ones((rows, 1), np.float32), np.ones(1, np.float32)), np.float32([rows]))
    # By eights: the first row is as large as all sums so far would be, had they been ones.
    x = np.ones((LARGE // 16 + 8, 16), np.float32)
    x[0] = 2**24
    assert sums._by_eights(x, (0,))
    got = fit(x, np.ones(16, np.float32))
    np.testing.assert_allclose(got, 2**24 + len(x) - 1, rtol=0, atol=8)  # beside it, seven are lost


def test_products_of_float16_are_not_summed_in_float16():
    ones = np.ones((4096, 3), np.float16)  # in float16, 2048 + 1 is 2048
    w = tg.Tensor(np.ones(3, np.float16), requires_grad=True)
    (gradient,) = tg.grad(w * ones, w, ones)
    assert (gradient.data == 4096).all()


@pytest.mark.parametrize("shape", [(1024, 300), (40_000, 5), (64, 40, 8, 9)])
def test_the_wide_mean_of_a_large_constant_is_that_constant(shape):
    constants = rng_of(shape).uniform(1, 2, (1, *shape[1:])).astype(np.float32)
    for x in (
        np.broadcast_to(constants, shape),
        np.tile(constants, (shape[0], *[1 for _ in shape[1:]])),
    ):
        same(tg.mean(x, axis=0, dtype=np.float64).data, constants[0].astype(float))
        assert (tg.var(x, axis=0).data == 0).all()


@pytest.mark.parametrize("rows", [4, 1024])
def test_a_mean_beyond_float32_gives_infinities_not_nan(rows):
    x = np.ones((rows, 300), np.float32)
    mu = np.where(np.arange(300) % 2, 1e300, -np.inf)
    with np.errstate(over="ignore"):
        got = P.sub.compute(x, mu[None], np.dtype(np.float32))
    same(got, np.broadcast_to(np.where(mu > 0, -np.inf, np.inf).astype(np.float32), x.shape))


@pytest.mark.parametrize("rows", [40, 4000])
def test_a_difference_from_a_wide_mean_is_rounded_twice_at_most(rows):
    rng = rng_of(rows)
    x = (1e4 + rng.normal(size=(rows, 64))).astype(np.float32)
    mu = 1e4 + 1e-3 * rng.normal(size=(1, 64))
    got = P.sub.compute(x, mu, np.dtype(np.float32))
    exact = x - mu
    assert (np.abs(got - exact) <= np.spacing(np.abs(exact).astype(np.float32))).all()


# --- batch norm of large batches -------------------------------------------------------------


def batch(mean, spread, shape=(512, 300)):
    return (mean + spread * rng_of(mean, spread).normal(size=shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(512, 300), (64, 8, 17, 19)])
@pytest.mark.parametrize("offset", [0.0, 1.0, 9.0, 100.0, 1e6])
def test_large_float32_batches_are_normalized_to_the_last_digits(shape, offset):
    x = batch(offset, 1, shape)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    mu = x.mean(axes, keepdims=True, dtype=float)
    centered = x - mu
    exact = centered / np.sqrt((centered**2).mean(axes, keepdims=True) + 1e-5)
    # Roundings: 2 for x - mu. The squares 2 2 + 1, their mean by eights 7 + 1 more, eps 1, the
    # root halves these 14 and adds 1: 8 for std. The quotient 1. In all 2 + 8 + 1, of x_hat.
    # The mean in float64 costs m 2^-53 of it at most.
    off = np.abs(tg.batch_norm(x).data - exact)
    m = x.size // mu.size
    assert (off <= 1.001 * 11 * U * np.abs(exact) + m * 2.0**-53 * np.abs(mu).max()).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e-30, 1e-20, 1e17, 3e18, 1e19, 1e30])
def test_a_constant_feature_of_a_large_batch_gives_exactly_beta(value):
    x = batch(0, 1)
    x[:, 5] = value
    y = tg.batch_norm(x, np.ones(300, np.float32), np.full(300, 0.3, np.float32))
    assert (y.data[:, 5] == np.float32(0.3)).all()


ROW = rng_of("row").uniform(1, 2, 5).astype(np.float32)
EQUAL_ROWS = {
    "tiled": lambda: tg.Tensor(np.tile(ROW, (40_000, 1)), requires_grad=True),
    "view": lambda: tg.Tensor(np.broadcast_to(ROW, (40_000, 5)), requires_grad=True),
    "repeated": lambda: tg.Tensor(ROW, requires_grad=True).broadcast_to(40_000, 5),
}


@pytest.mark.parametrize("kind", EQUAL_ROWS)
def test_a_large_batch_of_equal_rows_is_normalized_to_beta_and_in_test_mode_as_one_row(kind):
    rng = rng_of(kind)
    x, w = EQUAL_ROWS[kind](), cotangent(rng, (40_000, 5)).astype(np.float32)
    gamma, beta, mu, var = parameters = leaves(rng.uniform(1, 2, (4, 5)).astype(np.float32))
    y = tg.batch_norm(x, gamma, beta)
    same(y.data, np.broadcast_to(beta.data, y.shape))
    # x_hat is 0: gamma has no effect, and dx is gamma (w - mean w) / sqrt(eps)
    dx, dgamma, dbeta = tg.grad(y, [x, gamma, beta], w)
    scale = gamma.data.astype(float) / np.sqrt(1e-5)
    exact = scale * (w - w.mean(0, dtype=float))
    # Roundings: 1 for gamma w, 3 for eps, std and the quotient, 8 for the sum by eights, 2 after
    assert (
        np.abs(dx.data - exact) <= 1.001 * 14 * U * scale * (np.abs(w) + np.abs(w).mean(0))
    ).all()
    assert (dgamma.data == 0).all()
    bound = 8 * U * np.abs(w).sum(0, dtype=float)
    assert (np.abs(dbeta.data - w.sum(0, dtype=float)) <= bound).all()

    y = tg.batch_norm(x, gamma, beta, mean=mu, var=var)
    alone = tg.batch_norm(ROW[None], *[p.data for p in parameters[:2]], mean=mu.data, var=var.data)
    same(y.data, np.broadcast_to(alone.data, y.shape))
    assert all(np.isfinite(d.data).all() for d in tg.grad(y, [x, *parameters], w))


def test_a_feature_that_is_not_finite_spoils_itself_alone():
    x, w = batch(3, 1), cotangent(rng_of("w"), (512, 300)).astype(np.float32)
    spoilt = x.copy()
    spoilt[7, 3], spoilt[8, 4] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        results = []
        for data in (x, spoilt):
            inputs = leaves([data, np.full(300, 1.5, np.float32), np.zeros(300, np.float32)])
            y = tg.batch_norm(*inputs)
            results.append([y.data, *[d.data for d in tg.grad(y, inputs, w)]])
    bad = np.isin(np.arange(300), [3, 4])
    for whole, part in zip(*results, strict=True):
        same(part[..., ~bad], whole[..., ~bad])
    for part in results[1][:3]:  # y, dx, dgamma
        assert np.isnan(part[..., bad]).all()


def test_subnormal_values_raise_nothing():
    tiny = tg.mean(np.full((512, 300), 1e-42, np.float32), axis=0)
    # Below 2^-126 sums are exact, but each of the eight products, and the result, is rounded to a
    # multiple of 2^-149.
    np.testing.assert_allclose(tiny.data, 1e-42, rtol=0, atol=9 * 2.0**-150)
    x = tg.Tensor(batch(0, 1e-25), requires_grad=True)
    y = tg.batch_norm(x)
    (dx,) = tg.grad(y, x, cotangent(rng_of("dy"), (512, 300)))
    assert np.isfinite(y.data).all()
    assert np.isfinite(dx.data).all()


# --- switched off ----------------------------------------------------------------------------

STEP = """
import sys
import numpy as np
import tinygrad_bn as tg
from tinygrad_bn import fast
from tinygrad_bn.table import TABLE

replaced = {r.name for r in TABLE.values() if r.compute is not r.forward or r.pull is not r.vjps}
assert replaced == ({r.name for r in (*fast.QUICKER, *fast.rules.RULES)} if fast.ON else set())
given = np.load(sys.argv[1])
inputs = [tg.Tensor(given[name], requires_grad=True) for name in ("x", "gamma", "beta")]
y = tg.batch_norm(*inputs)
results = [y, *tg.grad(y, inputs, given["w"])]
np.savez(sys.argv[2], *[result.data for result in results])
print(fast.ON)
"""


@pytest.mark.parametrize("switch", ["0", "1", None])
def test_switched_off_no_row_is_replaced_and_batch_norm_is_as_near_to_the_exact_values(
    switch, tmp_path
):
    rng = rng_of("switch")
    x = batch(3, 1)
    gamma, beta = (cotangent(rng, (300,)).astype(np.float32) for _ in range(2))
    w = cotangent(rng, x.shape).astype(np.float32)
    np.savez(tmp_path / "given.npz", x=x, gamma=gamma, beta=beta, w=w)
    environment = {k: v for k, v in os.environ.items() if k != "TINYGRAD_BN_FAST"}
    if switch is not None:
        environment["TINYGRAD_BN_FAST"] = switch
    command = [sys.executable, "-c", STEP, tmp_path / "given.npz", tmp_path / "results.npz"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == f"{switch != '0'}\n"
    y, dx, dgamma, dbeta = np.load(tmp_path / "results.npz").values()

    # What is exact, in float64, and the sizes of the terms that are added up on the way to it
    x, gamma, beta, w = (a.astype(float) for a in (x, gamma, beta, w))
    centered = x - x.mean(0)
    std = np.sqrt((centered**2).mean(0) + 1e-5)
    x_hat, along = centered / std, gamma * w / std
    back = x_hat * (along * x_hat).mean(0)
    sizes = np.abs(along) + np.abs(x_hat) * np.abs(along * x_hat).mean(0)

    # Roundings of float32, the quicker way's, of which the other has fewer. A sum counts 7, and its
    # result 1. Forward: x_centered 2; its squares 5, their mean 13, var + eps 14, std 7 + 1;
    # x_hat 2 + 8 + 1 = 11; gamma x_hat 12, and y 1 more.
    # Backward: dgamma 12 + 8 and dbeta 8. dx_hat 1, over std 10; dstd 1 + 11 + 1 + 8 + 1 and its
    # sum 8, 30; dvar 30 + 8 + 1, over m 40; times 2 x_centered 43. Both added, 44; minus their
    # sum, 52, over m 53; added, 54, of the sizes of all these terms.
    def off_by(got, exact, roundings, of):
        assert got.dtype == np.float32
        assert (np.abs(got - exact) <= 1.001 * roundings * U * of + 512 * 2.0**-53 * 3).all()

    off_by(y, gamma * x_hat + beta, 13, np.abs(gamma * x_hat) + np.abs(beta))
    off_by(dgamma, (w * x_hat).sum(0), 20, np.abs(w * x_hat).sum(0))
    off_by(dbeta, w.sum(0), 8, np.abs(w).sum(0))
    off_by(dx, along - along.mean(0) - back, 54, sizes + sizes.mean(0))


# --- the allocator ---------------------------------------------------------------------------

SETTINGS = [(-1, 2**29), (-3, 2**25)]


@pytest.fixture
def mallopt(monkeypatch):
    """Stand in for glibc, in a process that has made no setting; list what is asked for."""
    asked = []

    class Library:
        def __init__(self, _):
            pass

        def mallopt(self, *setting):
            asked.append(setting)

    monkeypatch.setattr(allocator, "_pending", True)
    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    return asked


def large():
    return np.ones(LARGE) * tg.Tensor(2.0)


def test_freed_memory_is_kept_from_the_first_large_array_on_and_asked_for_once(mallopt):
    tg.batch_norm(np.ones((LARGE // 64 - 1, 64)))
    assert mallopt == []
    large()
    assert mallopt == SETTINGS
    large()
    assert mallopt == SETTINGS


@pytest.mark.parametrize(
    "first",
    [
        lambda x: x + 1.5,
        lambda x: x - np.ones((1, 64)),
        lambda x: x * x,
        lambda x: 2 / x,
        lambda x: tg.batch_norm(x),
    ],
    ids=["add", "sub", "mul", "div", "batch norm"],
)
def test_whichever_large_array_is_the_first(mallopt, first):
    first(tg.Tensor(np.full((LARGE // 64, 64), 3.0)))
    assert mallopt == SETTINGS


def test_importing_the_package_makes_no_setting():
    code = (
        "import ctypes, numpy; asked = []; ctypes.CDLL = lambda *given: asked.append(given); "
        "import tinygrad_bn as tg; tg.batch_norm(numpy.ones((6, 3))); print(asked)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_leave_allocator_alone_prevents_the_settings(mallopt):
    tg.leave_allocator_alone()
    large()
    assert mallopt == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
        ("MALLOC_MMAP_THRESHOLD_", "131072"),
        ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=131072"),
    ],
)
def test_whoever_has_set_the_allocator_keeps_his_settings(mallopt, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    large()
    assert mallopt == []


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_left_alone(mallopt, monkeypatch, platform):
    monkeypatch.setattr("sys.platform", platform)
    large()
    assert mallopt == []


def test_a_c_library_without_mallopt_is_left_alone(mallopt, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    large()
    assert mallopt == []
