"""Programs on complex numbers: the derivative by complex step, also of functions with kinks.

f(x + ih v) = f(x) + ih f'(x) v for an analytic f: with h = 1e-30 the imaginary part divided by h is
the derivative, exact to rounding. A function with kinks is analytic on each side. Which side counts
is decided by the real parts; where these are equal, by the imaginary parts, that is, by where the
point moves to. So at a kink, the result is the one-sided derivative in the direction v.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..program import Equation, Program
from ..program.data import computed

Array = npt.NDArray[Any]


class Decisions:
    """Decide which numbers are positive, and note the numbers in the order of the questions.

    A real part is decided by the imaginary part if it is no further from 0 than its tolerance.
    """

    def __init__(self, tolerances: Sequence[Array] | None = None) -> None:
        self.tolerances = tolerances
        self.asked: list[Array] = []
        self.ties = False  # whether an imaginary part has decided

    def moving(self, d: Array) -> Array:
        """Return where the sign is decided by the imaginary part; call it once per question."""
        tolerance: Any = 0.0 if self.tolerances is None else self.tolerances[len(self.asked)]
        self.asked.append(np.array(np.real(d)))
        moving: Array = (np.abs(np.real(d)) <= tolerance) & (np.imag(d) != 0)
        self.ties |= bool(np.any(moving))
        return moving

    def note_zeros(self, x: Array) -> None:
        """Note a tie where numbers may be 0: roots have a kink there."""
        self.moving(x)
        tolerance: Any = 0.0 if self.tolerances is None else self.tolerances[len(self.asked) - 1]
        self.ties |= bool(np.any(np.abs(np.real(x)) <= tolerance))

    def positive(self, d: Array) -> Array:
        """Return where numbers are positive."""
        positive: Array = np.where(self.moving(d), np.imag(d) > 0, np.real(d) > 0)
        return positive

    def zero(self, d: Array) -> Array:
        """Return where numbers are 0 and stay so."""
        zero: Array = ~self.moving(d) & (np.real(d) == 0)
        return zero


def _relu(ask: Decisions, x: Array) -> Array:
    return np.where(ask.positive(x), x, 0.0)


def _leaky_relu(ask: Decisions, x: Array, negative_slope: float) -> Array:
    return np.where(ask.positive(x), x, negative_slope * x)


def _abs(ask: Decisions, x: Array) -> Array:
    return np.where(ask.positive(x), x, -x)


def _sign(ask: Decisions, x: Array) -> Array:
    positive = ask.positive(x)
    still = (np.real(x) == 0) & (np.imag(x) == 0)
    return np.where(still, 0.0, np.where(positive, 1.0, -1.0))


def _sigmoid(ask: Decisions, x: Array) -> Array:
    right = np.real(x) >= 0
    e = np.exp(np.where(right, -x, x))  # never overflows
    y: Array = np.where(right, 1.0, e) / (1 + e)
    return y


def _maximum(ask: Decisions, x: Array, y: Array) -> Array:
    return np.where(ask.positive(np.subtract(x, y)), x, y)


def _minimum(ask: Decisions, x: Array, y: Array) -> Array:
    return np.where(ask.positive(np.subtract(y, x)), x, y)


def _clip(ask: Decisions, x: Array, low: Array, high: Array) -> Array:
    return _minimum(ask, _maximum(ask, x, low), high)


def _max(ask: Decisions, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    kept = [i for i in range(x.ndim) if i not in axis]
    flat = x.transpose(*kept, *axis).reshape(*[x.shape[i] for i in kept], -1)
    best: Array = flat[..., 0]
    for k in range(1, flat.shape[-1]):
        best = _maximum(ask, flat[..., k], best)
    return np.expand_dims(best, axis) if keepdims else best


def _min(ask: Decisions, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    return -_max(ask, -x, axis, keepdims)


def _compared(swapped: bool, negated: bool) -> Callable[..., Array]:
    def compare(ask: Decisions, x: Array, y: Array) -> Array:
        above = ask.positive(np.subtract(y, x) if swapped else np.subtract(x, y))
        return ~above if negated else above

    return compare


def _sqrt(ask: Decisions, x: Array) -> Array:
    ask.note_zeros(x)
    y: Array = np.sqrt(x)
    return y


def _pow(ask: Decisions, x: Array, y: Array) -> Array:
    if np.any(np.real(y) % 1):
        ask.note_zeros(x)
    power: Array = x**y
    return power


PIECEWISE: dict[str, Callable[..., Array]] = {
    "relu": _relu, "leaky_relu": _leaky_relu, "abs": _abs, "sign": _sign, "sigmoid": _sigmoid,
    "maximum": _maximum, "minimum": _minimum, "clip": _clip, "max": _max, "min": _min,
    "greater": _compared(False, False), "less": _compared(True, False),
    "less_equal": _compared(False, True), "greater_equal": _compared(True, True),
    "sqrt": _sqrt, "pow": _pow,
    "equal": lambda ask, x, y: ask.zero(np.subtract(x, y)),
    "not_equal": lambda ask, x, y: ~ask.zero(np.subtract(x, y)),
}  # fmt: skip


def supports(program: Program) -> bool:
    """Return whether every operation of a program has a form for complex numbers.

    ``detach`` has: its result is its operand, whether or not a gradient flows through it.
    """
    return all(
        equation.primitive.name in (*PIECEWISE, "detach") or equation.primitive.analytic
        for equation in program.equations
    )


def evaluated(
    program: Program,
    arrays: Sequence[Array],
    ask: Decisions | None = None,
    *,
    dtype: type | None = None,
    rng: np.random.Generator | None = None,
) -> list[Array]:
    """Evaluate a program. If `ask` is given, it decides what its kinks ask.

    With a `dtype` such as complex, everything is computed in it, whatever the program says. With
    `rng`, every input and every result is changed by one rounding, up or down at random.
    """

    def compute(equation: Equation, operands: list[Any], params: Any) -> Any:
        if dtype is not None:
            params = {key: dtype if _is_float(key, p) else p for key, p in params.items()}
        rule = PIECEWISE.get(equation.primitive.name)
        if ask is None or rule is None or not any(np.result_type(x).kind in "fc" for x in operands):
            value = computed(equation, operands, params)
        else:
            value = rule(ask, *operands, **params)
        return value if rng is None else shaken(value, rng)

    given = arrays if rng is None else [shaken(x, rng) for x in arrays]
    values = dict(zip(program.inputs, given, strict=True))
    return [np.asarray(y) for y in program.results(program.outputs, values, compute)]


def _is_float(key: str, param: Any) -> bool:
    return key == "dtype" and param is not None and np.dtype(param).kind == "f"


def shaken(value: Any, rng: np.random.Generator) -> Any:
    """Return an array with every number changed by one rounding, up or down at random."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fc":
        return value
    if value.dtype.kind == "c":
        parts = np.array(value, complex).reshape(-1).view(np.float64)
        return shaken(parts, rng).view(complex).reshape(value.shape)
    unit = np.finfo(value.dtype).eps
    factor = 1 + np.copysign(unit, rng.random(value.shape) - 0.5)
    return np.asarray(value * factor.astype(value.dtype))
