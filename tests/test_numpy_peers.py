"""First and second derivatives beside two other engines, HIPS autograd and PyTorch.

They are no dependency of the tests: a peer that is not installed is reported as skipped. The truth
of the same derivatives, by numerical means, is in test_numpy_families.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from conftest import EPS, apart, cotangent, largest, rng_of

import tinygrad_bn as tg

M, V, T, S = (2, 3), (3,), (3, 2), (3, 3)
BASE = 4 * np.eye(3)
Case = tuple[str, Callable[..., Any], list[tuple[int, ...]], tuple[float, float]]

# A function of the engine's own namespace `n` and of its arrays; where only names differ, of both.
UNARY = [
    "log1p", "expm1", "log2", "log10", "exp2", "sinh", "cosh", "arctan", "arcsinh", "square",
    "reciprocal", "sqrt", "tanh",
]  # fmt: skip
CASES: list[Case] = [
    *((f, lambda n, x, f=f: getattr(n, f)(x), [M], (0.5, 2.0)) for f in UNARY),
    *((f, lambda n, x, f=f: getattr(n, f)(x), [M], (-0.9, 0.9))
      for f in ("tan", "arcsin", "arccos", "arctanh")),
    ("arccosh", lambda n, x: n.arccosh(x), [M], (1.2, 2.0)),
    *((f, lambda n, x, y, f=f: getattr(n, f)(x, y), [M, M], (0.5, 2.0))
      for f in ("arctan2", "logaddexp", "logaddexp2", "remainder")),
    ("prod", lambda n, x: n.prod(x, 1), [M], (-2.0, 2.0)),
    ("cumsum", lambda n, x: n.cumsum(x, 1), [M], (-2.0, 2.0)),
    ("norm", lambda n, x: n.linalg.norm(x), [M], (0.5, 2.0)),
    ("norm 3", lambda n, x: n.linalg.norm(x, 3, 1), [M], (0.5, 2.0)),
    ("tensordot", lambda n, x, y: n.tensordot(x, y, 1), [M, T], (0.5, 2.0)),
    ("einsum", lambda n, x, y: n.einsum("ij,kj->ik", x, y), [M, S], (0.5, 2.0)),
    ("einsum diagonal", lambda n, x, y: n.einsum("ii,ij->j", x, y), [S, S], (0.5, 2.0)),
    ("einsum dots", lambda n, x, y: n.einsum("...i,...i->...", x, y), [M, M], (0.5, 2.0)),
    ("inner", lambda n, x, y: n.inner(x, y), [M, V], (0.5, 2.0)),
    ("outer", lambda n, x, y: n.outer(x, y), [V, V], (0.5, 2.0)),
    ("kron", lambda n, x, y: n.kron(x, y), [M, T], (0.5, 2.0)),
    ("trace", lambda n, x: n.trace(x), [S], (0.5, 2.0)),
    ("diagonal", lambda n, x: n.diagonal(x, 1), [S], (0.5, 2.0)),
    ("tril", lambda n, x: n.tril(x * x), [S], (0.5, 2.0)),
    ("diff", lambda n, x: n.diff(x * x), [M], (0.5, 2.0)),
    ("roll", lambda n, x: n.roll(x * x, 1, 1), [M], (0.5, 2.0)),
    ("vstack", lambda n, x, y: n.vstack([x * x, y]), [M, V], (0.5, 2.0)),
    ("tile", lambda n, x: n.tile(x * x, (2, 1)), [M], (0.5, 2.0)),
    ("inv", lambda n, x: n.linalg.inv(x + n.asarray(BASE)), [S], (-1.0, 1.0)),
    ("solve", lambda n, x, y: n.linalg.solve(x + n.asarray(BASE), y), [S, T], (-1.0, 1.0)),
    ("det", lambda n, x: n.linalg.det(x + n.asarray(BASE)), [S], (-1.0, 1.0)),
    ("slogdet", lambda n, x: n.linalg.slogdet(x + n.asarray(BASE))[1], [S], (-1.0, 1.0)),
    ("cholesky", lambda n, x: n.linalg.cholesky(n.matmul(x, x.T) + n.asarray(BASE)), [S],
     (-1.0, 1.0)),
    ("pinv", lambda n, x: n.linalg.pinv(x), [(4, 2)], (-2.0, 2.0)),
]  # fmt: skip


def ours(f: Any, xs: Any, w: Any, vs: Any) -> Iterator[np.ndarray]:
    tensors = [tg.Tensor(x, requires_grad=True) for x in xs]
    firsts = tg.grad(f(np, *tensors), tensors, w, create_graph=True)
    yield from [g.data for g in firsts]
    along = sum(np.sum(g * v) for g, v in zip(firsts, vs, strict=True))
    yield from [g.data for g in tg.grad(along, tensors)]


def by_autograd(f: Any, xs: Any, w: Any, vs: Any) -> Iterator[np.ndarray]:
    import autograd
    import autograd.numpy as anp

    places = tuple(range(len(xs)))
    first = autograd.grad(lambda *xs: anp.sum(w * f(anp, *xs)), places)
    yield from first(*xs)
    yield from autograd.grad(
        lambda *xs: sum(anp.sum(g * v) for g, v in zip(first(*xs), vs, strict=True)), places
    )(*xs)


def by_torch(f: Any, xs: Any, w: Any, vs: Any) -> Iterator[np.ndarray]:
    import torch

    tensors = [torch.tensor(x, requires_grad=True) for x in xs]
    y = f(torch, *tensors)
    firsts = torch.autograd.grad(y, tensors, torch.from_numpy(w), create_graph=True)
    yield from [g.detach().numpy() for g in firsts]
    along = sum((g * torch.from_numpy(v)).sum() for g, v in zip(firsts, vs, strict=True))
    if not along.requires_grad:  # linear
        yield from [np.zeros_like(x) for x in xs]
        return
    seconds = torch.autograd.grad(along, tensors, allow_unused=True)
    for g, x in zip(seconds, xs, strict=True):
        yield np.zeros_like(x) if g is None else g.numpy()


PEERS = {"autograd": by_autograd, "torch": by_torch}


NOT_THERE = {("autograd", "einsum diagonal"), ("autograd", "diagonal")}  # it raises
PAIRS = [(peer, case) for peer in PEERS for case in CASES if (peer, case[0]) not in NOT_THERE]


@pytest.mark.parametrize(("peer", "case"), PAIRS, ids=[f"{peer}-{case[0]}" for peer, case in PAIRS])
@pytest.mark.filterwarnings("ignore")  # the peers' own
def test_first_and_second_derivatives_are_those_of_the_peer(peer: str, case: Case) -> None:
    if find_spec(peer) is None:
        pytest.skip(f"{peer} is not installed: pip install '.[bench]'")
    name, f, shapes, domain = case
    rng = rng_of("peers", name)
    xs = apart(rng, shapes, *domain)
    w = np.asarray(cotangent(rng, np.shape(f(np, *xs))))
    vs = [cotangent(rng, x.shape) for x in xs]
    for got, expected in zip(ours(f, xs, w, vs), PEERS[peer](f, xs, w, vs), strict=True):
        size = max(1.0, largest(expected))
        np.testing.assert_allclose(got, expected, rtol=0, atol=1024 * EPS * size)
