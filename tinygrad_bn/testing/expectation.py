"""The expected results of a batch norm on a batch, with bounds on the rounding error.

The sources leave some choices open: the eps, the weight of the old running statistics, and whether
the running variance is updated with the unbiased variance. These choices are inferred from the
implementation itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .batch import STORED, Array, Batch, probe
from .calls import Caller, CallError
from .conventions import EPS, MOMENTUM, Subject
from .numerical import Estimate
from .observation import GRADIENTS, Seen, running_of

PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "forward": ("y",),
    "dx": ("dx",),
    "dgamma": ("dgamma",),
    "dbeta": ("dbeta",),
    "shapes and dtypes": (),  # of all quantities in the other rows
    "inputs unchanged": (
        "x after forward", "gamma after forward", "beta after forward", "dy after backward",
    ),
    "its own cache": ("dx after another forward", "dx of a second backward"),
    "running statistics": (
        "running mean", "running var", "running mean after test", "running var after test",
    ),
    "test mode": ("test mode",),
}  # fmt: skip
ANOTHER_CALL = ("dx after another forward", "dx of a second backward")
TOO_ROUGH = 1e-2  # values whose relative rounding error may exceed this are not compared


@dataclass(frozen=True)
class Choices:
    """The choices that the sources leave open. `eps` is None if no eps fits.

    `stored` is what is kept as the running variance (see ``batch.STORED``).
    """

    eps: float | None
    momentum: float
    unbiased: bool
    stored: str = "var"


@dataclass(frozen=True)
class Finding:
    """One result that is not as expected. `wanted` is the code of an assertion that fails.

    If `raised` is true, the user's code raised an exception, and there is no result to compare.
    """

    property: str
    seen: str
    text: str
    wanted: str = ""
    raised: bool = False


# --- expected values ------------------------------------------------------------------------


def expected_values(
    batch: Batch, seen: Mapping[str, Seen], gradients: list[Estimate] | None
) -> dict[str, tuple[Array, Array]]:
    """Return, for each result by name, the expected value and the bound on the difference."""
    unit = precision(batch, seen)
    r = roughness(batch, unit)
    g, x_hat, dy = np.abs(batch.g), np.abs(batch.x_hat), np.abs(batch.dy)
    tiny = float(np.finfo(np.float32 if unit > 1e-10 else np.float64).tiny) * batch.m
    exact = np.zeros(())

    y_bound = r * (g * (1 + x_hat) + np.abs(batch.b)) + tiny
    dx_hat = g * dy
    a, b = batch.mean(dx_hat), batch.mean(dx_hat * x_hat)
    bounds = {
        "dx": r * (1 + x_hat) / batch.s * (dx_hat + a + (1 + x_hat) * (a + b)) + tiny,
        "dgamma": batch.per_feature(batch.sum(r * dy * (1 + x_hat))) + tiny,
        "dbeta": batch.per_feature(batch.sum(r * dy)) + tiny,
    }
    expected = {
        "y": (batch.y, y_bound),
        "x after forward": (batch.x, exact),
        "gamma after forward": (batch.gamma, exact),
        "beta after forward": (batch.beta, exact),
        "dy after backward": (batch.dy, exact),
        "running mean after test": (batch.running_mean, exact),
        "running var after test": (batch.running_var, exact),
    }
    for name, estimate in zip(GRADIENTS, gradients or (), strict=False):
        expected[name] = estimate.value, 2 * bounds[name] + 2 * estimate.error
    own = seen["dx"].value if "dx" in seen else None
    if isinstance(own, np.ndarray) and own.shape == batch.x.shape:
        expected |= dict.fromkeys(ANOTHER_CALL, (own, 2 * bounds["dx"]))

    if batch.norm.over != "batch":
        return expected
    largest = batch.per_feature(np.abs(batch.x).max(axis=batch.axis, keepdims=True))
    rough = batch.per_feature(r)
    old_mean, old_var = np.abs(batch.running_mean), np.abs(batch.running_var)
    expected["running mean"] = batch.new_running_mean, rough * (old_mean + largest) + tiny
    expected["running var"] = (
        batch.new_running_var,
        rough * (old_var + 2 * batch.per_feature(batch.s**2)),
    )
    test_rough = (batch.m + 30) * 4 * unit
    distance = np.abs(batch.x) + np.abs(batch.spread(batch.running_mean))
    scaled = g * distance / batch.stored_std
    expected["test mode"] = batch.test(), test_rough * (scaled + np.abs(batch.b))
    return expected


def precision(batch: Batch, seen: Mapping[str, Seen]) -> float:
    """Return the largest machine epsilon of x and the results.

    It is that of float32 if the implementation returns float32 for an input of float64.
    """
    dtypes = [batch.x.dtype]
    dtypes += [
        s.value.dtype
        for s in seen.values()
        if isinstance(s.value, np.ndarray) and s.value.dtype.kind == "f"
    ]
    return max(float(np.finfo(dtype).eps) for dtype in dtypes)


def roughness(batch: Batch, unit: float) -> Array:
    """Bound the relative rounding error of x_hat for each feature, for any correct formula.

    A sum of m terms has a relative error of up to m units. The error of mu is up to that times
    max|x|, and the error of a variance computed as E[x^2] - mu^2 up to that times max|x|^2. Where
    the bound would exceed ``TOO_ROUGH``, it is infinite.
    """
    axes = batch.axis if batch.norm.over == "batch" else batch.norm.axes(batch.x.ndim)
    largest = np.abs(batch.x).max(axis=axes, keepdims=True).astype(np.float64)
    r = 4 * (batch.m + 30) * unit * (1 + largest**2 / (batch.var + batch.eps))
    return np.where(r > TOO_ROUGH, np.inf, r)


# --- comparing ------------------------------------------------------------------------------


def findings(
    seen: Mapping[str, Seen], expected: Mapping[str, tuple[Array, Array]]
) -> list[Finding]:
    """List the results that are not as expected."""
    found = []
    for name, one in seen.items():
        home = next(p for p, names in PROPERTIES.items() if name in names)
        if isinstance(one.value, CallError):
            found.append(Finding(home, name, str(one.value), raised=True))
        elif name in expected:
            finding = _compare(home, name, one, *expected[name])
            if finding:
                found.append(finding)
    return found


def _compare(home: str, name: str, seen: Seen, wanted: Array, bound: Array) -> Finding | None:
    got, e = seen.value, seen.expression
    shapes = "shapes and dtypes"
    if not isinstance(got, np.ndarray | np.generic):
        text = f"{e} is of type {type(got).__name__}, not an array"
        return Finding(shapes, name, text, f"isinstance({e}, np.ndarray), type({e})")
    if got.dtype.kind != "f":
        text = f"{e} has dtype {got.dtype}, not a floating-point one"
        return Finding(shapes, name, text, f'{e}.dtype.kind == "f", {e}.dtype')
    if got.shape != wanted.shape:
        text = f"{e} has shape {got.shape}; it must be {wanted.shape}"
        return Finding(shapes, name, text, f"{e}.shape == {wanted.shape}, {e}.shape")
    bound = np.broadcast_to(bound, wanted.shape)
    judged = np.isfinite(bound) & np.isfinite(wanted)  # at 0 / 0 there is no derivative
    with np.errstate(invalid="ignore"):
        wrong = judged & ~(np.abs(got - wanted) <= bound)
    if not wrong.any():
        return None
    text = f"{e} is wrong\n  " + side_by_side(wanted, got).replace("\n", "\n  ")
    bound, off = bound[judged].max(), np.abs(np.where(judged, got - wanted, 0)).max()
    tolerance = max(float(bound), float(off) / 100 if np.isfinite(off) else 1e-6)
    room = min(tolerance, off - tolerance) / 2 if np.isfinite(off) else tolerance
    code = f"np.allclose({e}, {literal(wanted, room)}, rtol=0, atol={tolerance:.1g}), {e}"
    return Finding(home, name, text, code)


def literal(array: Array, room: float = 0.0) -> str:
    """Write an array on one line, with enough digits that no value is off by more than `room`."""
    short = (np.array([float(f"{v:.{n}g}") for v in array.flat]) for n in range(1, 17))
    flat = next((s for s in short if np.all(np.abs(s - array.ravel()) <= room)), array.ravel())
    # The shortest text that converts back to the value: 0.1, in float32 too.
    shortest = np.array([float(str(value)) for value in flat.astype(array.dtype)])
    return str(shortest.reshape(array.shape).tolist())


def side_by_side(expected: Any, got: Any) -> str:
    """Write two arrays below each other, with enough digits to differ wherever the values do."""
    for digits in (6, 9, 13, 17):
        texts = [_shown(value, digits) for value in (expected, got)]
        if texts[0] != texts[1]:
            break
    return f"expected {texts[0]}\ngot      {texts[1]}"


def _shown(value: Any, digits: int) -> str:
    """Write an array; small values next to large ones are 0 as long as few digits are shown."""
    text = np.array2string(
        np.asarray(value), precision=digits, separator=", ", prefix=" " * 9,
        suppress_small=digits <= 6,
    )  # fmt: skip
    return "\n".join(line for line in text.splitlines() if line.strip())  # four axes: no gaps


# --- choices that the sources leave open ----------------------------------------------------


def choices_of(subject: Subject, call: Caller) -> Choices:
    """Infer the open choices from the implementation; return the usual ones if it does not run."""
    usual = Choices(None, MOMENTUM, False)
    batch = probe(subject.ndim, 1.0, subject.norm)
    try:
        session = subject.session(call, batch.gamma, batch.beta, running_of(batch))
        session.train(batch.x.copy())
        stored = [_plain(value, batch) for value in session.running()]
        eps = _fitting_eps(subject, call)
        mean, var = stored if len(stored) == 2 else (None, None)
        if mean is None or var is None:
            return replace(usual, eps=eps)
        fitting = _fitting_choices(mean, var, replace(batch, eps=eps or EPS), eps)
        if subject.has_test_mode and any(choices.stored != "var" for choices in fitting):
            # Something else than the variance is a convention only if test mode reads it as such.
            tested = subject.session(call, batch.gamma, batch.beta, running_of(batch))
            y = tested.test(batch.x.copy())
            fitting = [c for c in fitting if _explains_test(c, batch, y)]
    except CallError:  # the examples report the exception
        return usual
    return fitting[0] if fitting else Choices(eps, _kept(mean, batch), False)


def _plain(value: Any, batch: Batch) -> Array | None:
    """Return a running statistic with the shape of gamma, or None."""
    array = np.asarray(value) if isinstance(value, np.ndarray) else None
    fits = array is not None and array.size == batch.gamma.size and array.dtype.kind == "f"
    return array.reshape(batch.features) if array is not None and fits else None


def _fitting_choices(mean: Array, var: Array, batch: Batch, eps: float | None) -> list[Choices]:
    """List the choices that explain an update of the running statistics, the usual ones first."""
    momentum = _kept(mean, batch)
    rtol = 1e-11 if var.dtype == np.float64 else 1e-5
    fitting = []
    for stored in STORED:
        for unbiased in (False, True):
            choices = Choices(eps, momentum, unbiased, stored)
            tried = replace(batch, momentum=momentum, unbiased=unbiased, stored=stored)
            if np.allclose(var, tried.new_running_var, rtol=rtol, atol=0):
                fitting.append(choices)
    plain = [choices for choices in fitting if choices.stored == "var"]
    return plain[:1] or fitting


def _explains_test(choices: Choices, batch: Batch, y: Any) -> bool:
    tried = replace(batch, eps=eps_to_judge_by(choices), stored=choices.stored)
    return (
        isinstance(y, np.ndarray)
        and np.shape(y) == batch.x.shape
        and bool(np.allclose(y, tried.test(), rtol=1e-9, atol=1e-9))
    )


def _kept(mean: Array, batch: Batch) -> float:
    """Return the weight of the old running mean; the usual one if none from 1/2 to 1 fits."""
    step = batch.per_feature(batch.mu) - batch.running_mean
    weights = 1 - (mean - batch.running_mean) / step
    kept = float(f"{np.median(weights):.6g}")
    return kept if np.ptp(weights) < 1e-4 and 0.5 <= kept < 1 else MOMENTUM


def _fitting_eps(subject: Subject, call: Caller) -> float | None:
    """Solve y = xc / sqrt(var + eps) for eps, at two small variances; None unless both agree."""
    found = []
    for scale in (1e-3, 3e-3):
        batch = probe(subject.ndim, scale, subject.norm)
        session = subject.session(call, batch.gamma, batch.beta, running_of(batch))
        y = session.train(batch.x.copy())
        if not isinstance(y, np.ndarray) or y.shape != batch.x.shape:
            return None
        slope = batch.mean(batch.xc * y) / batch.mean(batch.xc**2)
        eps = float(np.median(1 / slope**2 - batch.var))
        if not (eps > 1e-15 and np.allclose(y, batch.xc / np.sqrt(batch.var + eps), rtol=1e-4)):
            return None
        found.append(eps)
    low, high = sorted(found)
    if high > low * 1.02:
        return None
    rounded = float(f"{low:.2g}")
    return rounded if abs(rounded - low) < 1e-2 * low else low


def eps_to_judge_by(choices: Choices) -> float:
    """Return the eps that fits, or else the usual one."""
    return EPS if choices.eps is None else choices.eps


def notes_on(batch: Batch, seen: Mapping[str, Seen]) -> set[str]:
    """Return remarks about results that are unusual but not wrong."""
    y: Any = seen["y"].value if "y" in seen else None
    if not isinstance(y, np.ndarray) or y.dtype == batch.x.dtype:
        return set()
    return {f"{batch.x.dtype} input gives {y.dtype} output"}
