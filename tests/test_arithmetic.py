"""What is there for speed alone (arithmetic, accuracy, broadcasting, allocator) changes no number.

Or, where it does, by less than it says. ``LARGE`` and ``ROW`` are made small here, so that many
small cases take the way of large arrays; a few are large in earnest.
"""

import ctypes
import math

import numpy as np
import pytest
from conftest import rng_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_bn as tg
from tinygrad_bn import accuracy, allocator, arithmetic

PAIRS = [
    (arithmetic.add, np.add),
    (arithmetic.subtract, np.subtract),
    (arithmetic.multiply, np.multiply),
    (arithmetic.divide, np.true_divide),
]
U = 2.0**-24  # the largest relative error of one float32 rounding


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(arithmetic, "LARGE", 1)
    monkeypatch.setattr(arithmetic, "ROW", 16)
    arithmetic._rows.cache_clear()
    yield
    arithmetic._rows.cache_clear()


def same(got, expected):
    """Hold one array against another, to the last bit."""
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@st.composite
def operands(draw):
    """Draw two arrays that broadcast; one may be a view that repeats itself, or be transposed."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def operand():
        dtype = draw(st.sampled_from(["float32", "float32", "float64", "float16"]))
        repeated = draw(st.sets(st.integers(0, len(shape))))  # axes; few, and often the first
        own = tuple(1 if i in repeated else n for i, n in enumerate(shape))
        if draw(st.booleans()) and own[0] == 1:
            own = own[1:]
        signs, sizes = rng.choice([-1, 1], own), rng.uniform(0.5, 2.0, own)
        array = np.asarray(signs * sizes, dtype)
        kind = draw(st.sampled_from(["as it is", "as it is", "view", "other order"]))
        if kind == "view":
            return np.broadcast_to(array, shape)
        return np.asfortranarray(array) if kind == "other order" else array

    return operand(), operand()


@pytest.mark.usefixtures("everything_is_large")
@pytest.mark.parametrize(("quick", "ufunc"), PAIRS, ids=lambda f: getattr(f, "__name__", "quick"))
@settings(max_examples=300)
@given(pair=operands())
def test_arithmetic_on_large_arrays_is_numpys_to_the_last_bit(quick, ufunc, pair):
    x, y = pair
    expected = ufunc(x, y)
    same(quick(x, y), expected)
    same(quick(x, 3), ufunc(x, 3))
    same(quick(np.ones(x.shape, int), y), ufunc(np.ones(x.shape, int), y))
    same(quick(2.5, y), ufunc(2.5, y))
    for order in "CF":
        into = np.empty_like(expected, order=order)
        assert quick(x, y, into) is into
        same(into, expected)
    if x.shape == expected.shape and x.dtype == expected.dtype:
        start = np.array(x, order="C")
        same(quick(start, y, out=start), expected)
    if y.shape == expected.shape and y.dtype == expected.dtype:
        start = np.array(y, order="C")
        same(quick(x, start, out=start), expected)


@pytest.mark.parametrize("shape", [(257, 1024), (64, 8, 32, 17), (70_000, 3), (5, 40_000)])
@pytest.mark.parametrize(("quick", "ufunc"), PAIRS, ids=lambda f: getattr(f, "__name__", "quick"))
def test_so_it_is_on_arrays_that_are_large_in_earnest(quick, ufunc, shape):
    rng = rng_of(shape)
    x = rng.normal(size=shape).astype(np.float32)
    small = rng.uniform(1, 2, (1, shape[1], *(1 for _ in shape[2:]))).astype(np.float32)
    assert x.size >= arithmetic.LARGE
    same(quick(x, small), ufunc(x, small))
    same(quick(small, x), ufunc(small, x))


@pytest.mark.usefixtures("everything_is_large")
def test_what_both_operands_repeat_is_computed_once_and_not_stored():
    view = np.broadcast_to(np.array([[1.0, 2.0, 3.0]]), (50, 3))
    doubled = arithmetic.multiply(view, 2)
    assert doubled.strides[0] == 0
    same(doubled, view * 2)


@pytest.mark.usefixtures("everything_is_large")
@given(st.data())
def test_product_is_the_product_in_either_order(data):
    g, x = data.draw(operands())
    expected = g * (2 * x)
    assert arithmetic.product(g, 2, x).dtype == expected.dtype
    np.testing.assert_array_equal(arithmetic.product(g, 2, x), expected)  # twice is exact


def test_the_gradient_of_a_square_in_float16_does_not_overflow_on_the_way():
    x = tg.Tensor(np.full(4, 0.01, np.float16), requires_grad=True)
    (gradient,) = tg.grad(x**2, x, np.full(4, 40_000, np.float16))
    np.testing.assert_allclose(gradient.data, 800, rtol=1e-3)
    (gradient,) = tg.grad((x**2).sum(), x, np.float16(40_000))
    np.testing.assert_allclose(gradient.data, 800, rtol=1e-3)


def test_large_integers_are_divided_as_numpy_does():
    ones, threes = np.ones((512, 300), int), np.full((1, 300), 3)
    same(arithmetic.divide(ones, threes), ones / threes)


@pytest.mark.usefixtures("everything_is_large")
def test_tensors_are_recorded_whatever_their_size():
    x = tg.Tensor(np.ones((4, 3)), requires_grad=True)
    for quick, name in zip((q for q, _ in PAIRS), ("add", "sub", "mul", "div"), strict=True):
        assert str(quick(x, x.data).op) == str(quick(x.data, x).op) == name


def test_shapes_that_do_not_broadcast_are_named_for_large_arrays_too():
    x = tg.Tensor(np.ones((400, 400)))
    with pytest.raises(ValueError, match=r"add of \(400, 400\) and \(399,\): these shapes do not"):
        x + np.ones(399)


@given(operands())
def test_repeated_is_numpys_broadcast_to(pair):
    small, other = pair
    shape = np.broadcast(small, other).shape
    got = arithmetic.repeated(small, shape)
    same(got, np.broadcast_to(small, shape))
    assert np.shares_memory(got, small) or got.size == 0
    assert not got.flags.writeable


def test_repeated_takes_arrays_without_values():
    same(arithmetic.repeated(np.ones((1, 3)), (0, 3)), np.ones((0, 3)))
    same(arithmetic.repeated(np.ones((1, 0)), (4, 0)), np.ones((4, 0)))


def test_products_of_float16_are_not_summed_in_float16():
    ones = np.ones((4096, 3), np.float16)  # in float16, 2048 + 1 is 2048
    w = tg.Tensor(np.ones(3, np.float16), requires_grad=True)
    (gradient,) = tg.grad(w * ones, w, ones)
    assert (gradient.data == 4096).all()


@pytest.mark.parametrize("shape", [(2051, 67), (1003, 5, 7, 4), (9, 20_000)])
@pytest.mark.parametrize("offset", [0.0, 3.0, 1e4])
def test_sums_by_eights_are_as_near_as_they_say(shape, offset):
    x = (rng_of(shape, offset).normal(size=shape) + offset).astype(np.float32)
    assert x.size >= arithmetic.LARGE
    axes = tuple(i for i in range(x.ndim) if i != 1)
    got = accuracy.sum_by_eights(x, axes, True)
    assert got.dtype == np.float64
    assert not np.array_equal(got, accuracy.wide_sum(x, axes, True)), "it took the other way"
    for channel in range(shape[1]):
        column = x[:, channel].ravel().astype(float)
        error = abs(got[0, channel].item() - math.fsum(column))
        assert error <= 7 * U * np.abs(column).sum()


def test_sums_by_eights_do_not_overflow_and_pass_on_what_is_not_finite():
    x = np.full((64, 4096), 3e38, np.float32)
    np.testing.assert_allclose(accuracy.sum_by_eights(x, (0,), False), 64 * 3e38, rtol=1e-6)
    x[3, 0], x[4, 1] = np.inf, np.nan
    assert np.isposinf(accuracy.sum_by_eights(x, (0,), False)[0])
    assert np.isnan(accuracy.sum_by_eights(x, (0,), False)[1])


@pytest.mark.parametrize("shape", [(1024, 300), (40_000, 5), (64, 40, 8, 9)])
def test_the_mean_of_a_large_constant_is_that_constant(shape):
    constants = rng_of(shape).uniform(1, 2, (1, *shape[1:])).astype(np.float32)
    x = tg.Tensor(np.broadcast_to(constants, shape))
    same(tg.mean(x, axis=0).data, constants[0])
    assert (tg.var(x, axis=0).data == 0).all()


def test_subnormal_means_raise_nothing():
    with np.errstate(all="raise"):
        tiny = tg.mean(np.full((512, 300), 1e-42, np.float32), axis=0)
        y = tg.batch_norm(np.full((512, 300), 1e-25, np.float32))
    assert (tiny.data == np.float32(1e-42)).all()
    assert (y.data == 0).all()


def batch(mean, spread, shape=(512, 300)):
    return (mean + spread * rng_of(mean, spread).normal(size=shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (batch(0, 1), np.float32),
        (batch(3, 1), np.float32),
        (batch(30, 1), np.float64),
        (batch(-1e6, 1), np.float64),
        (batch(5, 0), np.float64),  # constant features
        (batch(0, 0), np.float32),  # all zero: the mean is 0 however it is computed
        (batch(1e-30, 0), np.float64),  # squares underflow
        (batch(0, 1, (8, 3)), np.float64),  # small: float64 costs nothing
        (batch(0, 1).astype(np.float64), np.float64),
        (np.full((512, 300), np.nan, np.float32), np.float64),
        (np.full((512, 300), np.inf, np.float32), np.float64),
        (np.full((4096, 64), 1e18, np.float32), np.float64),  # squares overflow float32
        (np.full((4_500_000, 2), 1.263468, np.float32), np.float64),  # long sums drift
    ],
)
def test_the_mean_is_kept_in_float64_where_float32_would_lose_digits(x, expected):
    assert accuracy.dtype_of_mean(x, (0,)) == expected


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("feature", [0, 7, 299])
def test_one_feature_far_from_zero_is_enough_for_float64(axis, feature):
    x = batch(0, 1)
    x[:, feature] += 1000
    x = x if axis == 0 else x.T
    assert accuracy.dtype_of_mean(x, (axis,)) == np.float64


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 2), (1, 2)])
@given(
    first=st.floats(-9, 9),
    rest=st.floats(-1e6, 1e6),
    spread=st.floats(1e-3, 1e3),
    outlier=st.floats(-1e7, 1e7),
)
def test_the_bound_on_the_mean_holds_whatever_lies_beyond_the_sixteenth(
    axes, first, rest, spread, outlier
):
    x = rng_of(axes).normal(size=(64, 64, 33))
    turned = np.moveaxis(x, axes[0], 0)
    turned[:4] += first
    turned[4:] = rest + spread * turned[4:]
    turned[-1] += outlier
    x = x.astype(np.float32)
    assert x.size >= arithmetic.LARGE
    if accuracy.dtype_of_mean(x, axes) == np.float32:
        wide = x.astype(float)
        assert (np.abs(wide.mean(axes)) < 36 * wide.std(axes)).all()


@pytest.mark.parametrize("shape", [(512, 300), (64, 8, 17, 19)])
@pytest.mark.parametrize("offset", [0.0, 1.0, 4.0, 7.0, 9.0, 100.0, 1e6])
def test_large_float32_batches_are_normalized_to_the_last_digits(shape, offset):
    x = batch(offset, 1, shape)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    centered = x.astype(float) - x.mean(axes, keepdims=True, dtype=float)
    exact = centered / np.sqrt((centered**2).mean(axes, keepdims=True) + 1e-5)
    # Of |x_hat| < 5: half units for x - mu, for std and for the division, and one for var, whose
    # sum by eights is no worse. And half a unit of mu, where |mu| / sigma < 9 goes with float32.
    bound = U * (4 * 5 + min(offset, 9.0))
    assert np.abs(tg.batch_norm(x).data - exact).max() < bound


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e-30, 1e-20, 1e17, 3e18, 1e19, 1e30])
def test_a_constant_feature_of_a_large_batch_gives_exactly_beta(value):
    x = batch(0, 1)
    x[:, 5] = value
    y = tg.batch_norm(x, np.ones(300, np.float32), np.full(300, 0.3, np.float32))
    assert (y.data[:, 5] == np.float32(0.3)).all()


@pytest.mark.parametrize("rows", [4, 1024])
def test_a_mean_beyond_float32_gives_infinities_not_nan(rows):
    x = np.ones((rows, 300), np.float32)
    mu = np.where(np.arange(300) % 2, 1e300, -np.inf)
    with np.errstate(over="ignore"):
        got = accuracy.difference(x, mu[None], np.dtype(np.float32))
    same(got, np.broadcast_to(np.where(mu > 0, -np.inf, np.inf).astype(np.float32), x.shape))


@pytest.mark.parametrize("rows", [40, 4000])
def test_a_difference_with_a_wide_mean_is_off_by_a_unit_at_most(rows):
    rng = rng_of(rows)
    x = (1e4 + rng.normal(size=(rows, 64))).astype(np.float32)
    mu = 1e4 + 1e-3 * rng.normal(size=(1, 64))
    got = accuracy.difference(x, mu, np.dtype(np.float32))
    exact = x - mu
    assert (np.abs(got - exact) <= np.spacing(np.abs(exact).astype(np.float32))).all()


@pytest.fixture
def mallopt(monkeypatch):
    """Stand in for glibc; give the list of the settings that were asked for."""
    asked = []

    class Library:
        def __init__(self, _):
            pass

        def mallopt(self, *setting):
            asked.append(setting)

    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    return asked


def test_freed_memory_is_kept(mallopt):
    allocator.keep_freed_memory()
    assert mallopt == [(-1, 2**29), (-3, 2**25)]


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
    allocator.keep_freed_memory()
    assert mallopt == []


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_left_alone(mallopt, monkeypatch, platform):
    monkeypatch.setattr("sys.platform", platform)
    allocator.keep_freed_memory()
    assert mallopt == []


def test_a_c_library_without_mallopt_is_left_alone(mallopt, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    allocator.keep_freed_memory()
    assert mallopt == []
