"""Uses of NumPy's functions, one or more for each that the families answer.

The inputs have the given shapes, and values in [0.5, 2] that lie apart from each other and from
1.25, unless another domain is given. `pins` marks the uses whose traced program holds for the
traced lengths alone (the function makes a plain number of a length).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Shape = tuple[int, ...]
M, V, T, S, CUBE = (2, 3), (3,), (3, 2), (3, 3), (2, 3, 2)
UNIT = (-0.9, 0.9)
MASK = np.array([[True, False, True], [False, True, True]])
BASE = 4 * np.eye(3) + np.arange(9).reshape(3, 3) / 9


def holed(x: Any) -> Any:
    """Put NaN where the mask is false."""
    return np.where(MASK, x, np.nan)


@dataclass(frozen=True)
class Use:
    """A call of a NumPy function, as a function of arrays."""

    function: Callable[..., Any]
    call: Callable[..., Any]
    shapes: Sequence[Shape]
    domain: tuple[float, float] = (0.5, 2.0)
    pins: bool = False
    smooth: bool = True  # whether the result depends on the inputs with a derivative

    def __str__(self) -> str:
        return f"{self.function.__name__}{list(self.shapes)}".replace(" ", "")


def unary(names: str, domain: tuple[float, float] = (0.5, 2.0), **facts: Any) -> list[Use]:
    """Use each function of one number on a matrix."""
    return [Use(getattr(np, name), getattr(np, name), [M], domain, **facts)
            for name in names.split()]  # fmt: skip


def binary(names: str, *shapes: Shape, **facts: Any) -> list[Use]:
    """Use each function of two numbers on arrays that broadcast."""
    return [Use(getattr(np, name), getattr(np, name), shapes or [M, V], **facts)
            for name in names.split()]  # fmt: skip


def joined(result: Any) -> Any:
    """Make one array of the several that a function returns."""
    return np.concatenate([np.ravel(part) for part in result])


USES: list[Use] = [
    # --- numbers
    *unary("log1p expm1 log2 log10 exp2 sinh cosh arctan arcsinh cbrt square reciprocal positive"),
    *unary("deg2rad rad2deg degrees radians conjugate real real_if_close nan_to_num"),
    *unary("tan arcsin arccos arctanh", UNIT),
    *unary("arccosh", (1.2, 2.0)),
    *unary("sinc", (-2.0, 2.0)),
    *unary("floor ceil trunc rint fix round around imag", (0.55, 1.45), smooth=False),
    Use(np.round, lambda x: np.round(x * 10, -1) * x, [M], (0.55, 1.45)),
    *binary("hypot arctan2 logaddexp logaddexp2 fmax fmin copysign float_power remainder fmod"),
    Use(np.remainder, lambda x: np.remainder(-x, 0.75), [M], (0.8, 1.4)),
    Use(np.fmod, lambda x: np.fmod(-x, 0.75), [M], (0.8, 1.4)),
    Use(np.floor_divide, lambda x, y: x * np.floor_divide(y, 0.7), [M, V]),
    Use(np.divmod, lambda x, y: sum(np.divmod(x, y)), [M, V]),
    Use(np.heaviside, lambda x: np.heaviside(x - 1.25, 0.5) * x, [M]),
    Use(np.nan_to_num, lambda x: np.nan_to_num(holed(x), nan=3.0) * x, [M]),
    # --- reductions
    Use(np.sum, lambda x: np.sum(x, axis=0, where=MASK, initial=2.0), [M]),
    Use(np.sum, lambda x: np.add.reduce(x, axis=1, where=MASK), [M]),
    Use(np.prod, lambda x: np.prod(x, axis=(0, -1), keepdims=True), [CUBE]),
    Use(np.prod, lambda x: np.prod(x), [M]),
    Use(np.prod, lambda x: np.multiply.reduce(x, axis=1, where=MASK, initial=3.0), [M]),
    Use(np.mean, lambda x: np.mean(x, axis=1, where=MASK), [M]),
    Use(np.var, lambda x: np.var(x, axis=1, where=MASK), [M]),
    Use(np.var, lambda x: np.var(x, axis=1, correction=1), [M]),
    Use(np.var, lambda x, m: np.var(x, axis=1, mean=m, keepdims=True), [M, (2, 1)]),
    Use(np.std, lambda x: np.std(x, axis=1, where=MASK), [M]),
    Use(np.max, lambda x: np.max(x, axis=1, where=MASK, initial=0.0), [M]),
    Use(np.min, lambda x: np.min(x, axis=1, initial=1.25), [M]),
    Use(np.amax, lambda x: np.amax(x, axis=0), [M]),
    Use(np.amin, lambda x: np.amin(x), [M]),
    Use(np.ptp, lambda x: np.ptp(x, axis=1), [M]),
    Use(np.nansum, lambda x: np.nansum(holed(x), axis=0), [M]),
    Use(np.nanprod, lambda x: np.nanprod(holed(x), axis=0), [M]),
    Use(np.nancumsum, lambda x: np.nancumsum(holed(x), axis=1), [M]),
    Use(np.nancumprod, lambda x: np.nancumprod(holed(x), axis=1), [M]),
    Use(np.nanmean, lambda x: np.nanmean(holed(x), axis=1, keepdims=True), [M]),
    Use(np.nanvar, lambda x: np.nanvar(holed(x), axis=1), [M]),
    Use(np.nanstd, lambda x: np.nanstd(holed(x), axis=1), [M]),
    Use(np.nanmax, lambda x: np.nanmax(holed(x), axis=1), [M]),
    Use(np.nanmin, lambda x: np.nanmin(holed(x), axis=0), [M]),
    Use(np.cumsum, lambda x: np.cumsum(x, axis=1), [CUBE]),
    Use(np.cumsum, lambda x: np.add.accumulate(x), [M]),
    Use(np.cumprod, lambda x: np.cumprod(x, axis=-1), [M]),
    Use(np.cumprod, lambda x: np.multiply.accumulate(x, axis=1), [M]),
    Use(np.cumsum, lambda x: np.cumsum(x), [M]),
    Use(np.cumulative_sum, lambda x: np.cumulative_sum(x, axis=1, include_initial=True), [M]),
    Use(np.cumulative_prod, lambda x: np.cumulative_prod(x, axis=0), [M]),
    *(
        Use(np.linalg.norm, lambda x, o=o: np.linalg.norm(x - 1.25, o, axis=1), [M])
        for o in (None, 1, 2, 3, 0.5, np.inf, -np.inf)
    ),
    *(
        Use(np.linalg.norm, lambda x, o=o: np.linalg.norm(x - 1.25, o), [M])
        for o in (None, "fro", 1, -1, np.inf, -np.inf)
    ),
    Use(np.linalg.norm, lambda x: np.linalg.norm(x, axis=(0, 2), keepdims=True), [CUBE]),
    Use(np.linalg.vector_norm, lambda x: np.linalg.vector_norm(x, axis=(0, 1), ord=3), [CUBE]),
    Use(np.linalg.matrix_norm, lambda x: np.linalg.matrix_norm(x, ord=1, keepdims=True), [CUBE]),
    # --- sorting, averages, differences
    Use(np.sort, lambda x: np.sort(x, axis=0), [M]),
    Use(np.sort, lambda x: np.sort(x, axis=None), [M]),
    Use(np.partition, lambda x: np.partition(x, 1, axis=-1), [M], pins=True),
    Use(np.median, lambda x: np.median(x, axis=1), [M]),
    Use(np.median, lambda x: np.median(x, axis=(0, 2), keepdims=True), [CUBE]),
    Use(np.quantile, lambda x: np.quantile(x, [0.1, 0.5, 0.8], axis=1), [M], pins=True),
    Use(np.percentile, lambda x: np.percentile(x, 30), [M], pins=True),
    Use(np.average, lambda x: np.average(x, axis=0), [M]),
    Use(np.average, lambda x, w: np.average(x, axis=1, weights=w), [M, V]),
    Use(np.average, lambda x, w: joined(np.average(x, 0, w, returned=True)), [M, M]),
    Use(np.diff, lambda x: np.diff(x, n=2, axis=0, prepend=0.0), [T]),
    Use(np.ediff1d, lambda x: np.ediff1d(x, to_begin=1.0, to_end=[2.0, 3.0]), [M]),
    Use(np.gradient, lambda x: np.gradient(x, 0.5, axis=1), [M]),
    Use(np.gradient, lambda x: np.stack(np.gradient(x)), [M]),
    Use(np.trapezoid, lambda y, x: np.trapezoid(y, np.cumsum(x)), [M, V]),
    Use(np.trapezoid, lambda y: np.trapezoid(y, dx=0.5, axis=0), [T]),
    # --- shapes
    Use(np.reshape, lambda x: np.reshape(x, (3, -1), order="F"), [M]),
    Use(np.ravel, lambda x: np.ravel(x, order="F"), [M]),
    Use(np.transpose, np.transpose, [CUBE]),
    Use(np.matrix_transpose, np.matrix_transpose, [CUBE]),
    Use(np.linalg.matrix_transpose, np.linalg.matrix_transpose, [CUBE]),
    Use(np.broadcast_to, lambda x: np.broadcast_to(x, (2, 2, 3)), [M]),
    Use(np.broadcast_arrays, lambda x, y: np.stack(np.broadcast_arrays(x, y)), [M, V]),
    Use(np.expand_dims, lambda x: np.expand_dims(x, (0, -1)), [M]),
    Use(np.squeeze, np.squeeze, [(1, 3, 1)]),
    Use(np.moveaxis, lambda x: np.moveaxis(x, (0, 1), (2, 0)), [CUBE]),
    Use(np.swapaxes, lambda x: np.swapaxes(x, 0, -2), [CUBE]),
    Use(np.rollaxis, lambda x: np.rollaxis(x, 2), [CUBE]),
    Use(np.rollaxis, lambda x: np.rollaxis(x, 0, 3), [CUBE]),
    *(Use(f, f, [shape]) for f in (np.atleast_1d, np.atleast_2d, np.atleast_3d)
      for shape in [(), V, M, CUBE]),
    Use(np.atleast_2d, lambda x, y: np.concatenate(np.atleast_2d(x, y), 1), [(), V]),
    Use(np.tile, lambda x: np.tile(x, (2, 1, 3)), [M]),
    Use(np.repeat, lambda x: np.repeat(x, 2, axis=1), [M]),
    Use(np.repeat, lambda x: np.repeat(x, [2, 0, 1], axis=1), [M], pins=True),
    Use(np.repeat, lambda x: np.repeat(x, 3), [()]),
    Use(np.meshgrid, lambda x, y: np.stack(np.meshgrid(x, y)), [V, (2,)]),
    Use(np.meshgrid, lambda x, y: joined(np.meshgrid(x, y, indexing="ij", sparse=True)), [V, V]),
    Use(np.linspace, lambda x, y: np.linspace(x, y, 4), [M, V]),
    Use(np.linspace, lambda x: np.linspace(x, 3.0, 4, endpoint=False, axis=-1), [V]),
    Use(np.copy, np.copy, [M]),
    Use(np.astype, lambda x: np.astype(x, np.float64) * x, [M]),
    # --- moving
    Use(np.flip, lambda x: np.flip(x, (0, -1)), [CUBE]),
    Use(np.flip, lambda x: np.flip(x), [M]),
    Use(np.fliplr, np.fliplr, [M]),
    Use(np.flipud, np.flipud, [M]),
    *(Use(np.rot90, lambda x, k=k: np.rot90(x, k, axes=(0, 2)), [CUBE]) for k in (-1, 0, 1, 2)),
    Use(np.roll, lambda x: np.roll(x, 4), [M]),
    Use(np.roll, lambda x: np.roll(x, (1, -2), axis=(0, 1)), [M]),
    Use(np.roll, lambda x: np.roll(x, (1, 1), axis=(1, 1)), [M]),
    Use(np.take, lambda x: np.take(x, [[2, 0], [2, 2]], axis=1), [M]),
    Use(np.take, lambda x: np.take(x, -1), [M]),
    Use(np.compress, lambda x: np.compress([True, False, True], x, axis=1), [M]),
    Use(np.extract, lambda x: np.extract(MASK, x), [M]),
    Use(np.delete, lambda x: np.delete(x, [0, 2], axis=1), [M], pins=True),
    Use(np.select, lambda x, y: np.select([x > 1.5, x > 1.0], [x * x, y], 3.0), [M, V]),
    *(Use(np.diagonal, lambda x, k=k: np.diagonal(x, k), [s]) for k in (-1, 0, 1, 5)
      for s in (M, T)),
    Use(np.diagonal, lambda x: np.diagonal(x, 1, 2, 0), [CUBE]),
    *(Use(np.diag, lambda x, k=k: np.diag(x, k), [s]) for k in (-1, 0, 2) for s in (V, S)),
    Use(np.diagflat, lambda x: np.diagflat(x, 1), [M]),
    Use(np.trace, lambda x: np.trace(x, 1), [M]),
    Use(np.linalg.diagonal, lambda x: np.linalg.diagonal(x, offset=-1), [CUBE]),
    Use(np.linalg.trace, np.linalg.trace, [CUBE]),
    Use(np.tril, lambda x: np.tril(x, -1), [CUBE]),
    Use(np.triu, lambda x: np.triu(x), [S]),
    Use(np.tril, lambda x: np.tril(x), [V]),
    *(Use(np.pad, lambda x, m=m: np.pad(x, ((1, 2), (0, 1)), m), [T])
      for m in ("constant", "edge", "symmetric", "wrap")),
    Use(np.pad, lambda x: np.pad(x, 1, "reflect"), [M]),
    Use(np.pad, lambda x: np.pad(x, (1, 2), constant_values=(3.0, 4.0)), [V]),
    # --- joining
    Use(np.concatenate, lambda x, y: np.concatenate([x, y], axis=None), [M, V]),
    Use(np.stack, lambda x, y: np.stack((x, y), axis=-1), [M, M]),
    Use(np.vstack, lambda x, y: np.vstack([x, y]), [M, V]),
    Use(np.hstack, lambda x, y: np.hstack((x, y)), [V, (2,)]),
    Use(np.hstack, lambda x, y: np.hstack((x, y)), [M, (2, 1)]),
    Use(np.dstack, lambda x, y: np.dstack((x, y)), [M, M]),
    Use(np.column_stack, lambda x, y: np.column_stack([x, y]), [V, T]),
    Use(np.append, lambda x, y: np.append(x, y), [M, V]),
    Use(np.append, lambda x: np.append(np.ones((1, 3)), x, axis=0), [M]),
    Use(np.split, lambda x: np.split(x, [1], axis=1)[1], [M]),
    Use(np.split, lambda x: np.stack(np.split(x, 3, 1)), [M], pins=True),
    Use(np.array_split, lambda x: joined(np.array_split(x, 2, axis=1)), [M], pins=True),
    Use(np.hsplit, lambda x: np.hsplit(x, [1])[0], [V]),
    Use(np.vsplit, lambda x: np.vsplit(x, [1])[0], [M]),
    Use(np.dsplit, lambda x: np.dsplit(x, [1])[1], [CUBE]),
    Use(np.unstack, lambda x: sum(np.unstack(x, axis=1)), [M], pins=True),
    # --- products
    Use(np.dot, lambda x, y: np.dot(x, y), [M, (2, 3, 2)]),
    Use(np.inner, np.inner, [CUBE, (4, 2)]),
    Use(np.inner, np.inner, [(), M]),
    Use(np.vdot, np.vdot, [M, T]),
    Use(np.outer, np.outer, [M, V]),
    Use(np.linalg.outer, np.linalg.outer, [V, (2,)]),
    Use(np.tensordot, lambda x, y: np.tensordot(x, y, ((1, 0), (0, 2))), [CUBE, (3, 2, 2)]),
    Use(np.tensordot, lambda x, y: np.tensordot(x, y, 1), [M, T]),
    Use(np.tensordot, lambda x, y: np.tensordot(x, y, 0), [V, (2,)]),
    Use(np.linalg.tensordot, lambda x, y: np.linalg.tensordot(x, y, axes=1), [M, T]),
    Use(np.linalg.matmul, np.linalg.matmul, [M, T]),
    Use(np.vecdot, np.vecdot, [M, V]),
    Use(np.linalg.vecdot, lambda x, y: np.linalg.vecdot(x, y, axis=0), [T, T]),
    Use(np.kron, np.kron, [M, (2,)]),
    Use(np.kron, np.kron, [(2, 2), CUBE]),
    Use(np.cross, np.cross, [M, V]),
    Use(np.cross, lambda x, y: np.cross(x, y, axisa=0, axisc=0), [T, V]),
    Use(np.linalg.cross, lambda x, y: np.linalg.cross(x, y, axis=0), [T, T]),
    Use(np.linalg.multi_dot, lambda x, y, z: np.linalg.multi_dot([x, y, z]), [V, T, (2,)]),
    *(Use(np.linalg.matrix_power, lambda x, n=n: np.linalg.matrix_power(BASE + x, n) / 500, [S])
      for n in (-2, 1, 3)),
    *(Use(np.einsum, lambda *xs, s=s: np.einsum(s, *xs), shapes) for s, shapes in [
        ("ij,jk->ik", [M, T]), ("ij,kj", [M, S]), ("bij,bjk->bik", [CUBE, (2, 2, 3)]),
        ("ii", [S]), ("ii->i", [S]), ("iji->j", [(2, 3, 2)]), ("ij,jk,k->i", [M, T, (2,)]),
        ("...ij,...jk->...ik", [CUBE, (2, 2)]), ("i...->...i", [CUBE]), ("...,...", [M, V]),
        ("ij,ij->", [M, M]), ("i,j->ji", [V, (2,)]), ("i,i->i", [V, V]), ("ij,kl->il", [M, T]),
        ("ij,jk->ik", [(2, 1), T]), ("a...b->b...", [CUBE]), (" ij , j -> i ", [M, V]),
    ]),
    Use(np.einsum, lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), [M, T]),
    Use(np.einsum, lambda x: np.einsum(x, [..., 0]), [M]),
    # --- linear algebra
    Use(np.linalg.inv, lambda x: np.linalg.inv(BASE + x), [(2, 3, 3)]),
    Use(np.linalg.solve, lambda a, b: np.linalg.solve(BASE + a, b), [S, V]),
    Use(np.linalg.solve, lambda a, b: np.linalg.solve(BASE + a, b), [(2, 3, 3), T]),
    Use(np.linalg.det, lambda x: np.linalg.det(x), [(2, 3, 3)]),
    Use(np.linalg.slogdet, lambda x: joined(np.linalg.slogdet(BASE + x)), [(2, 3, 3)]),
    Use(np.linalg.cholesky, lambda x: np.linalg.cholesky(BASE + BASE.T + x + x.T), [S]),
    Use(np.linalg.cholesky,
        lambda x: np.linalg.cholesky(BASE + BASE.T + x + x.T, upper=True), [S]),
    Use(np.linalg.pinv, np.linalg.pinv, [(2, 3, 2)]),
    # --- methods of ufuncs
    Use(np.subtract, lambda x, y: np.subtract.outer(x, y), [M, V]),
]  # fmt: skip
if hasattr(np, "matvec"):  # since NumPy 2.2
    USES += [Use(np.pad, lambda x: np.pad(x, {-1: (1, 2)}), [M])]
    USES += [Use(np.matvec, np.matvec, [CUBE, (2,)]), Use(np.vecmat, np.vecmat, [V, T])]
