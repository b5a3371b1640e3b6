"""gradcheck: compare a gradient with the derivative of the function, within measured errors.

The derivative and the bound on its error come from reference.py. Here the rounding error of the
gradient itself is measured, and the two are compared. "Wrong" needs a gradient outside of both
errors together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .deadline import not_timed
from .gradient_report import GradientReport, Tolerance, compared
from .leaves import Arguments, Array, Function, arguments
from .problem import GradientsError, Problem, cotangent
from .reference import derivative
from .replay import code_of, smaller
from .rounding import rounding


def gradcheck(
    fn: Function,
    *inputs: Any,
    order: int = 1,
    vjp: Function | None = None,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    **kwargs: Any,
) -> GradientReport:
    """Check the gradient of `fn` at `inputs` against a numerical derivative.

    For random cotangents w, the gradient J^T w of every input is compared, element by element, with
    the derivative of the sum of ``w * y`` over all outputs y of `fn`.

    Parameters
    ----------
    fn : function of Tensors, or of arrays
        It returns an array or a Tensor, or several in tuples, lists and dicts. A plain NumPy
        function is run on Tensors and differentiated by the engine, unless `vjp` is given. Results
        that hold no floating-point numbers are ignored.
    inputs, kwargs
        The arguments of `fn`. The gradient is checked for every array or Tensor of floating-point
        numbers, also inside of dicts, lists and tuples, and for positional lists of floats. All
        else is passed on as it is: integers (labels, indices), truth values, strings, and Python
        numbers such as an eps, unless a number is the only input.
    order : int
        With 1, the gradient is checked; with 2, also the gradient of the gradient, and so on.
    vjp : function, optional
        A backward written by hand, which is checked instead of that of the engine:
        ``vjp(w, *inputs, **kwargs)`` returns one gradient for each argument, in their order, or one
        for each argument that has floating-point numbers. None stands for an argument without.
        The gradient of a dict is a dict. For several outputs, w has their structure, with None for
        those that are ignored. `fn` and `vjp` are then called with arrays. Only for order 1.
    seed : int
        The seed of the random cotangents, which have no value near 0.
    rtol, atol : float, optional
        A tolerance of your own: an element is accepted if it is off by at most
        ``atol + rtol * abs(expected)``, whatever rounding was measured. One that is not given is 0.
        The error of the numerical derivative is still taken into account.

    Returns
    -------
    GradientReport, false if an element is wrong: further off than the error of the numerical
    derivative and the rounding of the gradient itself can explain. At a kink, where rounding leaves
    less than two digits, and for a function that returns different values for the same inputs, its
    verdict is "cannot tell". Printed, a wrong one shows code that replays it, with smaller inputs
    if a smaller case fails too.

    Raises
    ------
    ValueError
        If there is no input to differentiate, if `order` is less than 1 (or not 1 with `vjp`), if a
        tolerance is negative, or if the function is not finite at the inputs.
    TypeError
        For complex inputs, and for a function without an output of floating-point numbers.

    Notes
    -----
    In a test of hypothesis, the time of gradcheck does not count towards the deadline.

    Examples
    --------
    >>> import numpy as np, tinygrad_bn as tg
    >>> gradcheck(lambda x: np.tanh(x) ** 2, [0.5, -1.0], order=2)  # doctest: +ELLIPSIS
    the gradient of order 2 agrees in all 2 elements (complex step) ...
    >>> report = gradcheck(lambda x: x**3, np.array([1.0, 0.5]), vjp=lambda w, x: w * x**2)
    >>> report.verdict, report.worst_name, report.worst_element
    ('wrong', 'x', (0,))
    >>> print(report)  # doctest: +ELLIPSIS
    the gradient is wrong (complex step)
      worst at x[0]: expected 4.36633, got 1.45544, sure to within ...
    To replay it:
    <BLANKLINE>
    import numpy as np
    from tinygrad_bn.testing import gradcheck
    # fn = ...  # the function that was checked
    # vjp = ...  # the function that was checked
    <BLANKLINE>
    x = np.array([1.0])
    print(gradcheck(fn, x, vjp=vjp))
    """
    if order < 1 or (vjp is not None and order != 1):
        raise ValueError(f"gradcheck: order is {order}; it is at least 1, and 1 with vjp=")
    chosen = Tolerance.given(rtol, atol)

    def check(given: Arguments) -> GradientReport:
        return _checked(Problem(fn, given, vjp), order, seed, chosen)

    with not_timed():
        given = arguments(fn, inputs, kwargs)
        report = check(given)
        if report:
            return report
        given, report = smaller(fn, check, given, report)
        functions = {"fn": fn} if vjp is None else {"fn": fn, "vjp": vjp}
        settings = {"order": order, "seed": seed, "rtol": rtol, "atol": atol}
        usual = {"order": 1, "seed": 0, "rtol": None, "atol": None}
        changed = {key: value for key, value in settings.items() if value != usual[key]}
        return report.with_code(code_of("gradcheck", functions, given, changed))


def _checked(problem: Problem, order: int, seed: int, chosen: Tolerance | None) -> GradientReport:
    """Check the gradients of the orders 1 to `order`, until one is not right."""
    rng = np.random.default_rng(seed)
    report = _check(problem, 1, rng, chosen)
    for done in range(2, order + 1):
        if report.verdict == "wrong":
            break
        problem = problem.derived(int(rng.integers(2**32)))
        report = _check(problem, done, rng, chosen)
    return report


def _check(
    problem: Problem, order: int, rng: np.random.Generator, chosen: Tolerance | None
) -> GradientReport:
    given = problem.given
    xs = list(given.arrays)
    with np.errstate(all="ignore"):
        ys, again = problem.outputs(xs), problem.outputs(xs)
        if not all(np.isfinite(y).all() for y in ys):
            raise ValueError(
                "gradcheck: no derivative can be taken where the function is not finite; "
                f"its output is {_first_not_finite(ys)} here"
            )
        if not all(np.array_equal(a, b) for a, b in zip(ys, again, strict=True)):
            reason = "the function returns different values for the same inputs (random numbers?)"
            return GradientReport("cannot tell", "called twice", order, reason=reason)
        ws = [cotangent(y.shape, rng).astype(y.dtype) for y in ys]
        try:
            got = problem.gradients(xs, ws)
        except GradientsError as error:
            return GradientReport("wrong", "shapes", order, problem=str(error))
        estimates, method = derivative(problem.outputs, problem.program(xs), xs, ws, rng)
        noise = rounding(problem, xs, ws, got, estimates, rng)
    # An error that changes y by less than its rounding, over a step as long as x, is none.
    seen = sum(
        float(np.finfo(y.dtype).eps) * float(np.sum(np.abs(w * y)))
        for w, y in zip(ws, ys, strict=True)
    )
    floors = [seen / (float(np.max(np.abs(x), initial=0.0)) or 1.0) for x in xs]
    return compared(given.paths, got, estimates, noise, floors, chosen, method, order)


def _first_not_finite(ys: list[Array]) -> float:
    return next(float(value) for y in ys for value in y.flat if not np.isfinite(value))
