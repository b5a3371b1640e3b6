"""NumPy's functions at drawn shapes, axes and values: polynomials exactly, the rest by gradcheck.

A polynomial with small whole coefficients is computed without rounding at small whole numbers, and
so is its complex step f(x + ih). Its gradient must be equal to the last bit. Zeros and equal
values, where other rules divide by 0, are drawn often.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from conftest import arrays_of, leaves
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy_uses import USES, Use

import tinygrad_bn as tg
from tinygrad_bn.testing import gradcheck

WHOLE = st.integers(-2, 2).map(float)
SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


@st.composite
def matrices(draw: Any, shapes: Any = SHAPES) -> np.ndarray:
    return draw(npst.arrays(np.float64, shapes, elements=WHOLE))


def exact_gradient(f: Callable[..., Any], xs: list[np.ndarray], w: np.ndarray) -> list[np.ndarray]:
    """Differentiate sum(w * f) by the complex step; without rounding if f is a polynomial."""
    gradients = []
    for i, x in enumerate(xs):
        g = np.zeros(x.shape)
        for place in np.ndindex(x.shape):
            moved = [each.astype(complex) for each in xs]
            moved[i][place] += 1j * 2.0**-100
            g[place] = np.sum(w * np.asarray(f(*moved)).imag) * 2.0**100
        gradients.append(g)
    return gradients


class Refused:
    """What a call gives that raises."""


def outcome(f: Callable[..., Any], *xs: Any) -> Any:
    """Return what a call gives, or Refused if it raises an error of a caller's mistake."""
    try:
        return f(*xs)
    except (ValueError, IndexError, TypeError):
        return Refused


def assert_exact(f: Callable[..., Any], *xs: np.ndarray, data: Any) -> None:
    """Assert that values and gradients are NumPy's and the exact ones, or that both refuse."""
    expected, tensors = outcome(f, *xs), leaves(xs)
    y = outcome(f, *tensors)
    assert (expected is Refused) == (y is Refused)
    if expected is Refused:
        return
    np.testing.assert_array_equal(y.data, expected)
    w = np.asarray(data.draw(npst.arrays(np.float64, np.shape(expected), elements=WHOLE)))
    for g, exact in zip(
        arrays_of(tg.grad(y, tensors, w)), exact_gradient(f, list(xs), w), strict=True
    ):
        np.testing.assert_array_equal(g, exact)


AXES = st.one_of(
    st.none(), st.integers(-4, 3), st.lists(st.integers(-3, 2), max_size=3, unique=True).map(tuple)
)


@given(x=matrices(), axis=AXES, keepdims=st.booleans(), data=st.data())
def test_reductions_at_all_shapes_and_axes(x: Any, axis: Any, keepdims: bool, data: Any) -> None:
    assume(x.ndim or axis in (None, ()))  # NumPy lets a single number have an axis 0
    f = data.draw(st.sampled_from([np.prod, np.sum]))
    assert_exact(lambda x: f(x, axis=axis, keepdims=keepdims), x, data=data)


@given(x=matrices(), axis=st.one_of(st.none(), st.integers(-4, 3)), data=st.data())
def test_running_sums_and_products_at_all_shapes_and_axes(x: Any, axis: Any, data: Any) -> None:
    assume(x.ndim or axis is None)
    f = data.draw(st.sampled_from([np.cumsum, np.cumprod]))
    assert_exact(lambda x: f(x, axis=axis), x, data=data)


@given(x=matrices(), seed=st.integers(0, 2**32 - 1))
def test_second_derivatives_of_a_product_are_products_of_the_rest(x: Any, seed: int) -> None:
    """Along d: the sum over pairs i, j of d_i d_j times all other values, exactly."""
    rng = np.random.default_rng(seed)
    d = rng.integers(-2, 3, x.shape).astype(float)
    (t,) = leaves([x])
    (g,) = tg.grad(np.prod(t), t, create_graph=True)
    (h,) = tg.grad(np.sum(g * d), t)
    values, steps = x.ravel(), d.ravel()
    expected = np.zeros(x.size)
    for i in range(x.size):
        for j in set(range(x.size)) - {i}:
            expected[i] += steps[j] * np.prod(np.delete(values, [i, j]))
    np.testing.assert_array_equal(h.data.ravel(), expected)


MOVES: dict[str, tuple[Callable[..., Any], Any]] = {
    "flip": (lambda x, a: np.flip(x, a), st.integers(-3, 2)),
    "roll": (lambda x, n: np.roll(x, n, axis=0), st.integers(-4, 4)),
    "roll flat": (lambda x, n: np.roll(x, n), st.integers(-9, 9)),
    "rot90": (lambda x, k: np.rot90(x, k), st.integers(-5, 5)),
    "diagonal": (lambda x, k: np.diagonal(x, k), st.integers(-4, 4)),
    "diag": (lambda x, k: np.diag(x, k), st.integers(-4, 4)),
    "trace": (lambda x, k: np.trace(x, k), st.integers(-4, 4)),
    "tril": (lambda x, k: np.tril(x, k), st.integers(-4, 4)),
    "triu": (lambda x, k: np.triu(x, k), st.integers(-4, 4)),
    "diff": (lambda x, n: np.diff(x, n, axis=0), st.integers(0, 4)),
    "rollaxis": (lambda x, a: np.rollaxis(x, a), st.integers(-3, 3)),
    "tile": (lambda x, r: np.tile(x, r), st.lists(st.integers(0, 3), max_size=3).map(tuple)),
    "repeat": (lambda x, n: np.repeat(x, n, axis=-1), st.integers(0, 3)),
    "pad": (lambda x, n: np.pad(x, n), st.tuples(st.integers(0, 2), st.integers(0, 2))),
    "pad edge": (lambda x, n: np.pad(x, n, "edge"), st.integers(0, 2)),
    "array_split": (lambda x, n: sum(map(np.sum, np.array_split(x, n, -1))), st.integers(1, 4)),
    "reshape": (lambda x, order: np.reshape(x, (-1,), order), st.sampled_from("CF")),
    "reshape more": (lambda x, order: np.reshape(x, (*x.shape[1:], -1), order),
                     st.sampled_from("CF")),
    "atleast": (lambda x, n: (np.atleast_1d, np.atleast_2d, np.atleast_3d)[n](x),
                st.integers(0, 2)),
    "delete": (lambda x, i: np.delete(x, i, 0), st.integers(-3, 2)),
    "take": (lambda x, i: np.take(x, i, 0), st.lists(st.integers(-2, 1), min_size=1)),
    "swapaxes": (lambda x, a: np.swapaxes(x, 0, a), st.integers(-3, 2)),
    "unstack": (lambda x, a: sum(np.unstack(x, axis=a), start=0.0), st.integers(-3, 2)),
}  # fmt: skip


@given(x=matrices(), name=st.sampled_from(sorted(MOVES)), data=st.data())
def test_what_moves_numbers_at_all_shapes(x: Any, name: str, data: Any) -> None:
    f, arguments = MOVES[name]
    argument = data.draw(arguments)
    assume(not (name == "unstack" and x.ndim and 0 in x.shape))  # the sum of nothing is no array
    assume(x.ndim or name not in ("take", "repeat", "delete"))  # NumPy lets it have an axis 0
    assert_exact(lambda x: f(x, argument), x, data=data)


JOINS: dict[str, Callable[..., Any]] = {
    "vstack": lambda x, y: np.vstack([x, y]), "hstack": lambda x, y: np.hstack([x, y]),
    "dstack": lambda x, y: np.dstack([x, y]), "append": lambda x, y: np.append(x, y),
    "column_stack": lambda x, y: np.column_stack([x, y]), "kron": np.kron, "inner": np.inner,
    "outer": np.outer, "dot": np.dot, "tensordot 1": lambda x, y: np.tensordot(x, y, 1),
    "tensordot 0": lambda x, y: np.tensordot(x, y, 0),
    "concatenate": lambda x, y: np.concatenate([x, y], axis=None),
    "broadcast_arrays": lambda x, y: np.add(*np.broadcast_arrays(x, y)),
    "subtract.outer": lambda x, y: np.subtract.outer(x, y),
}  # fmt: skip


@given(data=st.data(), name=st.sampled_from(sorted(JOINS)))
def test_what_joins_or_multiplies_two_arrays_at_all_shapes(name: str, data: Any) -> None:
    x = data.draw(matrices())
    alike = st.sampled_from([x.shape, x.shape[-1:], x.shape[::-1], x.shape[:-1]])
    y = data.draw(matrices(st.one_of(alike, SHAPES)))
    assert_exact(JOINS[name], x, y, data=data)


@st.composite
def contractions(draw: Any) -> tuple[str, list[np.ndarray]]:
    """Draw subscripts and operands: indices repeated, summed, kept, broadcast, and dots."""
    lengths = {letter: draw(st.integers(0, 3)) for letter in "ijkl"}
    dots = draw(npst.array_shapes(min_dims=0, max_dims=2, max_side=2))
    terms, arrays = [], []
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.text("ijkl", max_size=3))
        shape = [lengths[letter] for letter in letters]
        if draw(st.booleans()) and len(letters) < 3:
            place = draw(st.integers(0, len(letters)))
            letters = letters[:place] + "..." + letters[place:]
            shape[place:place] = dots[draw(st.integers(0, len(dots))) :]
        terms.append(letters)
        arrays.append(draw(matrices(st.just(tuple(shape)))))
    named = sorted(set("".join(terms)) - {"."})
    after = "".join(draw(st.permutations(named))[: draw(st.integers(0, len(named)))])
    if any("." in term for term in terms):
        place = draw(st.integers(0, len(after)))
        after = after[:place] + "..." + after[place:]
    return ",".join(terms) + draw(st.sampled_from(["", f"->{after}"])), arrays


@given(case=contractions(), data=st.data())
def test_einsum_of_all_subscripts(case: tuple[str, list[np.ndarray]], data: Any) -> None:
    subscripts, arrays = case
    assert_exact(lambda *xs: np.einsum(subscripts, *xs), *arrays, data=data)


AROUND = [  # smooth on more than the domain, which gradcheck leaves
    use
    for use in USES
    if use.smooth and use.function in {
        np.log1p, np.expm1, np.exp2, np.arctan, np.arcsinh, np.prod, np.cumprod, np.nanmean,
        np.average, np.trapezoid, np.kron, np.einsum, np.linalg.inv, np.linalg.solve,
        np.linalg.slogdet, np.linalg.cholesky, np.diag, np.logaddexp, np.std,
    }
]  # fmt: skip


@settings(max_examples=settings().max_examples // 4)
@given(use=st.sampled_from(AROUND), seed=st.integers(0, 2**32 - 1))
def test_gradcheck_finds_first_and_second_derivatives_right(use: Use, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xs = [rng.uniform(1.0, 2.0, shape) for shape in use.shapes]
    report = gradcheck(use.call, *xs, order=2)
    assert report, report
