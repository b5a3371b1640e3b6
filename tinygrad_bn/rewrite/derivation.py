"""derive: the closed form of a gradient, found from the recorded backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from ..program import Program, trace
from .algebra import Formula
from .computing import computes, with_forward
from .naming import Names, with_local_names
from .page import save
from .proving import Proof, compared
from .reading import Reading, read
from .steps import Step, Steps
from .writing import LATEX, TEXT


@dataclass(frozen=True, eq=False)
class Derivation:
    """The closed form of a gradient, and the steps that lead to it. Made by ``tg.derive``.

    Attributes
    ----------
    name : str
        The name of the gradient, such as ``dx``.
    formula, latex : str
        The closed form, as text and as LaTeX.
    steps : tuple of Step
        Each with ``name``, ``law``, ``formula``, ``latex`` and ``error``: the largest difference
        between both sides on random numbers in float64, relative to the largest number in them.
    where : dict of str
        The values of the forward pass that the closed form uses, with their definitions.
    program : Program
        Computes the closed form. Takes ``(*inputs, cotangent)``, of any batch size.
    """

    name: str
    steps: tuple[Step, ...]
    recorded: Program  # the gradient as the engine computes it
    reading: Reading = field(repr=False)
    closed: Formula = field(repr=False)
    names: Names = field(repr=False)

    @cached_property
    def formula(self) -> str:
        """The closed form, as text."""
        return self.names.writer(TEXT).factored(self.closed)

    @cached_property
    def latex(self) -> str:
        """The closed form, in LaTeX."""
        return self.names.writer(LATEX).factored(self.closed)

    @cached_property
    def where(self) -> dict[str, str]:
        """The values that the closed form uses, with their definitions."""
        return self.names.definitions(self.closed, TEXT)

    @cached_property
    def program(self) -> Program:
        """The closed form as a program."""
        return computes(self.recorded, self.reading, self.closed, self.name)

    def proves(self, g: Callable[..., Any]) -> Proof:
        """Compare normal forms, to prove that another function computes the same.

        Parameters
        ----------
        g : function
            Takes the inputs of ``program``: all of them in their order, or those that it names.
            Of a named tuple that it returns, the field with the name of the gradient counts.

        Returns
        -------
        Proof, true if both are equal for all inputs in exact arithmetic, by the laws of algebra
        and of sums. Otherwise false; ``difference`` is the formula of ``g`` less the closed form.

        Examples
        --------
        >>> import numpy as np
        >>> import tinygrad_bn as tg
        >>> from tinygrad_bn import closed_form
        >>> d = tg.derive(tg.batch_norm, np.zeros((6, 3)), np.ones(3), np.zeros(3))
        >>> def paper(x, gamma, beta, dy):
        ...     return closed_form.backward_paper(dy, closed_form.forward(x, gamma, beta)[1])
        >>> bool(d.proves(paper))
        True
        >>> def without_the_last_term(x, gamma, dy):
        ...     std = np.sqrt(x.var(axis=0) + 1e-5)
        ...     return gamma / std * (dy - dy.mean(axis=0))
        >>> print(d.proves(without_the_last_term))
        not equal: the term -gamma x_hat Σ[dy x_hat] / (m std) is missing
        """
        return compared(self, g)

    def save(self, path: str | Path) -> None:
        """Write the derivation as a page (``.html``), which needs no network.

        Raises ValueError for another ending.
        """
        save(self, Path(path))

    @property
    def source(self) -> Program:
        """The gradient as recorded, together with all of the forward pass."""
        return self.reading.program

    def __str__(self) -> str:
        given = ", ".join(f"{x.name} {x.shape}" for x in self.recorded.inputs)
        lines = [f"{self.name} of {self.recorded.name.partition(',')[0]}", f"given {given}"]
        width = max(len(step.name) for step in self.steps)
        room = max((len(s.formula) for s in self.steps if len(s.formula) <= 64), default=0)
        heading = None
        for step in self.steps:
            lines += [] if step.name == heading else [""]
            name = "" if step.name == heading else step.name
            heading = step.name
            lines.append(f"  {name:>{width}} = {step.formula:<{room}}    {step.law}")
        words = [f"{name} = {what}" for name, what in self.where.items()]
        words += [f"Σ over {self.names.sums_over}"] if self.names.sums_over else []
        lines += ["", "  where " + ", ".join(words)] if words else []
        worst = max(step.error for step in self.steps)
        lines.append(f"  both sides of each step agree on random numbers, to {worst:.0e}")
        return "\n".join(lines)

    def _repr_latex_(self) -> str:
        rows: list[str] = []
        for name, steps in groupby(self.steps, lambda step: step.name_latex):
            for i, step in enumerate(steps):
                rows.append(rf"{'' if i else name} &= {step.latex} && {step.law_latex}")
        return "$$\\begin{aligned}" + r" \\ ".join(rows) + "\\end{aligned}$$"


def derive(
    f: Callable[..., Any], /, *args: Any, wrt: int | str = 0, order: int = 1, **kwargs: Any
) -> Derivation:
    """Derive the closed form of a gradient of `f`, from the backward pass that the engine records.

    Parameters
    ----------
    f : function of Tensors or of NumPy arrays
    args, kwargs
        Examples, as for ``tg.trace``. Their shapes and dtypes count, their values do not.
    wrt : position or name of an input
        The input of which it is the gradient. With ``order=2`` it may also be the upstream
        gradient (``"dy"``).
    order : 1 or 2
        1: the gradient dx, for an upstream gradient dy. 2: the double backward, which is the
        gradient of Σ dx ddx, with respect to the same input or to dy.

    Returns
    -------
    Derivation. Printed, it is the list of steps from the recorded rules to the closed form.

    Raises
    ------
    ValueError
        If there is no such input, or no gradient for it, and for another `order`.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_bn as tg
    >>> d = tg.derive(tg.batch_norm, np.zeros((6, 3)), np.ones(3), np.zeros(3))
    >>> print(d.name, "=", d.formula)
    dx = gamma / (m std) (m dy - Σ[dy] - x_hat Σ[dy x_hat])
    """
    if order not in (1, 2):
        raise ValueError(f"derive: order is 1 or 2, not {order!r}")
    source = trace(with_local_names(f), *args, **kwargs)
    if isinstance(wrt, int) and -len(source.inputs) <= wrt < len(source.inputs):
        wrt = str(source.inputs[wrt].name)
    if order == 1:
        gradient = source.gradient(wrt)
    else:
        own = {x.name for x in (*source.inputs, *source.captured)}
        gradient = source.gradient(wrt if wrt in own else 0).gradient(wrt)
    both = with_forward(gradient, source)
    cotangents = both.inputs[len(source.inputs) :]
    outputs = [x for x in both.outputs[1:] if x.dtype.kind == "f"]
    chosen = next(x for x in (*both.inputs, *both.captured) if x.name == wrt)
    reading = read(
        both, cotangents, [(both.outputs[0], chosen), *zip(cotangents, outputs, strict=False)]
    )
    return _derived(gradient, reading, f"d{wrt}" if order == 1 else f"d2{wrt}")


def _derived(gradient: Program, reading: Reading, name: str) -> Derivation:
    steps = Steps(reading, name)
    for line in reading.lines:
        steps.simplify(line)
    closed = steps.simplifier.lines[reading.lines[-1].atom]
    return Derivation(name, tuple(steps.done), gradient, reading, closed, steps.names)
