"""The NumPy functions composed of others (einsum, tile, repeat, ...): values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn.testing import gradcheck

RNG = np.random.default_rng(3)
A, B, V = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
CASES = {
    "einsum ij->j": (lambda a: np.einsum("ij->j", a), A),
    "einsum ij,ij->j": (lambda a, b: np.einsum("ij,ij->j", a, b), A, B),
    "einsum j,ij->ij": (lambda v, a: np.einsum("j,ij->ij", v, a), V, A),
    "einsum ij,kj->ki": (lambda a, b: np.einsum("ij,kj->ki", a, b), A, B),
    "einsum implicit": (lambda a, v: np.einsum("ij, j", a, v), A, V),
    "einsum of three": (lambda a, b, v: np.einsum("ij,ij,j->", a, b, v), A, B, V),
    "tile": (lambda v: np.tile(v, (3, 2)), V),
    "tile of more axes": (lambda a: np.tile(a, 2), A),
    "repeat": (lambda a: np.repeat(a, 3, axis=1), A),
    "repeat flat": (lambda a: np.repeat(a, 2), A),
    "average": (lambda a: np.average(a, axis=0), A),
    "outer": (lambda v, a: np.outer(v, a), V, A),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_values_are_numpys_and_gradients_are_right(case):
    function, *inputs = case
    traced = function(*(tg.Tensor(x, requires_grad=True) for x in inputs))
    np.testing.assert_allclose(traced.data, function(*inputs), rtol=1e-14)
    assert traced.requires_grad
    assert gradcheck(function, *inputs, order=2)


@pytest.mark.parametrize("subscripts", ["i...->i", "ij->k", "ij->ii", "i->i", "ij,j->i"])
def test_einsum_refuses_what_numpy_refuses(subscripts):
    for x in (np.ones((2, 2)), tg.Tensor(np.ones((2, 2)))):
        with pytest.raises(ValueError, match=r"einsum|einstein|output"):
            np.einsum(subscripts, x)


def test_einsum_of_the_wrong_shape_names_the_shapes():
    with pytest.raises(ValueError, match=r"einsum: 'ij->j' does not fit \[\(4,\)\]"):
        np.einsum("ij->j", tg.Tensor(V))
