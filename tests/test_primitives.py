"""Every row of the table of primitives, against derivatives that know nothing of its rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from cases import FAMILIES, Case, Shape, rows
from conftest import (
    EPS,
    FLOATS,
    apart,
    arrays_of,
    assert_close,
    assert_gradients,
    cotangent,
    jacobian,
    largest,
    leaves,
    pulled_back,
    rng_of,
    slope,
)
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn import primitives as P
from tinygrad_bn import shapes
from tinygrad_bn.arrays import OPERAND
from tinygrad_bn.autodiff import fit
from tinygrad_bn.nn import windows

EACH = [[()], [(4,)], [(2, 3)]]
POSITIVE = {"domain": (0.5, 2.0)}
KINKED = {"analytic": False}
AXES = [{"axis": a, "keepdims": k} for a in [(), (0,), (1,), (0, 2), (0, 1, 2)] for k in (0, 1)]
BINARY = {
    P.add: {}, P.sub: {}, P.mul: {}, P.div: POSITIVE, P.pow: POSITIVE,
    P.maximum: KINKED, P.minimum: KINKED,
}  # fmt: skip
MATRICES = [
    [(3,), (3,)], [(2, 3), (3,)], [(2,), (2, 3)], [(2, 3), (3, 2)], [(2, 2, 3), (3, 2)],
    [(2, 3), (2, 3, 2)], [(2, 1, 2, 2), (2, 2, 1)], [(2,), (2, 2, 3)], [(2, 2, 3), (3,)],
]  # fmt: skip
PLACES = [
    slice(1, None), (slice(None), -1), (..., None, 0), np.array([2, 0, 2]),
    (np.array([0, 2, 0]), np.array([1, 1, 1])), np.array([True, False, True]), (1, 1),
]  # fmt: skip

CASES = [
    *FAMILIES,
    *(
        Case(op, pair, **options)
        for op, options in BINARY.items()
        for pair in [[(2, 3), (2, 3)], [(2, 3), (3,)], [(2, 1), (1, 3)], [(), (2, 3)]]
    ),
    *rows([P.neg, P.exp, P.sin, P.cos, P.tanh], EACH),
    *rows([P.sqrt, P.log], EACH, **POSITIVE),
    *rows([P.sigmoid, P.relu, P.sign, P.abs], EACH, **KINKED),
    *rows([P.leaky_relu], EACH, [{"negative_slope": 0.1}], **KINKED),
    *rows([P.clip], EACH, last=(-1.0, 1.0), **KINKED),
    *rows([P.clip], EACH, last=(-np.inf, 0.0), **KINKED),
    *rows([P.clip], [[(3, 4), (4,), (3, 1)], [(2, 2), (), ()]], **KINKED),
    Case(P.where, [(2, 2), (2, 2)], first=(np.array([[True, False], [False, True]]),)),
    *rows([P.sum, P.mean], [[(2, 3, 2)]], AXES),
    # with a dtype, a complex step is lost
    Case(P.sub, [(2, 3), (3,)], {"dtype": np.float64}, **KINKED),
    Case(P.mean, [(2, 3)], {"axis": (0,), "keepdims": False, "dtype": np.float64}, **KINKED),
    *rows([shapes.astype], EACH, [{"dtype": np.float64}], **KINKED),
    *rows([P.var], [[(2, 3, 2)]], [{**choice, "ddof": 0} for choice in AXES]),
    *rows([P.var], [[(2, 3, 2)]], [{"axis": (0, 1), "ddof": 1, "keepdims": False}]),
    *rows([P.max, P.min], [[(2, 3, 2)]], AXES, **KINKED),
    Case(
        windows.windows,
        [(2, 2, 3, 4)],
        {"kernel": (2, 3), "stride": (1, 2), "padding": (1, 1), "fill": 0.0},
    ),
    Case(
        windows.overlap_add,
        [(2, 2, 3, 2, 4, 2)],
        {"size": (3, 4), "stride": (1, 2), "padding": (1, 1)},
    ),
    *rows([P.matmul], MATRICES),
    *rows([shapes.reshape], [[(2, 3)]], [{"shape": s} for s in [(6,), (3, 2), (1, 2, -1)]]),
    *rows([shapes.transpose], [[(2, 3, 2)]], [{"axes": a} for a in [(2, 1, 0), (1, 2, 0)]]),
    *rows([shapes.broadcast_to], [[()], [(3,)], [(2, 1)]], [{"shape": (2, 2, 3)}]),
    *rows([shapes.concatenate, shapes.stack], [[(2, 3)] * 3], [{"axis": 0}, {"axis": 1}]),
    Case(shapes.concatenate, [(2, 1), (2, 3), (2, 0), (2, 2)], {"axis": 1}),
    *rows([shapes.getitem], [[(3, 2)]], [{"index": index} for index in PLACES]),
    *(
        Case(shapes.scatter, [np.empty((3, 2))[index].shape], {"index": index, "shape": (3, 2)})
        for index in PLACES
    ),
    Case(shapes.getitem, [(3, 2)], {"index": (slice(None), OPERAND)}, last=(np.array([1, 1]),)),
    Case(
        shapes.scatter,
        [(3, 2)],
        {"index": (slice(None), OPERAND), "shape": (3, 4)},
        last=(np.array([1, 1]),),
    ),
    Case(shapes.take_along_axis, [(3, 4)], {"axis": 1}, last=(np.array([[1, 1], [0, 3], [2, 0]]),)),
    Case(
        shapes.add_along_axis,
        [(3, 2)],
        {"axis": 1, "shape": (3, 4)},
        last=(np.array([[1, 1], [0, 3], [2, 0]]),),
    ),
]
WITH_RULES = [case for case in CASES if case.op.differentiable]


def each(cases: Sequence[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=str)


def inner(us: Sequence[Any], vs: Sequence[Any]) -> Any:
    """<u, v>, recorded if one of them is a Tensor."""
    return sum(np.sum(u * v) for u, v in zip(us, vs, strict=True))


def inner_magnitude(us: Sequence[Any], vs: Sequence[Any]) -> float:
    """Sum the sizes of the terms of <u, v>: times eps, how far rounding can move the sum."""
    return float(sum(np.sum(np.abs(u) * np.abs(v)) for u, v in zip(us, vs, strict=True)))


def test_no_row_of_the_table_is_left_out() -> None:
    derived = {row for row in P.TABLE.values() if not row.predicate}
    assert {case.op for case in CASES} == derived - {shapes.detach}  # whose derivative is denied


@pytest.mark.parametrize("row", [r for r in P.TABLE.values() if r.predicate], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_question_is_answered_as_by_numpy_and_stops_the_gradient(row, dtype) -> None:
    x = np.array([[1.0, -0.0, np.nan], [2.0, np.inf, 0.0]], dtype)
    operands = [x, x[::-1]][: len(row.vjps)]
    if "logical" in row.name:
        operands = [x > 0.5, x < 1.5][: len(row.vjps)]
    params = {"axis": (1,), "keepdims": True} if row.reduces else {}
    answer = row(*operands, **params)
    np.testing.assert_array_equal(answer, row.numpy[0](*operands, **params))
    assert answer.dtype == row.numpy[0](*operands, **params).dtype
    assert not row.differentiable


# First derivatives


@each(CASES)
def test_gradient_is_the_transposed_jacobian_times_the_cotangent(case: Case) -> None:
    rng = rng_of("first", case)
    xs = case.inputs(rng)
    w = cotangent(rng, np.shape(case(*xs)))
    tensors = leaves(xs)
    out = case(*tensors)
    if not case.op.differentiable:  # it says that its derivative is zero
        assert not out.requires_grad
        gradients = [np.zeros_like(x) for x in xs]
    else:
        gradients = arrays_of(tg.grad(out, tensors, w))
    assert_gradients(case, xs, gradients, w, analytic=case.analytic)


@given(case=st.sampled_from(WITH_RULES), seed=st.integers(0, 2**32 - 1))
def test_vjp_is_the_adjoint_of_the_directional_derivative(case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xs = case.inputs(rng)
    vs = [rng.uniform(-1, 1, x.shape) for x in xs]
    jv, error = slope(case, xs, vs, analytic=case.analytic)
    w = cotangent(rng, jv.shape)
    gradients = [case.rule(i, w, *xs) for i in range(len(xs))]
    # An error of J v shows at most |w|_1 times; the products round by eps of their terms.
    rounding = error * np.abs(w).sum()
    rounding += 64 * EPS * (inner_magnitude(vs, gradients) + inner_magnitude([jv], [w]))
    assert inner([jv], [w]) == pytest.approx(inner(vs, gradients), rel=0, abs=rounding)


SHAPES = [(), (1,), (3,), (1, 3), (2, 1), (2, 3), (2, 1, 3), (2, 2, 1)]


def broadcast(*some: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(*some)
    except ValueError:
        return None


PAIRS = [(a, b) for a, b in product(SHAPES, SHAPES) if broadcast(a, b) is not None]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("op", [*BINARY, P.where], ids=str)
def test_broadcasting_is_undone_for_every_pair_of_shapes(
    op: P.Primitive, pair: tuple[Shape, Shape]
) -> None:
    rng = rng_of("broadcast", op, pair)
    shape = broadcast(*pair)
    first = (rng.random(shape) < 0.5,) if op is P.where else ()
    case = Case(op, pair, first=first, **BINARY.get(op, {}))
    xs = case.inputs(rng)
    w = cotangent(rng, shape)
    tensors = leaves(xs)
    gradients = tg.grad(case(*tensors), tensors, w)
    assert_gradients(case, xs, arrays_of(gradients), w, analytic=case.analytic)


def test_condition_of_where_broadcasts_against_both_inputs() -> None:
    condition = np.array([[True], [False]])
    case = Case(P.where, [(3,), (1, 1)], first=(condition,))
    rng = rng_of("where")
    xs = case.inputs(rng)
    w = cotangent(rng, (2, 3))
    tensors = leaves(xs)
    gradients = tg.grad(tg.where(condition, *tensors), tensors, w)
    assert_gradients(case, xs, arrays_of(gradients), w, analytic=True)


# Higher derivatives


@each(WITH_RULES)
def test_gradient_of_the_gradient_is_the_derivative_of_the_rule(case: Case) -> None:
    """The first-order rules, proved above, are differentiated numerically by w and all inputs."""
    rng = rng_of("second", case)
    xs = case.inputs(rng)
    w = cotangent(rng, np.shape(case(*xs)))
    tensors, (upstream,) = leaves(xs), leaves([w])
    firsts = tg.grad(case(*tensors), tensors, upstream, create_graph=True)
    for i, first in enumerate(firsts):
        c = cotangent(rng, first.shape)
        seconds = tg.grad(first, [upstream, *tensors], c)
        assert_gradients(
            lambda *args, i=i: case.rule(i, *args),
            [w, *xs],
            arrays_of(seconds),
            c,
            analytic=case.analytic,
        )


def along(
    case: Case, tensors: Sequence[Any], w: Any, *directions: Sequence[Any]
) -> tuple[Any, ...]:
    """Differentiate <w, case> once, and once more along each direction."""
    gradients = tg.grad(case(*tensors), tensors, w, create_graph=True)
    for direction in directions:
        gradients = tg.grad(inner(gradients, direction), tensors, create_graph=True)
    return gradients


@each(WITH_RULES)
def test_hessian_is_symmetric(case: Case) -> None:
    rng = rng_of("symmetry", case)
    xs = case.inputs(rng)
    us, vs = ([cotangent(rng, x.shape) for x in xs] for _ in range(2))
    w = cotangent(rng, np.shape(case(*xs)))
    tensors = leaves(xs)
    hu, hv = (arrays_of(along(case, tensors, w, direction)) for direction in (us, vs))
    # Each entry of H u sums terms of the size of <w, |f''|> and rounds by a few eps of them; the
    # first gradients stand for terms that cancel altogether.
    terms = inner_magnitude(us, hv) + inner_magnitude(vs, hu)
    terms += inner_magnitude(us, arrays_of(along(case, tensors, w))) * largest(
        np.concatenate(vs, None)
    )
    assert inner(us, hv) == pytest.approx(inner(vs, hu), rel=0, abs=64 * EPS * terms)


THIRD = [
    Case(op, [(2, 2)] * len(op.vjps), **POSITIVE)
    for op in [P.div, P.pow, P.sqrt, P.exp, P.log, P.sin, P.cos, P.tanh, P.sigmoid]
] + [Case(P.var, [(2, 3)], {"axis": (0,), "ddof": 0, "keepdims": False}, **POSITIVE)]


@each(THIRD)
def test_third_derivative_is_the_derivative_of_the_second(case: Case) -> None:
    rng = rng_of("third", case)
    xs = case.inputs(rng)
    us, vs, ds = ([cotangent(rng, x.shape) for x in xs] for _ in range(3))
    w = cotangent(rng, np.shape(case(*xs)))

    def second(*arrays: np.ndarray) -> np.ndarray:
        return inner(arrays_of(along(case, leaves(arrays), w, us)), vs)

    thirds = arrays_of(along(case, leaves(xs), w, us, vs))
    expected, error = slope(second, xs, ds, analytic=False)
    error += 64 * EPS * inner_magnitude(thirds, ds)
    assert_close(inner(thirds, ds), expected, error)


def test_hundredth_derivative_of_the_sine_is_the_sine() -> None:
    x = tg.Tensor(0.7, requires_grad=True)
    y = tg.sin(x)
    for _ in range(100):
        (y,) = tg.grad(y, x, create_graph=True)
    assert y.item() == np.sin(0.7)  # signs are exact, and so is everything


# Where the derivative jumps, or looks as if it did: the choices that PyTorch documents


def gradient_of(f: Any, *xs: Any, w: Any, order: int = 1) -> list[list[float]]:
    """Give the gradients with respect to each input, of the given order, as lists."""
    tensors = leaves(xs)
    gradients = tg.grad(f(*tensors), tensors, w, create_graph=True)
    for _ in range(order - 1):
        gradients = tg.grad(inner(gradients, [1.0] * len(xs)), tensors, create_graph=True)
    return [g.data.tolist() for g in gradients]


@pytest.mark.parametrize(
    ("f", "xs", "w", "expected"),
    [
        (lambda x: x.max(), [[3.0, 1.0, 3.0]], 5.0, [[2.5, 0.0, 2.5]]),
        (lambda x: x.min(), [[1.0, 1.0, 3.0, 1.0]], 6.0, [[2.0, 2.0, 0.0, 2.0]]),
        (lambda x: x.max(axis=1), [[[2.0, 2.0], [0.0, 1.0]]], [3.0, 5.0],
         [[[1.5, 1.5], [0.0, 5.0]]]),
        (tg.maximum, [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [3.0, 5.0, 7.0],
         [[0.0, 2.5, 7.0], [3.0, 2.5, 0.0]]),
        (tg.minimum, [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [3.0, 5.0, 7.0],
         [[3.0, 2.5, 0.0], [0.0, 2.5, 7.0]]),
        (tg.relu, [[-1.0, 0.0, -0.0, 2.0]], [3.0, 5.0, 7.0, 9.0], [[0.0, 0.0, 0.0, 9.0]]),
        (lambda x: tg.leaky_relu(x, 0.5), [[0.0, 2.0]], [3.0, 5.0], [[1.5, 5.0]]),
        (tg.abs, [[-1.0, 0.0, 2.0]], [3.0, 5.0, 7.0], [[-3.0, 0.0, 7.0]]),
        (lambda x: tg.clip(x, -1.0, 1.0), [[-2.0, -1.0, 0.0, 1.0, 2.0]], [3.0, 5.0, 7.0, 9.0, 11.0],
         [[0.0, 5.0, 7.0, 9.0, 0.0]]),
    ],
    ids=["max", "min", "max-axis", "maximum", "minimum", "relu", "leaky_relu", "abs", "clip"],
)  # fmt: skip
def test_at_a_tie_the_gradient_is_the_one_that_pytorch_documents(
    f: Any, xs: Any, w: Any, expected: Any
) -> None:
    assert gradient_of(f, *xs, w=w) == expected


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("op", [tg.max, tg.min], ids=["max", "min"])
def test_shares_at_a_tie_add_up_to_the_cotangent_however_many_they_are(op: Any, dtype: Any) -> None:
    (x,) = leaves([np.zeros((4099, 2), dtype)])  # float16 cannot count beyond 2048
    w = np.array([3.0, -5.0], dtype)
    (g,) = tg.grad(op(x, axis=0), x, w)
    # a share is rounded twice at most, when 1/n is and when w/n is
    error = np.abs(w.astype(float)) * np.finfo(dtype).eps
    for column, whole, bound in zip(g.data.T, w, error, strict=True):
        assert abs(math.fsum(column) - whole) <= bound


EXPONENTS = {"number": float, "integer": int, "array": np.array, "tensor": tg.Tensor}


@pytest.mark.parametrize("kind", EXPONENTS)
def test_power_of_exponent_zero_is_constant_also_at_zero(kind: str) -> None:
    zero = EXPONENTS[kind](0.0)
    for order in (1, 2, 3):
        g = gradient_of(lambda x: x**zero, [-2.0, 0.0, 3.0], w=[3.0, 5.0, 7.0], order=order)
        assert g == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("kind", EXPONENTS)
@pytest.mark.parametrize("exponent", [1, 2, 3])
def test_power_of_a_whole_exponent_differentiates_at_zero(kind: str, exponent: int) -> None:
    y = EXPONENTS[kind](exponent)
    falling = 1.0
    for order in range(1, exponent + 2):
        falling *= exponent - order + 1  # the coefficient of the derivative: n (n-1) ...
        value = falling if order == exponent else 0.0
        assert gradient_of(lambda x: x**y, [0.0], w=[1.5], order=order) == [[1.5 * value]]


def test_power_of_base_zero_does_not_depend_on_its_positive_exponent() -> None:
    g = gradient_of(lambda x, y: x**y, [0.0, 0.0], [2.0, 1.0], w=[3.0, 5.0])
    assert g == [[0.0, 5.0], [0.0, 0.0]]
    assert gradient_of(lambda y: 0.0**y, [2.0, 0.5], w=[3.0, 5.0]) == [[0.0, 0.0]]


def test_power_of_a_negative_base_differentiates_by_the_base() -> None:
    y = np.array([3.0, -2.0])
    (g,) = gradient_of(lambda x: x**y, [-2.0, -2.0], w=[1.5, 8.0])
    assert g == [1.5 * 12.0, 8.0 * 0.25]


def test_mixed_derivatives_of_a_power_agree_where_the_exponent_is_zero() -> None:
    """d/dy of y x^(y-1) at y = 0 is 1/x, although the factor y is 0 there."""
    x, y = leaves([np.array(3.0), np.array(0.0)])
    by_x, by_y = tg.grad(x**y, [x, y], create_graph=True)
    (xy,), (yx,) = tg.grad(by_x, y), tg.grad(by_y, x)
    assert yx.item() == pytest.approx(1 / 3, rel=4 * EPS, abs=0)
    assert xy.item() == pytest.approx(1 / 3, rel=4 * EPS, abs=0)


@pytest.mark.parametrize(("x", "y", "slope"), [(-1e4, 0.0, 0.0), (0.0, 0.5, 0.25), (1e4, 1.0, 0.0)])
def test_sigmoid_does_not_overflow(x: float, y: float, slope: float) -> None:
    (t,) = leaves([np.array(x)])
    out = tg.sigmoid(t)
    (g,) = tg.grad(out, t, 3.0)
    assert (out.item(), g.item()) == (y, 3.0 * slope)


@given(x=st.floats(-700, 700))
def test_sigmoid_keeps_its_relative_precision_in_both_tails(x: float) -> None:
    expected = float(1 / (1 + np.exp(-np.longdouble(x))))
    assert tg.sigmoid(x).item() == pytest.approx(expected, rel=4 * EPS, abs=0)


# Digits


@pytest.mark.parametrize("wide", [np.float32, np.float64])
def test_mean_is_summed_in_float64_whatever_its_dtype(wide: Any) -> None:
    """A million and less than one tenth: float32 has no digits left for the tenths in a sum."""
    values = (1e6 + rng_of("mean").integers(0, 10, (100_000, 2)) / 16).astype(np.float32)
    (x,) = leaves([values])
    mean = x.mean(axis=0, dtype=wide)
    expected = [math.fsum(column) / len(values) for column in values.T]
    assert mean.dtype == wide
    # A sum of n terms in float64 is off by n eps at the very most, and then it is rounded once.
    np.testing.assert_allclose(mean.data, expected, rtol=1e5 * EPS + np.finfo(wide).eps / 2)
    (g,) = tg.grad(mean, x, np.array([3.0, -5.0]))
    share = np.array([3.0, -5.0], wide) / len(values)
    np.testing.assert_array_equal(g.data, np.broadcast_to(share, g.shape).astype(np.float32))


@given(
    x=st.floats(-1, 1, width=32),
    y=st.floats(-1, 1),
    offset=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
)
def test_difference_with_a_dtype_is_as_exact_as_its_size_allows(
    x: float, y: float, offset: float
) -> None:
    """Rounding y to float32 first would cost digits in proportion to y, not to x - y."""
    a, b = np.array(offset + x, np.float32), np.array(offset + y)
    out = P.sub(*leaves([a, b]), dtype=np.float32)
    exact = float(a) - float(b)
    u = float(np.finfo(np.float32).eps) / 2
    # The two differences are rounded, and so is the small part of b, which is at most u |b|.
    bound = 2 * u * abs(exact) + 3 * u**2 * abs(float(b)) + float(np.finfo(np.float32).tiny)
    assert out.dtype == np.float32
    assert abs(float(out.data) - exact) <= bound


# What a row says, and that its rules are one thing for arrays and for Tensors


@pytest.mark.parametrize("op", P.TABLE.values(), ids=str)
def test_rules_stand_there_as_text_and_latex_one_for_each_input(op: P.Primitive) -> None:
    assert P.TABLE[op.name] is op
    assert len(op.rules) == (1 if op.pullback is not None else len(op.vjps))
    for text, latex in (op.math, *op.rules):
        assert text.strip()
        assert latex.strip()
        assert latex.count("{") == latex.count("}")
        assert "\\" not in text
    for vjp, (text, latex) in zip(op.vjps, op.rules, strict=False):
        assert (vjp is None) == (text == latex == "0")
        assert (vjp is None) != ("g" in text)


@each(WITH_RULES)
def test_rules_give_the_same_numbers_on_arrays_and_on_tensors(case: Case) -> None:
    rng = rng_of("twice", case)
    xs = case.inputs(rng)
    w = cotangent(rng, np.shape(case(*xs)))
    tensors, (upstream,) = leaves(xs), leaves([w])
    for i, x in enumerate(xs):
        recorded = case.part(i, upstream, *tensors)
        assert isinstance(recorded, tg.Tensor)
        assert recorded.requires_grad
        np.testing.assert_array_equal(fit(recorded, x).data, case.rule(i, w, *xs))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@each([case for case in WITH_RULES if "dtype" not in case.params])
def test_forward_and_rules_compute_in_the_dtype_of_their_inputs(case: Case, dtype: Any) -> None:
    """A rule that widened float32 to float64 would be slower, and would hide in the last cast."""
    rng = rng_of("dtype", case)
    xs = [x.astype(dtype) for x in case.inputs(rng)]
    out = np.asarray(case(*xs))
    w = cotangent(rng, out.shape).astype(dtype)
    parts = [np.asarray(case.part(i, w, *xs)) for i in range(len(case.shapes))]
    assert {array.dtype for array in (out, *parts)} == {np.dtype(dtype)}


@pytest.mark.parametrize("exponent", [-1, 0, 0.5, 1, 2.0, 3])
def test_power_of_a_python_number_computes_in_the_dtype_of_its_base(exponent: float) -> None:
    x = np.array([0.5, 2.0], np.float32)
    part = P.pow.vjps[0](x, x**exponent, x, exponent)
    assert part.dtype == np.float32
    np.testing.assert_allclose(part, exponent * x**exponent, rtol=1e-6)  # g x^(-1) is 1 here


@each(CASES)
def test_forward_gives_the_same_numbers_on_arrays_and_on_tensors(case: Case) -> None:
    xs = case.inputs(rng_of("forward", case))
    np.testing.assert_array_equal(case(*leaves(xs)).data, case(*xs), strict=True)


def test_jacobian_that_judges_the_rules_knows_a_derivative_when_it_sees_one() -> None:
    """The judge is judged: both of its methods, on a matrix of derivatives known by heart."""
    x = apart(rng_of("judge"), [(3,)])[0]
    for analytic in (True, False):
        jac, error = jacobian(lambda x: np.sin(x) * x[0], [x], 0, analytic=analytic)
        expected = np.diag(np.cos(x) * x[0])
        expected[:, 0] += np.sin(x)
        assert error < 1e-9
        assert_close(jac, expected, error)
        assert_close(pulled_back(jac, x), x @ expected, error * np.abs(x).sum())
