"""Gradients where a formula divides by 0, overflows, or has a kink: powers, std, clip, counts."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import cotangent, rng_of
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_bn as tg

EXTREME = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 5e-324, -1e-310, 1e-200, 1e308, -3.0, 2.0])
EXPONENTS = {
    "int": lambda p: p,
    "float": float,
    "array": lambda p: np.full(EXTREME.shape, float(p)),
    "Tensor": lambda p: tg.Tensor(float(p)),
    "Tensor with a gradient": lambda p: tg.Tensor(np.full((11,), float(p)), requires_grad=True),
}


def derivatives(f, x: np.ndarray, w: np.ndarray, order: int) -> list[np.ndarray]:
    """Differentiate again and again, each time with cotangent w."""
    leaf = tg.Tensor(x, requires_grad=True)
    y, found = f(leaf), []
    for _ in range(order):
        (y,) = tg.grad(y, leaf, w, create_graph=True)
        found.append(y.data)
    return found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", EXPONENTS)
def test_x_to_the_0_is_constant_and_x_to_the_1_is_linear_everywhere(kind: str, dtype) -> None:
    """Also at infinities, NaN, zeros and where 1 / x overflows, to the third order."""
    exponent = EXPONENTS[kind]
    w = cotangent(rng_of(kind), EXTREME.shape).astype(dtype)
    x = EXTREME.astype(dtype)
    for g in derivatives(lambda t: t ** exponent(0), x, w, 3):
        np.testing.assert_array_equal(np.abs(g), np.zeros_like(x))
    first, *higher = derivatives(lambda t: t ** exponent(1), x, w, 3)
    np.testing.assert_array_equal(first, w)
    for g in higher:
        np.testing.assert_array_equal(np.abs(g), np.zeros_like(x))


@pytest.mark.parametrize("base", [2.0, 0.25, 1e-300, 1e300])
def test_mixed_derivative_of_a_power_at_exponent_zero(base: float) -> None:
    """The derivative of y x^(y-1) with respect to y is 1 / x at y = 0."""
    x, y = (tg.Tensor(value, requires_grad=True) for value in (base, 0.0))
    (dx,) = tg.grad(x**y, x, 3.0, create_graph=True)
    assert dx.item() == 0.0
    np.testing.assert_allclose(tg.grad(dx, y, 5.0)[0].item(), 15.0 / base, rtol=1e-15)


@given(value=st.floats(-1e6, 1e6), m=st.integers(1, 40), seed=st.integers(0, 99))
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_std_of_equal_values_has_gradient_zero_and_the_others_keep_theirs(
    dtype, value, m, seed
) -> None:
    """Exactly equal, also where rounding moves their mean off them, as for 0.1."""
    rng = np.random.default_rng(seed)
    value = np.clip(value, -6e4, 6e4) if dtype == np.float16 else value
    columns = np.stack([np.full(m, value), rng.permutation(m) + 1.0], axis=1).astype(dtype)
    x = tg.Tensor(columns, requires_grad=True)
    w = cotangent(rng, (2,)).astype(dtype)
    y = np.std(x, axis=0)
    y.backward(w)
    assert y.dtype == x.grad.dtype == dtype
    assert y.data[0] == 0.0
    assert not x.grad[:, 0].any()
    assert x.std(axis=0).data.tolist() == y.data.tolist()
    if m > 1:
        xc = columns[:, 1] - columns[:, 1].mean(dtype=np.float64)
        expected = w[1] * xc / (m * np.sqrt((xc**2).mean()))
        np.testing.assert_allclose(x.grad[:, 1], expected, rtol=8 * np.finfo(dtype).eps, atol=0)
    else:
        assert not x.grad.any()


def test_std_of_a_constant_in_a_program_and_in_the_second_order() -> None:
    x = np.array([[0.1, 1.0], [0.1, 4.0], [0.1, 6.0]])
    w = np.array([3.0, -5.0])
    program = tg.trace(lambda t: np.std(t, axis=0), x).gradient()
    (second,) = derivatives(lambda t: (np.std(t, axis=0) * w).sum(), x, np.array(1.0), 1)
    np.testing.assert_array_equal(program(x, w), second)
    assert not second[:, 0].any()
    leaf = tg.Tensor(x, requires_grad=True)
    (g,) = tg.grad(leaf.std(axis=0), leaf, w, create_graph=True)
    (h,) = tg.grad(g, leaf, x[::-1].copy())
    assert not h.data[:, 0].any()
    assert np.isfinite(h.data).all()
    assert h.data[:, 1].any()


def test_std_of_other_values_is_drawn_as_the_root_of_the_variance() -> None:
    x = tg.Tensor([[1.0, 2.0], [4.0, 6.0]], requires_grad=True)
    assert [node.op for node in tg.graph(np.std(x, axis=0)).nodes if node.op] == ["var", "sqrt"]


def test_std_of_float16_does_not_overflow_in_its_squares() -> None:
    x = tg.Tensor(np.array([0.0, 1000.0], np.float16), requires_grad=True)
    np.std(x).backward(np.float16(3.0))
    assert np.std(x).item() == 500.0
    assert x.grad.tolist() == [-1.5, 1.5]


def test_var_of_float16_with_one_far_value_is_finite() -> None:
    x = np.zeros(100, np.float16)
    x[7] = 2000.0  # its square overflows, the variance does not
    assert tg.Tensor(x).var().item() == pytest.approx(x.astype(float).var(), rel=2.0**-10)


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
def test_var_of_float32_far_from_0(offset: float) -> None:
    """The mean in float32 is off by up to u |mean|; its square may not show in the variance."""
    x = (offset + rng_of(offset).normal(size=1000)).astype(np.float32)
    exact = x.astype(np.float64).var()
    assert tg.Tensor(x).var().item() == pytest.approx(exact, rel=8 * 2.0**-24)


# At low = high > x the value is that of both bounds: min(max(x, low), high) has a kink in each.
#        x    low  high    dx   dlow dhigh
CLIPPED = [
    (1.0, 2.0, 2.0, 0.0, 0.5, 0.5),
    (2.0, 2.0, 2.0, 1.0, 0.0, 0.0),
    (3.0, 2.0, 2.0, 0.0, 0.0, 1.0),
    (1.0, 2.0, 4.0, 0.0, 1.0, 0.0),
    (3.0, 2.0, 4.0, 1.0, 0.0, 0.0),
    (5.0, 2.0, 4.0, 0.0, 0.0, 1.0),
    (2.0, 2.0, 4.0, 1.0, 0.0, 0.0),
    (4.0, 2.0, 4.0, 1.0, 0.0, 0.0),
    (1.0, 4.0, 2.0, 0.0, 0.0, 1.0),
    (3.0, 4.0, 2.0, 0.0, 0.0, 1.0),
    (5.0, 4.0, 2.0, 0.0, 0.0, 1.0),
]


def test_the_cotangent_of_clip_is_never_lost() -> None:
    """Whatever the order of value and bounds, the three parts add up to the cotangent."""
    x, low, high, *expected = np.array(CLIPPED).T
    leaves = [tg.Tensor(a, requires_grad=True) for a in (x, low, high)]
    y = leaves[0].clip(*leaves[1:])
    assert y.data.tolist() == np.minimum(np.maximum(x, low), high).tolist()
    w = cotangent(rng_of("clip"), x.shape)
    found = [g.data for g in tg.grad(y, leaves, w)]
    np.testing.assert_array_equal(found, np.array(expected) * w)
    np.testing.assert_array_equal(sum(found), w)


MANY = 2**17  # more than float16 can count


@pytest.mark.parametrize("shape", [(MANY,), (MANY, 1), (2, MANY)])
def test_a_mean_over_more_values_than_float16_counts(shape: tuple[int, ...]) -> None:
    axis = int(np.argmax(shape))
    x = tg.Tensor(np.ones(shape, np.float16), requires_grad=True)
    w = np.array(3000.0, np.float16) * np.ones(x.mean(axis).shape, np.float16)
    for y in x.mean(axis), x.max(axis):  # all are equal: max shares among as many
        (g,) = tg.grad(y, x, w)
        assert (g.data == np.float16(3000 / MANY)).all()
    (g,) = tg.grad(x.mean(axis, dtype=np.float64), x, w.astype(np.float64))
    assert (g.data == np.float16(3000 / MANY)).all()


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (2, 3, 0)])
def test_inference_of_an_empty_batch_is_empty(shape: tuple[int, ...]) -> None:
    layer = tg.nn.BatchNorm(3).eval()
    x = tg.Tensor(np.zeros(shape), requires_grad=True)
    y = layer(x)
    y.backward(np.zeros(shape))
    assert y.shape == x.grad.shape == shape
    assert layer.gamma.grad.tolist() == layer.beta.grad.tolist() == [0.0] * 3
    with pytest.raises(ValueError, match="more than one value"):
        layer.train()(x)
    with pytest.raises(ValueError, match="at least one value"):
        tg.batch_norm(x)
    program = tg.trace(layer.eval(), np.zeros((5, *shape[1:])))
    assert program(np.zeros((0, *shape[1:]))).shape == (0, *shape[1:])


@pytest.mark.parametrize("layout", ["repeated", "tiled", "broadcast Tensor", "far from 0"])
@pytest.mark.parametrize("mode", ["train", "eval", "function"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_of_large_arrays_in_every_layout(layout: str, mode: str, dtype) -> None:
    """No read-only view is written to; the numbers are those of a plain array."""
    row = np.array([[3.0, -1.0, 0.5, 1e3]], dtype)
    x: object = np.tile(row, (40000, 1))
    if layout == "repeated":
        x = np.broadcast_to(row, (40000, 4))
    elif layout == "broadcast Tensor":
        x = tg.Tensor(row).broadcast_to(40000, 4)
    elif layout == "far from 0":
        x = (1e6 + rng_of(layout).normal(size=(40000, 4))).astype(dtype)
    layer = tg.nn.BatchNorm(4, dtype=dtype)
    y = tg.batch_norm(x) if mode == "function" else (layer if mode == "train" else layer.eval())(x)
    plain = np.array(x, dtype)
    if mode == "eval":
        expected = plain / np.sqrt(1 + 1e-5)
    else:
        exact = plain.astype(np.float64)
        expected = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5)
    np.testing.assert_allclose(y.data, expected, rtol=1e-5, atol=1e-5)
    assert y.dtype == dtype


def test_the_dtype_of_a_layer_is_that_of_what_its_docstring_names() -> None:
    layer = tg.nn.BatchNorm(2, dtype=np.float32)
    for name, value in layer.state_dict().items():
        counts = name == "num_batches_tracked"  # which float32 could not beyond 2^24
        assert value.dtype == (np.float64 if counts else np.float32), name


# Messages and small things that NumPy's arrays have


def test_plus_x_is_x() -> None:
    x = tg.Tensor([1.0, -2.0], requires_grad=True)
    (+x * 3.0).backward([5.0, 7.0])
    assert x.grad.tolist() == [15.0, 21.0]
    assert tg.trace(lambda t: +t * 2.0, np.ones(2))(np.ones(2)).tolist() == [2.0, 2.0]


X = tg.Tensor([1.0, 2.0], requires_grad=True)
SCALAR = tg.Tensor(2.0, requires_grad=True)


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (lambda: np.sign(X).sum().backward(), ValueError, ["needs no gradient", "sign"]),
        (lambda: pow(X, 2, 3), TypeError, ["pow()", "2 positional arguments"]),
        (lambda: X.clip("a"), TypeError, ["real numbers", "str"]),
        (lambda: X.clip(1j), TypeError, ["real numbers", "complex"]),
        (lambda: X.clip(np.longdouble(1)), TypeError, ["real numbers", "longdouble"]),
        (lambda: X + np.longdouble(1), TypeError, ["real numbers", "longdouble"]),
    ],
    ids=["sign", "pow of three", "clip str", "clip complex", "clip longdouble", "add longdouble"],
)
def test_wrong_use_is_explained(use, error, words) -> None:
    with pytest.raises(error) as caught:
        use()
    assert [word for word in words if word not in str(caught.value)] == []
    assert "lambda" not in str(caught.value)


def test_a_ufunc_of_scipy_is_not_called_numpys() -> None:
    special = pytest.importorskip("scipy.special", reason="SciPy comes with the extra dev")
    with pytest.raises(TypeError, match="the ufunc erf is not recorded for a Tensor"):
        special.erf(X)


def test_repeat_of_a_single_value() -> None:
    y = np.repeat(SCALAR, 3)
    assert y.data.tolist() == [2.0] * 3
    assert tg.grad(y, SCALAR, [1.0, 2.0, 4.0])[0].item() == 7.0


def test_docstrings_name_the_operands_in_the_order_of_the_rules() -> None:
    assert "of a is ``g exp a``" in tg.exp.__doc__
    assert "b is" not in tg.exp.__doc__
    assert "a is `condition`, truth values and b is `x` and c is `y`" in tg.where.__doc__
    assert "of c is ``0 where a, else g``" in tg.where.__doc__
    assert "of c is ``g where a > c" in tg.clip.__doc__
    assert "shape and dtype stay" not in tg.clip.__doc__
    assert "a is the other operand and b is the tensor" in tg.Tensor.__rsub__.__doc__
    assert "s is `negative_slope`" in tg.leaky_relu.__doc__
