"""gradcheck: compare a gradient with a numerical derivative, within estimated errors.

If every recorded operation of a function is analytic, the recorded program is evaluated on complex
numbers: f(x + ih) = f(x) + ih f'(x) + O(h^2). With h = 1e-30 the imaginary part divided by h is the
derivative, exact to rounding. Otherwise the derivative is computed by finite differences
(numerical.py). The tolerance is the sum of the error estimates of both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..autodiff import grad
from ..program import Equation, Program
from ..program.data import computed
from ..program.program import recorded
from ..tensor import Tensor, as_tensor
from .numerical import Array, Estimate, slope, vjp

STEP = 1e-30
LEVELS = 18  # of differences: the last step is 4^-18 of the first, where rounding drowns all
Function: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class GradientReport:
    """The result of ``gradcheck``. It is false only if the gradient is wrong; print it for details.

    `verdict` is "right", "wrong" or "cannot tell". It is "wrong" only where the gradient lies
    outside of the error of the numerical derivative, and "right" only where all elements agree to
    a hundredth of the terms that they are sums of. `reason` names what is in the way of either.

    `worst_input` and `worst_element` are the place where the difference is largest in proportion to
    the `tolerance` there. `expected` is the numerical derivative there, and `got` the gradient that
    is checked.
    """

    verdict: str
    method: str
    order: int
    checked: int
    worst_input: int
    worst_element: tuple[int, ...]
    expected: float
    got: float
    tolerance: float
    problem: str = ""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is not wrong."""
        return self.verdict != "wrong"

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        what = "gradient" if self.order == 1 else f"gradient of order {self.order}"
        if self.problem:
            return f"the {what} is wrong: {self.problem}"
        where = f"input {self.worst_input}"
        if self.worst_element:
            where += f", element [{', '.join(map(str, self.worst_element))}]"
        if self.verdict == "cannot tell":
            return f"whether the {what} is right cannot be told ({self.method})\n  {self.reason}"
        if self.ok:
            head = f"the {what} agrees in all {self.checked} elements ({self.method})"
        else:
            head = f"the {what} is wrong ({self.method})"
        return (
            f"{head}\n  {'nearest to failing' if self.ok else 'worst'} at {where}: expected "
            f"{self.expected:.10g}, got {self.got:.10g}, sure to within {self.tolerance:.2g}"
        )


def gradcheck(
    fn: Function,
    *inputs: npt.ArrayLike | Tensor,
    order: int = 1,
    vjp: Function | None = None,
    seed: int = 0,
) -> GradientReport:
    """Check the gradient of `fn` at `inputs` against a numerical derivative.

    For a random cotangent w, the gradient J^T w of every input is compared, element by element,
    with the numerical derivative of ``sum(w * fn(x))``.

    Parameters
    ----------
    fn : function of Tensors, or of arrays
        It has one argument for each input, and returns one Tensor or array. A plain NumPy function
        is run on Tensors and differentiated by the engine, unless `vjp` is given.
    inputs : arrays or Tensors of real numbers
    order : int
        With 1, the gradient is checked; with 2, also the gradient of the gradient, and so on.
    vjp : function, optional
        A backward written by hand, which is checked instead of that of the engine:
        ``vjp(w, *inputs)`` returns one gradient for each input. `fn` is then called with arrays.
        Only for order 1.
    seed : int
        The seed of the random cotangent, which has no value near 0 and no two equal values.

    Returns
    -------
    GradientReport, false if an element is wrong: further off than the error of the numerical
    derivative and the rounding of the gradient itself can explain. At a kink, and where rounding
    leaves less than two digits, its verdict is "cannot tell".

    Raises
    ------
    ValueError
        If there is no input, if `order` is less than 1 (or not 1 with `vjp`), or if no derivative
        can be computed, as at a point outside of the domain.

    Examples
    --------
    >>> import numpy as np, tinygrad_bn as tg
    >>> gradcheck(lambda x: np.tanh(x) ** 2, [0.5, -1.0], order=2)  # doctest: +ELLIPSIS
    the gradient of order 2 agrees in all 2 elements (complex step) ...
    >>> gradcheck(lambda x: x**3, [1.0, 2.0], vjp=lambda w, x: w * x**2)  # doctest: +ELLIPSIS
    the gradient is wrong (complex step)
      worst at input 0, element [1]: expected ..., got ..., sure to within ...
    """
    if not inputs:
        raise ValueError("gradcheck: give at least one input after the function")
    if order < 1 or (vjp is not None and order != 1):
        raise ValueError(f"gradcheck: order is {order}; it is at least 1, and 1 with vjp=")
    xs = [as_tensor(x).numpy() for x in inputs]
    rng = np.random.default_rng(seed)
    for done in range(1, order):
        report = _check(fn, xs, None, done, rng)
        if not report:
            return report
        fn = _gradient_of(fn, len(xs), rng)
    return _check(fn, xs, vjp, order, rng)


def cotangent(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw a random cotangent: values of both signs, none near zero and no two equal."""
    return np.asarray(rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape))


def _check(
    fn: Function, xs: Sequence[Array], by_hand: Function | None, order: int, rng: Any
) -> GradientReport:
    evaluate = _through_tensors(fn) if by_hand is None else _on_copies(fn)
    w = cotangent(evaluate(*xs).shape, rng)

    def gradients(*arrays: Array) -> list[Array]:
        if by_hand is None:
            return _by_engine(fn, arrays, w)
        given = by_hand(w.copy(), *(a.copy() for a in arrays))
        return [np.asarray(g) for g in (given if isinstance(given, tuple | list) else [given])]

    got = gradients(*xs)
    shapes = [g.shape for g in got]
    if shapes != [x.shape for x in xs]:
        problem = f"gradients of the shapes {shapes} for inputs of {[x.shape for x in xs]}"
        return GradientReport("wrong", "shapes", order, 0, 0, (), np.nan, np.nan, np.nan, problem)
    wide = [x.astype(np.float64) for x in xs]
    estimates = _complex_step(fn, wide, w, rng)
    method = "complex step"
    if estimates is None:
        method = "central differences"
        steps = [np.maximum(np.abs(x), 1.0) / 8 for x in wide]
        estimates = vjp(evaluate, wide, w, steps, ratio=4.0, levels=LEVELS)
    # An error that changes y by less than its rounding, over a step as long as x, is none.
    y = evaluate(*xs)
    seen = float(np.finfo(y.dtype if y.dtype.kind == "f" else np.float64).eps) * float(
        np.sum(np.abs(w * y))
    )
    floors = [seen / (float(np.max(np.abs(x), initial=0.0)) or 1.0) for x in wide]
    rounding = _rounding(gradients, xs, got, rng, _gradient_program(fn, xs, w, by_hand))
    uncertain = [noise + floor for noise, floor in zip(rounding, floors, strict=True)]
    return _judged(xs, got, estimates, uncertain, method, order)


def _judged(
    xs: Sequence[Array],
    got: Sequence[Array],
    estimates: Sequence[Estimate],
    rounding: Sequence[Array],
    method: str,
    order: int,
) -> GradientReport:
    worst: tuple[float, Any] = (-1.0, None)
    reason = ""
    for i, (g, estimate, noise) in enumerate(zip(got, estimates, rounding, strict=True)):
        scale = max([np.max(np.abs(a), initial=0.0) for a in (estimate.value, estimate.scale)])
        for place in np.ndindex(g.shape):
            expected, tolerance = estimate.value[place], estimate.error[place] + noise[place]
            where = f"input {i}, element {list(place)}"
            if estimate.kinks[place]:
                reason = f"the function has a kink at {where}"
                continue
            if not np.isfinite(tolerance):
                raise ValueError(
                    f"gradcheck: no derivative can be taken at {where}: "
                    "is the function finite around there?"
                )
            difference = abs(g[place] - expected)
            if tolerance >= difference > scale / 100:
                reason = (
                    f"at {where} rounding leaves the derivative uncertain by {tolerance:.2g}: "
                    f"expected {expected:.10g}, got {g[place]:.10g}"
                )
            off = difference / max(tolerance, np.finfo(np.float64).tiny)
            ratio = float(off) if np.isfinite(off) else np.inf
            if ratio > worst[0]:
                worst = (ratio, (i, place, float(expected), float(g[place]), float(tolerance)))
    checked = sum(x.size for x in xs)
    verdict = "wrong" if worst[0] > 1 else "cannot tell" if reason else "right"
    i, place, expected, found, tolerance = worst[1] or (0, (), np.nan, np.nan, np.nan)
    return GradientReport(
        verdict, method, order, checked, i, place, expected, found, tolerance, reason=reason
    )


def _by_engine(fn: Function, xs: Sequence[Array], w: Array) -> list[Array]:
    leaves, y = _record(fn, xs)
    if not y.requires_grad:
        return [np.zeros_like(x) for x in xs]
    return [g.data for g in grad(y, leaves, w)]


def _record(fn: Function, xs: Sequence[Array]) -> tuple[list[Tensor], Tensor]:
    leaves = [Tensor(x, requires_grad=True) for x in xs]
    y = fn(*leaves)
    return leaves, y if isinstance(y, Tensor) else Tensor(y)


def _through_tensors(fn: Function) -> Callable[..., Array]:
    def evaluate(*xs: Array) -> Array:
        return _record(fn, xs)[1].data

    return evaluate


def _on_copies(fn: Function) -> Callable[..., Array]:
    def evaluate(*xs: Array) -> Array:
        return np.asarray(fn(*(x.copy() for x in xs)))

    return evaluate


def _gradient_of(fn: Function, count: int, rng: Any) -> Function:
    """Make a function of Tensors: a random linear combination of all entries of the gradient."""
    seed = int(rng.integers(2**32))

    def mixture(*xs: Tensor) -> Any:
        draw = np.random.default_rng(seed)
        y = fn(*xs)
        w = cotangent(y.shape, draw)
        gradients = grad(y, xs[:count], w, create_graph=True)
        return sum((g * cotangent(g.shape, draw)).sum() for g in gradients)

    return mixture


def _rounding(
    gradients: Callable[..., list[Array]],
    xs: Sequence[Array],
    got: Sequence[Array],
    rng: Any,
    program: Program | None,
) -> list[Array]:
    """Estimate the rounding error of each gradient.

    The estimate is the largest of three changes of the gradient: its change when every input
    changes by one rounding, which measures the condition of the whole computation; its change when
    every intermediate result does, which measures what is lost where terms cancel (if the gradient
    could be recorded as a program); and the difference between float32 and float64 on the same
    inputs, scaled to the precision of the inputs. The largest change in any element is used for
    all, since an element may be small only because its terms cancel. The factor 16 is a margin for
    the small number of samples.
    """
    unit = max(float(np.finfo(x.dtype).eps) for x in xs)
    moved = [float(unit * np.max(np.abs(g), initial=0.0)) for g in got]

    def note(some: Sequence[Array], others: Sequence[Array], scale: float) -> None:
        for i, (a, b) in enumerate(zip(some, others, strict=True)):
            off = float(np.max(np.abs(a.astype(np.float64) - b), initial=0.0))
            moved[i] = max(moved[i], scale * off if np.isfinite(off) else 0.0)

    for _ in range(4):
        nudged = [x * (1 + np.finfo(x.dtype).eps * rng.choice([-1.0, 1.0], x.shape)) for x in xs]
        again = gradients(*(n.astype(x.dtype) for n, x in zip(nudged, xs, strict=True)))
        note(again, got, 1.0)
        if program is not None:
            note(_shaken(program, xs, rng), got, 1.0)
    with np.errstate(all="ignore"):
        rough = [x.astype(np.float32) for x in xs]
        fine = [x.astype(np.float64) for x in rough]
        note(gradients(*rough), gradients(*fine), unit / float(np.finfo(np.float32).eps))
    return [np.full(g.shape, 16 * size) for g, size in zip(got, moved, strict=True)]


def _gradient_program(
    fn: Function, xs: Sequence[Array], w: Array, by_hand: Function | None
) -> Program | None:
    """Record the gradient that is checked as a program; None if it does not run on Tensors."""
    try:
        if by_hand is None:
            leaves, y = _record(fn, xs)
            gradients: Any = grad(y, leaves, w, create_graph=True)
        else:
            leaves = [Tensor(x, requires_grad=True) for x in xs]
            gradients = by_hand(w.copy(), *leaves)
        several = gradients if isinstance(gradients, tuple | list) else [gradients]
        return recorded([as_tensor(g) for g in several], leaves)
    except Exception:
        return None


def _shaken(program: Program, arrays: Sequence[Array], rng: Any) -> list[Array]:
    """Evaluate a program with every result off by one rounding, up or down at random."""

    def compute(equation: Equation, operands: list[Any], params: Any) -> Any:
        value = computed(equation, operands, params)
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            return value
        signs = rng.choice([-1.0, 1.0], value.shape)
        return np.asarray(value * (1 + np.finfo(value.dtype).eps * signs)).astype(value.dtype)

    values = dict(zip(program.inputs, arrays, strict=True))
    return [np.asarray(g) for g in program.results(program.outputs, values, compute)]


# --- complex step ---------------------------------------------------------------------------


def _complex_step(fn: Function, xs: Sequence[Array], w: Array, rng: Any) -> list[Estimate] | None:
    """Differentiate by evaluating the recorded program on complex numbers, or return None.

    The result is None if an operation is not analytic, or if the derivative is not that of `fn`.
    The program lacks any computation that was not recorded, such as that of a constant which
    depends on the input. One finite difference of `fn` itself, along a random direction, is
    therefore compared with the result.
    """
    try:
        leaves, y = _record(fn, xs)
    except Exception:  # a function of arrays that does not run on Tensors
        return None
    program = recorded([y], leaves)
    if not all(equation.primitive.analytic for equation in program.equations):
        return None
    estimates = []
    unit = float(np.finfo(np.float64).eps)
    for i, x in enumerate(xs):
        value, error, scale = np.zeros(x.shape), np.zeros(x.shape), np.zeros(x.shape)
        for place in np.ndindex(x.shape):
            shifted = list(xs)
            shifted[i] = x.astype(complex)
            shifted[i][place] += STEP * 1j
            terms = w * (_replayed(program, shifted).imag / STEP)
            value[place] = terms.sum()
            scale[place] = np.abs(terms).sum()
            error[place] = 64 * unit * scale[place]
        estimates.append(Estimate(value, error, scale, np.zeros(x.shape, bool)))
    return estimates if _agrees_along_a_direction(fn, xs, w, estimates, rng) else None


def _replayed(program: Program, arrays: Sequence[Array]) -> Array:
    """Evaluate a program on complex numbers, with every `dtype` parameter replaced by complex."""

    def compute(equation: Equation, operands: list[Any], params: Any) -> Any:
        widened = {key: complex if key == "dtype" else p for key, p in params.items()}
        return computed(equation, operands, widened)

    values = dict(zip(program.inputs, arrays, strict=True))
    (output,) = program.results(program.outputs, values, compute)
    return np.asarray(output)


def _agrees_along_a_direction(
    fn: Function, xs: Sequence[Array], w: Array, estimates: Sequence[Estimate], rng: Any
) -> bool:
    directions = [cotangent(x.shape, rng) * np.maximum(np.abs(x), 1.0) for x in xs]
    unit = float(np.finfo(np.float64).eps)

    def along(t: float) -> tuple[float, float]:
        moved = [x + t * v for x, v in zip(xs, directions, strict=True)]
        terms = w * _through_tensors(fn)(*moved)
        return float(terms.sum()), 4 * unit * float(np.abs(terms).sum())

    numerical, error = slope(along, 1 / 8, 4.0, 9)
    parts = [e.value * v for e, v in zip(estimates, directions, strict=True)]
    exact = sum(float(p.sum()) for p in parts)
    size = sum(float(np.abs(p).sum()) for p in parts)
    return bool(abs(numerical - exact) <= error + 1e-10 * size)
