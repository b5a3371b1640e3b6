"""compare_with_torch: the values and gradients of a function beside those of a PyTorch function.

PyTorch is imported on use. It computes in float64, on the same numbers, so that the difference is
the error of the function under test. What rounding explains is measured on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from .deadline import not_timed
from .gradient_report import GradientReport, Tolerance, compared
from .leaves import Arguments, Array, Function, arguments, leaves
from .numerical import Estimate
from .piecewise import shaken
from .problem import GradientsError, Problem, cotangent
from .reference import MARGIN
from .replay import code_of, smaller
from .rounding import rounding


def compare_with_torch(
    fn: Function,
    torch_fn: Function,
    *inputs: Any,
    vjp: Function | None = None,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    **kwargs: Any,
) -> GradientReport:
    """Compare the values and gradients of `fn` with those of a PyTorch function.

    Parameters
    ----------
    fn : function of Tensors, or of arrays
        As for ``gradcheck``. Its gradient is that of the engine, or that of `vjp`.
    torch_fn : function of ``torch.Tensor``
        It is called with the same arguments, in which every array is a ``torch.Tensor``: of
        float64 for floating-point numbers, of its own dtype for others. It returns the same
        structure as `fn`.
    inputs, kwargs, vjp, seed, rtol, atol
        As for ``gradcheck``.

    Returns
    -------
    GradientReport, false if a value or a gradient is wrong: further off than the rounding measured
    in both functions, or than your own tolerance. The values are called ``output``. At a kink both
    functions may choose: test at points without one.

    Raises
    ------
    ModuleNotFoundError
        If PyTorch is not installed.
    ValueError
        If the outputs differ in number or shape, or as ``gradcheck`` does.

    Examples
    --------
    ::

        compare_with_torch(
            lambda x: tg.batch_norm(x),
            lambda x: torch.nn.functional.batch_norm(x, None, None, training=True),
            np.random.default_rng(0).normal(size=(6, 3)),
        ).raise_if_wrong()
    """
    try:
        torch = import_module("torch")
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise ModuleNotFoundError(
            "compare_with_torch needs PyTorch: pip install torch", name="torch"
        ) from None
    chosen = Tolerance.given(rtol, atol)

    def check(given: Arguments) -> GradientReport:
        return _compare(torch, Problem(fn, given, vjp), torch_fn, seed, chosen)

    with not_timed():
        given = arguments(fn, inputs, kwargs)
        report = check(given)
        if report:
            return report
        given, report = smaller(fn, check, given, report)
        functions = {"fn": fn, "torch_fn": torch_fn, **({} if vjp is None else {"vjp": vjp})}
        settings = {"seed": seed or None, "rtol": rtol, "atol": atol}
        changed = {key: value for key, value in settings.items() if value is not None}
        return report.with_code(code_of("compare_with_torch", functions, given, changed))


def _compare(
    torch: Any, problem: Problem, torch_fn: Function, seed: int, chosen: Tolerance | None
) -> GradientReport:
    rng = np.random.default_rng(seed)
    xs = list(problem.given.arrays)
    with np.errstate(all="ignore"):
        ys = problem.outputs(xs)
        ws = [cotangent(y.shape, rng).astype(y.dtype) for y in ys]
        try:
            got = problem.gradients(xs, ws)
        except GradientsError as error:
            return GradientReport("wrong", "PyTorch", problem=str(error))
        theirs = _by_torch(torch, torch_fn, problem.given, xs, ws)
        estimates = _estimates(torch, torch_fn, problem.given, xs, ws, theirs, rng)
        scales = [MARGIN * np.finfo(y.dtype).eps * np.abs(y) for y in ys]
        for _ in range(6):
            moved = problem.outputs([shaken(x, rng) for x in xs])
            scales = [
                np.fmax(s, MARGIN * np.abs(m - y))
                for s, m, y in zip(scales, moved, ys, strict=True)
            ]
        noise = rounding(problem, xs, ws, got, estimates[len(ys) :], rng)
    names = ["output" if len(ys) == 1 else f"output {k}" for k in range(len(ys))]
    report = compared(
        [*names, *problem.given.paths], [*ys, *got], estimates, [*scales, *noise],
        [0.0] * (len(ys) + len(got)), chosen, "PyTorch", 1,
    )  # fmt: skip
    return replace(report, what="value or gradient")


def _by_torch(
    torch: Any, torch_fn: Function, given: Arguments, xs: Sequence[Array], ws: Sequence[Array]
) -> tuple[list[Array], list[Array]]:
    """Compute the outputs and the gradients by PyTorch, in float64."""
    tensors = [torch.tensor(x.astype(np.float64), requires_grad=True) for x in xs]
    args, kwargs = given.filled(tensors)

    def converted(value: Any) -> Any:
        return torch.tensor(value) if isinstance(value, np.ndarray) else value

    args = tuple(map(converted, args))
    result = torch_fn(*args, **{name: converted(value) for name, value in kwargs.items()})
    ys = [y for _, y in leaves(result, "") if isinstance(y, torch.Tensor) and y.is_floating_point()]
    shapes, wanted = [tuple(y.shape) for y in ys], [w.shape for w in ws]
    if shapes != wanted:
        raise ValueError(
            f"compare_with_torch: the outputs have the shapes {wanted}, "
            f"those of the PyTorch function {shapes}"
        )
    total = sum((y * torch.tensor(w.astype(float))).sum() for y, w in zip(ys, ws, strict=True))
    parts = torch.autograd.grad(total, tensors, allow_unused=True)
    gradients = [
        np.zeros(x.shape) if g is None else g.detach().numpy()
        for x, g in zip(xs, parts, strict=True)
    ]
    return [y.detach().numpy() for y in ys], gradients


def _estimates(
    torch: Any, torch_fn: Function, given: Arguments, xs: Sequence[Array], ws: Sequence[Array],
    theirs: tuple[list[Array], list[Array]], rng: np.random.Generator,
) -> list[Estimate]:  # fmt: skip
    """Measure the rounding of PyTorch's results by changes of the inputs by one rounding."""
    values = [np.asarray(value) for part in theirs for value in part]
    errors = [4 * np.finfo(np.float64).eps * np.abs(value) for value in values]
    for _ in range(6):
        nudged = [shaken(x.astype(np.float64), rng) for x in xs]
        again = [value for part in _by_torch(torch, torch_fn, given, nudged, ws) for value in part]
        errors = [np.fmax(e, np.abs(a - v)) for e, a, v in zip(errors, again, values, strict=True)]
    return [
        Estimate(value, MARGIN * error, np.abs(value), np.zeros(value.shape, bool))
        for value, error in zip(values, errors, strict=True)
    ]
