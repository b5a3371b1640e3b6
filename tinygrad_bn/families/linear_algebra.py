"""More rows of the table: inverse, linear systems, determinants, Cholesky factors.

All take stacks of matrices, as NumPy's do. Where a matrix has no inverse, or no factor, they raise
LinAlgError in a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..table import Array, Primitive, primitive
from .arguments import as_array, refuse
from .moving import tril

SINGULAR = "the matrix is singular, so it has no inverse"
NOT_POSITIVE = "the matrix is not positive definite, so it has no Cholesky factor"


def _lapack(function: Callable[..., Any], otherwise: str = "it did not converge") -> Any:
    """Wrap a function of numpy.linalg: float16 is computed in float32, errors are in words."""

    def computed(*arrays: Array) -> Array:
        half = [x.dtype == np.float16 for x in arrays]
        wide = [x.astype(np.float32) if h else x for x, h in zip(arrays, half, strict=True)]
        try:
            result = function(*wide)
        except np.linalg.LinAlgError as error:
            wrong = "singular" in str(error).lower() or "positive" in str(error).lower()
            raise np.linalg.LinAlgError(otherwise if wrong else str(error)) from None
        return result.astype(np.float16) if all(half) else result

    return computed


def _t(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _matrix(x: Array) -> Array:
    """Return numbers, one for each matrix of a stack, with two more axes."""
    return x[..., None, None]


def _cofactor(x: Array) -> Array:
    """Compute det(a) a^(-T) by singular values, of which some may be 0."""
    u, s, v = np.linalg.svd(x)
    n = s.shape[-1]
    rest = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(v)
    return np.asarray(_matrix(sign) * ((u * rest[..., None, :]) @ v)).astype(x.dtype)


def _solved_shape(a: Sequence[Any], b: Sequence[Any]) -> tuple[Any, ...]:
    return (*(a[:-2] if len(a) >= len(b) else b[:-2]), *b[-2:])


def _lower(x: Array) -> Array:
    """Add the lower triangle to what lies below the diagonal."""
    return tril(x, k=0) + tril(x, k=-1)


def _cholesky_x(g: Array, out: Array, x: Array) -> Array:
    """Differentiate with respect to the lower triangle, which is all that NumPy reads."""
    across = _t(out)
    inner = _lower(np.matmul(across, g)) / 2
    s = solve(across, _t(solve(across, _t(inner))))
    return _lower((s + _t(s)) / 2)


def _pinv_x(g: Array, out: Array, x: Array, rcond: float | None) -> Array:
    """Differentiate where the rank stays the same (Golub and Pereyra, 1973)."""
    p, pt, gt = out, _t(out), _t(g)
    left = np.matmul(gt - np.matmul(x, np.matmul(p, gt)), np.matmul(p, pt))
    right = np.matmul(np.matmul(pt, p), gt - np.matmul(np.matmul(gt, p), x))
    return left + right - np.matmul(pt, np.matmul(g, pt))


# fmt: off

inv: Primitive = primitive(
    "inv", _lapack(np.linalg.inv, SINGULAR), numpy=(np.linalg.inv,), analytic=True,
    shape=lambda x: x,
    vjps=(lambda g, out, x: -np.matmul(_t(out), np.matmul(g, _t(out))),),
    math=("a^(-1)", "a^{-1}"), rules=(("-a^(-T) g a^(-T)", r"-a^{-T}g\,a^{-T}"),),
    example=("np.linalg.inv(tg.Tensor([[2.0, 0.0], [0.0, 4.0]]))",
             "Tensor([[0.5 , 0.  ], [0.  , 0.25]])"),
)
solve: Primitive = primitive(
    "solve", _lapack(np.linalg.solve, SINGULAR), numpy=(np.linalg.solve,), analytic=True, core=2,
    shape=_solved_shape,
    vjps=(lambda g, out, a, b: -np.matmul(solve(_t(a), g), _t(out)),
          lambda g, out, a, b: solve(_t(a), g)),
    math=("a^(-1) b", "a^{-1}b"),
    rules=(("-a^(-T) g out^T", r"-a^{-T}g\,(a^{-1}b)^{T}"), ("a^(-T) g", "a^{-T}g")),
    example=("np.linalg.solve(tg.Tensor([[2.0, 0.0], [0.0, 4.0]]), [2.0, 2.0])",
             "Tensor([1. , 0.5])"),
)
cofactor: Primitive = primitive(
    "cofactor", _lapack(_cofactor), shape=lambda x: x,
    vjps=(lambda g, out, x: np.matmul(
        _t(inv(x)), _matrix(np.sum(g * out, axis=(-2, -1))) * np.eye(x.shape[-1], dtype=g.dtype)
        - np.matmul(_t(g), out)),),
    math=("det(a) a^(-T)", r"\det(a)\,a^{-T}"),
    rules=(("a^(-T) (sum(g c) - g^T c), c = det(a) a^(-T)",
            r"a^{-T}(\langle g,c\rangle-g^{T}c),\ c=\det(a)\,a^{-T}"),),
    example=("cofactor(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]))", "Tensor([[ 4., -3.], [-2.,  1.]])"),
)
det: Primitive = primitive(
    "det", _lapack(np.linalg.det), numpy=(np.linalg.det,), analytic=True,
    shape=lambda x: x[:-2],
    vjps=(lambda g, out, x: _matrix(g) * cofactor(x),),
    math=("det a", r"\det a"), rules=(("g times the cofactors", r"g\,\det(a)\,a^{-T}"),),
    example=("np.linalg.det(tg.Tensor([[2.0, 0.0], [0.0, 4.0]]))", "Tensor(8.)"),
)
logabsdet: Primitive = primitive(
    "logabsdet", _lapack(lambda x: np.linalg.slogdet(x)[1]), shape=lambda x: x[:-2],
    vjps=(lambda g, out, x: _matrix(g) * _t(inv(x)),),
    math=("log |det a|", r"\log|\det a|"), rules=(("g a^(-T)", r"g\,a^{-T}"),),
    example=("np.linalg.slogdet(tg.Tensor([[2.0, 0.0], [0.0, 4.0]]))[1]", "Tensor(2.07944154)"),
)
sign_of_det: Primitive = primitive(
    "sign_of_det", _lapack(lambda x: np.linalg.slogdet(x)[0]), shape=lambda x: x[:-2],
    vjps=(None,), math=("sign det a", r"\operatorname{sign}\det a"), rules=(("0", "0"),),
    example=("np.linalg.slogdet(tg.Tensor([[2.0, 0.0], [0.0, 4.0]]))[0]", "Tensor(1.)"),
)
cholesky: Primitive = primitive(
    "cholesky", _lapack(np.linalg.cholesky, NOT_POSITIVE), numpy=(np.linalg.cholesky,),
    shape=lambda x: x, vjps=(_cholesky_x,),
    math=("the lower c with c c^T = a", r"c\ \text{lower},\ c\,c^{T}=a"),
    rules=(("lower(c^(-T) lower(c^T g) c^(-1))",
            r"\operatorname{lower}(c^{-T}\operatorname{lower}(c^{T}g)\,c^{-1})"),),
    example=("np.linalg.cholesky(tg.Tensor([[4.0, 2.0], [2.0, 10.0]]))",
             "Tensor([[2., 0.], [1., 3.]])"),
)

pinv: Primitive = primitive(
    "pinv", lambda x, rcond: _lapack(lambda x: np.linalg.pinv(x, rcond))(x),
    numpy=(np.linalg.pinv,), shape=lambda x, rcond: (*x[:-2], x[-1], x[-2]), vjps=(_pinv_x,),
    math=("a^+", "a^{+}"),
    rules=(("(1 - a p) g^T p p^T + p^T p g^T (1 - p a) - p^T g p^T, p = a^+",
            r"(1-a p)g^{T}p p^{T}+p^{T}p g^{T}(1-p a)-p^{T}g\,p^{T},\ p=a^{+}"),),
    example=("np.linalg.pinv(tg.Tensor([[2.0], [0.0]]))", "Tensor([[0.5, 0. ]])"),
)

# fmt: on


def _square(a: Array, caller: str) -> Array:
    if np.ndim(a) < 2 or np.shape(a)[-1] != np.shape(a)[-2]:
        raise ValueError(f"{caller}: a square matrix is expected, not the shape {np.shape(a)}")
    return a


def _solve(a: Array, b: Array) -> Array:
    a, b = _square(as_array(a), "solve"), as_array(b)
    return solve(a, b[:, None])[..., 0] if b.ndim == 1 else solve(a, b)


def _slogdet(a: Array) -> Any:
    result = type(np.linalg.slogdet(np.eye(1)))
    return result(sign_of_det(_square(a, "slogdet")), logabsdet(a))


def _cholesky(a: Array, /, *, upper: bool = False) -> Array:
    """Factor (a + a^T) / 2, which is a itself if it is symmetric, as it has to be."""
    factor = cholesky((_square(a, "cholesky") + _t(a)) / 2)
    return _t(factor) if upper else factor


def _pinv(a: Array, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    if hermitian or np.ndim(rcond) or np.ndim(rtol):
        refuse("np.linalg.pinv with hermitian=True or several limits", "leave them out")
    limit = rcond if rtol is None else rtol
    if limit is None:
        limit = max(np.shape(a)[-2:]) * float(np.finfo(a.dtype).eps)
    return pinv(a, rcond=float(limit))


ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.linalg.inv: lambda a: inv(_square(a, "inv")),
    np.linalg.det: lambda a: det(_square(a, "det")),
    np.linalg.solve: _solve,
    np.linalg.slogdet: _slogdet,
    np.linalg.cholesky: _cholesky,
    np.linalg.pinv: _pinv,
}
