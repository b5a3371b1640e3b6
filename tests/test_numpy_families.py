"""NumPy's functions by family: values, first and second derivatives, traces, dtypes, edge cases."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from conftest import (
    EPS,
    apart,
    arrays_of,
    assert_close,
    assert_gradients,
    cotangent,
    largest,
    leaves,
    rng_of,
    slope,
)
from numpy_uses import USES, Use

import tinygrad_bn as tg
from tinygrad_bn.families import refused
from tinygrad_bn.numpy_functions import FUNCTIONS, PLAIN
from tinygrad_bn.numpy_table import COMPOSED, PLAINLY, REFUSED, SUPPORTED, numpy_table
from tinygrad_bn.primitives import TABLE

SMOOTH = [use for use in USES if use.smooth]


def each(uses: list[Use]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("use", uses, ids=str)


def inputs_of(use: Use) -> Any:
    return apart(rng_of("uses", str(use)), use.shapes, *use.domain)


@each(USES)
def test_values_are_numpys_and_gradients_are_right(use: Use) -> None:
    xs = inputs_of(use)
    expected = np.asarray(use.call(*xs))
    tensors = leaves(xs)
    y = use.call(*tensors)
    # Where NumPy computes in one go what is composed here, a few roundings differ.
    values = y.data if isinstance(y, tg.Tensor) else y
    assert_close(values, expected, 64 * EPS * max(1.0, largest(expected)))
    assert (isinstance(y, tg.Tensor) and y.requires_grad) == use.smooth
    if use.smooth:
        w = cotangent(rng_of(expected.shape), expected.shape)
        gradients = arrays_of(tg.grad(y, tensors, w))
        assert_gradients(use.call, xs, gradients, w, analytic=False)


@each(SMOOTH)
def test_second_derivative_is_the_derivative_of_the_first(use: Use) -> None:
    xs = inputs_of(use)
    rng = rng_of("second", str(use))
    vs, ds = ([cotangent(rng, x.shape) for x in xs] for _ in range(2))
    w = cotangent(rng, np.shape(use.call(*xs)))

    def first(*arrays: Any, tensors: Any = None) -> Any:
        tensors = leaves(arrays) if tensors is None else tensors
        gradients = tg.grad(use.call(*tensors), tensors, w, create_graph=True)
        return sum(np.sum(g * v) for g, v in zip(gradients, vs, strict=True))

    tensors = leaves(xs)
    seconds = tg.grad(first(tensors=tensors), tensors)
    expected, error = slope(lambda *arrays: first(*arrays).data, xs, ds, analytic=False)
    found = sum(np.sum(g.data * d) for g, d in zip(seconds, ds, strict=True))
    size = sum(np.sum(np.abs(g.data * d)) for g, d in zip(seconds, ds, strict=True))
    assert_close(found, expected, error + 64 * EPS * float(size))


@each(SMOOTH)
def test_a_traced_program_and_its_gradient_give_the_same_numbers(use: Use) -> None:
    xs = inputs_of(use)
    tensors = leaves(xs)
    y = use.call(*tensors)
    w = cotangent(rng_of("trace", y.shape), y.shape)
    gradients = tg.grad(y, tensors, w)
    if use.function is np.partition:
        with pytest.raises(TypeError, match=r"use np\.sort"):
            tg.trace(use.call, *xs)
        return
    program = tg.trace(use.call, *xs)
    close = 64 * EPS * max(1.0, largest(y.data))
    assert_close(program(*xs), y.data, close)
    found = program.gradient()(*xs, w)
    for g, expected in zip(found if len(xs) > 1 else [found], gradients, strict=True):
        assert_close(g, expected.data, 64 * EPS * max(1.0, largest(expected.data)))


def longer(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0] + 2, *shape[1:])


def program_holds(program: Any, xs: Any, w: Any) -> bool:
    """Return whether a program takes these arrays; if not, it must say so."""
    try:
        program(*xs, w)
    except ValueError as error:
        said = str(error)
    else:
        return True
    assert re.search("this program holds for|broadcast", said)
    return False


BY_ROWS = [  # functions that look at no row but their own, for batches of any length
    use
    for use in SMOOTH
    if not use.pins and all(len(shape) == 2 and shape[0] == 2 for shape in use.shapes)
]


@each(BY_ROWS)
def test_a_program_holds_for_more_rows_or_says_that_it_does_not(use: Use) -> None:
    xs = inputs_of(use)
    program = tg.trace(use.call, *xs).gradient()
    more = apart(rng_of("more"), [longer(x.shape) for x in xs], *use.domain)
    tensors = leaves(more)
    try:
        y = use.call(*tensors)
    except ValueError:
        return  # a constant of the example's length is in the function
    w = cotangent(rng_of("longer", y.shape), y.shape)
    if not program_holds(program, more, w):
        return
    found = program(*more, w)
    for g, expected in zip(found if len(xs) > 1 else [found], tg.grad(y, tensors, w), strict=True):
        assert_close(g, expected.data, 64 * EPS * max(1.0, largest(expected.data)))


WITH_WIDE_CONSTANTS = {np.astype, np.float_power}


@each([use for use in USES if use.function not in WITH_WIDE_CONSTANTS])
def test_results_have_numpys_dtype_and_gradients_that_of_the_inputs(use: Use) -> None:
    xs = [x.astype(np.float32) for x in inputs_of(use)]
    expected = np.asarray(use.call(*xs))
    tensors = leaves(xs)
    y = use.call(*tensors)
    assert y.dtype == expected.dtype
    values = y.data if isinstance(y, tg.Tensor) else y
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    if use.smooth:
        assert all(g.dtype == np.float32 for g in tg.grad(y, tensors, np.ones_like(expected)))


# The rows


@pytest.mark.parametrize("row", TABLE.values(), ids=str)
def test_the_example_of_a_row_shows_what_it_says(row: Any) -> None:
    call, shown = row.example
    names = {name: r for name, r in TABLE.items() if not hasattr(np, name) or name == "round"}
    names |= {name: TABLE[name] for name in ("add_along_axis",)}
    got = repr(eval(call, {**names, "np": np, "tg": tg}))
    assert re.sub(r"\s", "", got) == re.sub(r"\s", "", shown)


def exact_slope(name: str, x: Decimal) -> Decimal:
    one = Decimal(1)
    return {
        "arcsin": lambda: one / (one - x * x).sqrt(),
        "arccos": lambda: -one / (one - x * x).sqrt(),
        "arctanh": lambda: one / (one - x * x),
        "arccosh": lambda: one / (x * x - one).sqrt(),
        "arcsinh": lambda: one / (x * x + one).sqrt(),
        "arctan": lambda: one / (x * x + one),
        "expm1": lambda: x.exp(),
        "log1p": lambda: one / (one + x),
    }[name]()


def exact_bend(name: str, x: Decimal) -> Decimal:
    one = Decimal(1)
    return {
        "arcsin": lambda: x / (one - x * x) ** Decimal("1.5"),
        "arccos": lambda: -x / (one - x * x) ** Decimal("1.5"),
        "arctanh": lambda: 2 * x / (one - x * x) ** 2,
        "arccosh": lambda: -x / (x * x - one) ** Decimal("1.5"),
        "arcsinh": lambda: -x / (x * x + one) ** Decimal("1.5"),
        "arctan": lambda: -2 * x / (x * x + one) ** 2,
        "expm1": lambda: x.exp(),
        "log1p": lambda: -one / (one + x) ** 2,
    }[name]()


HARD = {
    "arcsin": [1e-12, 0.5, 1 - 1e-10, 1 - 2**-53], "arccos": [-1 + 1e-13, 1e-9, 1 - 2**-50],
    "arctanh": [1e-15, 1 - 1e-12, -1 + 2**-52], "arccosh": [1 + 2**-52, 1 + 1e-9, 1e100],
    "arcsinh": [1e-10, 3.0, 1e60, -1e100], "arctan": [1e-12, -1.0, 1e50],
    "expm1": [-700.0, -40.0, 1e-18], "log1p": [-1 + 2**-52, 1e-18, 1e300],
}  # fmt: skip


@pytest.mark.parametrize(("name", "x"), [(name, x) for name, xs in HARD.items() for x in xs])
def test_nothing_cancels_in_the_first_and_second_derivative(name: str, x: float) -> None:
    t = tg.Tensor(x, requires_grad=True)
    (first,) = tg.grad(getattr(np, name)(t), t, create_graph=True)
    (second,) = tg.grad(first, t)
    with localcontext() as context:
        context.prec = 700  # 1e300 squared, and a unit in its last place
        slope_, bend = exact_slope(name, Decimal(x)), exact_bend(name, Decimal(x))
    # A handful of roundings, none of them magnified.
    assert first.item() == pytest.approx(float(slope_), rel=16 * EPS, abs=0)
    assert second.item() == pytest.approx(float(bend), rel=32 * EPS, abs=1e-300)


def gradient(f: Any, x: Any, w: Any = None) -> Any:
    t = tg.Tensor(x, requires_grad=True)
    y = f(t)
    return tg.grad(y, t, np.ones(y.shape) if w is None else w)[0].data.tolist()


@pytest.mark.parametrize(("x", "expected"), [
    ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]), ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0]),
    ([0.0, 0.0, 4.0], [0.0, 0.0, 0.0]), ([0.0], [1.0]), ([], []),
])  # fmt: skip
def test_product_with_zeros_has_the_product_of_the_others_as_gradient(x, expected) -> None:
    assert gradient(np.prod, x) == expected


def test_product_of_two_zeros_has_a_second_derivative() -> None:
    x = tg.Tensor([0.0, 0.0, 5.0], requires_grad=True)
    (first,) = tg.grad(np.prod(x), x, create_graph=True)
    rows = [tg.grad(first[i], x)[0].data.tolist() for i in range(3)]
    assert rows == [[0.0, 5.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_norms_and_hypot_have_gradient_0_where_they_are_0() -> None:
    assert gradient(np.linalg.norm, [0.0, 0.0]) == [0.0, 0.0]
    assert gradient(lambda x: np.linalg.norm(x, 3), [0.0, 0.0]) == [0.0, 0.0]
    assert gradient(lambda x: np.hypot(x, 0.0), [0.0]) == [0.0]


def test_nan_functions_hand_no_gradient_to_nan() -> None:
    x = [[1.0, np.nan], [3.0, 4.0]]
    assert gradient(np.nansum, x) == [[1.0, 0.0], [1.0, 1.0]]
    assert gradient(lambda t: np.nanmean(t, axis=1), x) == [[1.0, 0.0], [0.5, 0.5]]
    assert gradient(np.nanmax, x) == [[0.0, 0.0], [0.0, 1.0]]
    assert gradient(lambda t: np.fmax(t, 2.0), x) == [[0.0, 0.0], [1.0, 1.0]]
    assert np.isnan(np.nanmax(tg.Tensor([np.nan, np.nan])).item())
    assert np.isnan(np.median(tg.Tensor([1.0, np.nan, 2.0])).item())


def test_logaddexp_of_the_same_infinity_shares_the_gradient() -> None:
    x, y = (tg.Tensor([-np.inf, -np.inf, 3.0], requires_grad=True) for _ in range(2))
    gradients = tg.grad(np.logaddexp(x, y), [x, y], [1.0, 4.0, 8.0])
    assert [g.data.tolist() for g in gradients] == [[0.5, 2.0, 4.0]] * 2


def test_sorted_ties_hand_each_cotangent_to_one_value() -> None:
    assert gradient(np.sort, [2.0, 1.0, 2.0], [3.0, 5.0, 7.0]) == [5.0, 3.0, 7.0]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (1, 1), ()])
@pytest.mark.parametrize("f", [
    np.cumsum, np.cumprod, np.prod, np.nansum, np.linalg.norm, np.flip, np.sort, np.ravel,
    np.log1p, lambda x: np.roll(x, 1), lambda x: np.atleast_2d(x), lambda x: np.append(x, x),
    lambda x: np.pad(x, 1), lambda x: np.tile(x, 2), lambda x: np.kron(x, x),
    lambda x: np.einsum("...,...->...", x, x), lambda x: np.outer(x, x),
])  # fmt: skip
def test_empty_arrays_and_single_numbers_are_as_numpy_has_them(f: Any, shape: Any) -> None:
    x = rng_of("edge", shape).uniform(0.5, 2, shape)
    try:
        expected = np.asarray(f(x))
    except (ValueError, np.exceptions.AxisError):
        with pytest.raises(ValueError):  # noqa: PT011 (in words of one of the two)
            f(tg.Tensor(x))
        return
    (t,) = leaves([x])
    y = f(t)
    assert_close(y.data, expected, 4 * EPS * largest(expected))
    w = cotangent(rng_of(expected.shape), expected.shape)
    assert_gradients(f, [x], [tg.grad(y, t, w)[0].data], w, analytic=False)


# Linear algebra


@pytest.mark.parametrize(("f", "words"), [
    (np.linalg.inv, r"inv of \(2, 2\): the matrix is singular"),
    (lambda x: np.linalg.solve(x, [1.0, 2.0]), r"solve of .*: the matrix is singular"),
    (lambda x: np.linalg.cholesky(-x), r"cholesky of \(2, 2\): .* not positive definite"),
    (lambda x: np.linalg.matrix_power(x, -1), "the matrix is singular"),
])  # fmt: skip
def test_a_singular_matrix_is_an_error_in_a_sentence(f: Any, words: str) -> None:
    with pytest.raises(np.linalg.LinAlgError, match=words):
        f(tg.Tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True))


def test_gradient_of_the_logarithm_of_a_determinant_of_0_is_an_error() -> None:
    x = tg.Tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    with np.errstate(divide="ignore"):
        y = np.linalg.slogdet(x).logabsdet
    assert y.item() < -30
    x = tg.Tensor([[1.0, 1.0], [1.0, 1.0]], requires_grad=True)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        tg.grad(np.linalg.slogdet(x).logabsdet, x)


@pytest.mark.parametrize("x", [[[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 3.0]], [[0.0]]])
def test_determinant_of_a_singular_matrix_has_its_cofactors_as_gradient(x: Any) -> None:
    n = len(x)
    minors = [
        [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(x, i, 0), j, 1)) for j in range(n)]
        for i in range(n)
    ]
    assert_close(gradient(np.linalg.det, x), minors, 8 * EPS * 4)


@pytest.mark.parametrize("f", [np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.cholesky])
def test_a_matrix_that_is_not_square_is_refused_with_its_shape(f: Any) -> None:
    with pytest.raises(ValueError, match=r"a square matrix is expected, not the shape \(2, 3\)"):
        f(tg.Tensor(np.ones((2, 3))))


def test_gradient_through_a_cholesky_factor_is_symmetric() -> None:
    x = tg.Tensor([[4.0, 1.0], [1.0, 3.0]], requires_grad=True)
    (g,) = tg.grad(np.linalg.cholesky(x), x, [[1.0, 0.0], [2.0, 3.0]])
    assert g.data[0, 1] == g.data[1, 0]


# What is refused


def test_every_reason_is_given_for_a_function_that_is_there() -> None:
    assert len(refused.reasons()) > 60
    x = tg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(TypeError, match=r"np\.fft\.fft is not recorded for a Tensor: .*complex"):
        np.fft.fft(x)
    with pytest.raises(TypeError, match=r"np\.unique is not recorded .*integers"):
        np.unique(x)
    with pytest.raises(TypeError, match=r"np\.put is not recorded .*writes into an array"):
        np.put(np.zeros(4), [0], x)


def test_an_array_of_tensors_is_refused_and_stack_is_named() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    for make in (
        lambda: np.array([x, x]), lambda: np.array([[x[0], 1.0], [2.0, x[1]]]),
        lambda: np.asarray([x, np.ones(2)]), lambda: np.array([x, x], dtype=object),
        lambda: np.array((x[0], 3.0)),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=r"tg\.stack"):
            make()


# The table in the reference


def test_every_function_of_numpy_is_in_one_group_of_the_table() -> None:
    table = numpy_table()
    assert list(table) == [SUPPORTED, COMPOSED, PLAINLY, REFUSED]
    names = [name for parts in table.values() for part in parts.values() for name in part]
    assert len(names) == len(set(names)) > 300
    for name in names:
        function: Any = np
        for part in name.split(".")[1:]:
            function = getattr(function, part)
        assert (function in FUNCTIONS or function in PLAIN) == (name not in refused_of(table))
    for name in refused_of(table):
        assert name not in {"np.log1p", "np.prod", "np.vstack"}


def refused_of(table: dict[str, dict[str, list[str]]]) -> set[str]:
    return {name for names in table[REFUSED].values() for name in names}


def test_supported_functions_record_one_row_and_composed_ones_several_or_another() -> None:
    table = numpy_table()
    supported = {name for names in table[SUPPORTED].values() for name in names}
    for name in ("np.log1p", "np.cumsum", "np.linalg.det", "np.tril", "np.fmax"):
        assert name in supported
    composed = {name for names in table[COMPOSED].values() for name in names}
    for name in ("np.vstack", "np.median", "np.einsum", "np.degrees", "np.linalg.multi_dot"):
        assert name in composed
