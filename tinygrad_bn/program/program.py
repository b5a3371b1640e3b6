"""Program: made by ``trace``, evaluated on other values, differentiated, drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff import reverse_pass
from ..recording import within
from ..tensor import Tensor
from .arguments import argument_names, bound, in_order
from .data import ProgramData, Step, Variable
from .identity import identity
from .listing import listing
from .reading import Reader
from .replaying import on_tensors
from .tracing import Place, Trace, leaf
from .tree import mapped

if TYPE_CHECKING:
    from ..graph import Graph


@dataclass(frozen=True, eq=False)
class Program(ProgramData):
    """What a function computes, without the numbers: inputs, equations, outputs.

    Made by ``tg.trace``. Printed, it is a listing, one equation a line. Called with arrays, it
    returns what the function returns, to the last bit, also for batches of another size. Programs
    are equal if they compute the same in the same way: names, scopes and the order of independent
    equations do not matter.

    Attributes
    ----------
    inputs : tuple of Variable
        The arrays that the function was given, and masks of dropout.
    captured : tuple of Variable
        Tensors that the function reached without being given them, such as the parameters of a
        network, by dotted names. Their values are read anew at each call.
    constants : tuple of Variable
        Arrays that were made inside of the function, each with its ``value``.
    equations : tuple of Equation
        Each with ``primitive``, ``inputs``, ``params`` and ``output``.
    outputs : tuple of Variable
    updates : dict from the names of buffers to Variables
        The new values of buffers, such as running statistics.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> program = tg.trace(lambda x: (x - x.mean(axis=0)) ** 2, np.zeros((6, 3)))
    >>> print(program)
    lambda
    given x (6, 3) float64
      return (x - mean(x, axis=0))^2
    >>> program([[1.0], [3.0], [5.0]]).ravel()
    array([4., 0., 4.])
    """

    def __call__(self, /, *arrays: Any, **named: Any) -> Any:
        """Evaluate the program on other values.

        Each array has the dtype of the input that was traced, and as many axes; lengths may
        differ, unless the function was traced to be for one length alone. Given Tensors, it
        computes with Tensors, which record.

        Raises TypeError for a missing array or another dtype, ValueError for a shape that does
        not fit.
        """
        values = self.bind(*arrays, **named)
        if any(isinstance(value, Tensor) for value in values.values()):
            return self._assembled(on_tensors(self, values))
        return self._assembled([np.array(y) for y in self.results(self.outputs, values)])

    def steps(self, *arrays: Any, **named: Any) -> Iterator[Step]:
        """Yield each equation with its value: a debugger for those who learn.

        >>> import tinygrad_bn as tg
        >>> program = tg.trace(lambda x: x * x + 1, np.zeros(2))
        >>> for equation, value in program.steps([1.0, 2.0]):
        ...     print(equation.primitive, value)
        mul [1. 4.]
        add [2. 5.]
        """
        return self.evaluate(self.bind(*arrays, **named))

    def updated(self, *arrays: Any, **named: Any) -> dict[str, Any]:
        """Evaluate the new values of buffers (``updates``), by name."""
        new = self.results(self.updates.values(), self.bind(*arrays, **named))
        return {name: np.array(value) for name, value in zip(self.updates, new, strict=True)}

    def gradient(self, wrt: Any = None) -> Program:
        """Derive the program of the gradient, by the rules of the primitives.

        It takes ``(*inputs, cotangent)`` and returns J^T cotangent for each input in `wrt`. For
        several outputs the cotangent is a tuple. It is a Program, so it has a gradient too.

        Parameters
        ----------
        wrt : position, name, or a sequence of them, optional
            Of inputs or captured tensors. None: all inputs of floats. One position or name, or a
            single input in all, gives one array; otherwise a tuple.

        Raises
        ------
        ValueError
            If there is no such input, or no gradient for it: integers and truth values have none.
        """
        chosen = self._chosen(wrt)
        return _gradient(self, chosen, several=len(chosen) > 1 or _is_sequence(wrt))

    def graph(self, *arrays: Any, gradient: Any = None, **named: Any) -> Graph:
        """Evaluate the program and return its Graph, with the inputs and all statistics in it.

        `gradient` is the cotangent (True: ones), as for ``tg.graph``; a tuple for several outputs.
        """
        from ..graph import recorded  # the views are a reader, which a program does not need

        values = self.bind(*arrays, **named)
        given = [
            value if isinstance(value, Tensor) else leaf(value, x.name, needs_grad=True)
            for x, value in values.items()
        ]
        with within(everything=True, recording=True):
            outputs = on_tensors(self, dict(zip(values, given, strict=True)))
        return recorded.graph_of(outputs, gradient, inputs=given)

    def bind(self, *arrays: Any, **named: Any) -> dict[Variable, Any]:
        """Check arrays against the inputs, and return the value of each."""
        return bound(self.name, self.inputs, self.arguments, arrays, named)

    def _assembled(self, results: Sequence[Any]) -> Any:
        def leaf(place: Any) -> Any:
            return results[place.number] if isinstance(place, Place) else place

        return mapped(self.structure, leaf)

    def _chosen(self, wrt: Any) -> list[Variable]:
        if wrt is None:
            return [x for x in self.inputs if x.dtype.kind == "f"]
        wanted = list(wrt) if _is_sequence(wrt) else [wrt]
        named = {x.name: x for x in (*self.captured, *self.inputs)}
        chosen = []
        for which in wanted:
            if isinstance(which, str) and which in named:
                x = named[which]
            elif isinstance(which, int) and -len(self.inputs) <= which < len(self.inputs):
                x = self.inputs[which]
            else:
                raise ValueError(
                    f"gradient: {self.name} has no input {which!r}; its inputs are "
                    f"{', '.join(repr(name) for name in named)}"
                )
            if x.dtype.kind != "f":
                raise ValueError(f"gradient: {x.name} holds {x.dtype}, which has no gradient")
            chosen.append(x)
        return chosen

    @property
    def _identity(self) -> Any:
        return identity(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __str__(self) -> str:
        return listing(self)

    def __repr__(self) -> str:
        return f"<Program {self.name}: {len(self.equations)} equations>"


def trace(f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Program:
    """Run `f` once, record everything that it computes, and return it as a Program.

    Parameters
    ----------
    f : function of Tensors or of NumPy arrays, or a Module
    args, kwargs
        Arrays and Tensors become the inputs of the program (inside of lists, tuples and dicts
        too). So do positional Python numbers, which stay weak: they take the dtype of what they
        meet. All else is fixed: other keyword arguments, strings, truth values, None.

    Returns
    -------
    Program, whether or not anything needs a gradient. Tensors that `f` reaches without being given
    them are its ``captured``; arrays that `f` makes are its ``constants``.

    Raises
    ------
    TypeError
        If `f` reads a value, as by ``if t > 0``, ``float(t)``, ``np.asarray(t)`` or ``t.data``: the
        message names the line.

    Notes
    -----
    Lengths stay symbolic: what `f` computes from ``x.shape``, the program computes from the shape
    of its own input. Where `f` makes a plain number of a length (``len(x)``, ``int(x.shape[0])``,
    ``range(m)``) or compares it, the program is for the lengths alone that give the same. An axis
    of length 1 keeps that length. Modules stay as they are: the new values of their buffers are
    the ``updates`` of the program, and the mask of a Dropout is an input.

    Examples
    --------
    >>> import tinygrad_bn as tg
    >>> x, gamma, beta = np.zeros((6, 3)), np.ones(3), np.zeros(3)
    >>> print(tg.trace(tg.batch_norm, x, gamma, beta))
    batch_norm
    given x (6, 3) float64, gamma (3,), beta (3,)
      mu         = mean(x, axis=0)               (1, 3)
      x_centered = x - mu                        (6, 3)
      var        = mean(x_centered^2, axis=0)    (1, 3)
      std        = sqrt(var + 1e-05)             (1, 3)
      x_hat      = x_centered / std              (6, 3)
      y          = x_hat gamma + beta            (6, 3)
      return y
    """
    if not callable(f):
        raise TypeError(f"trace: a function is expected, not {type(f).__name__}")
    tracer = Trace()
    named = [*zip(argument_names(f, args), args, strict=True)]
    given = [mapped(arg, partial(tracer.argument, name, weak=True)) for name, arg in named]
    fixed = {
        name: mapped(arg, partial(tracer.argument, name, weak=False))
        for name, arg in in_order(f, kwargs).items()
    }
    with tracer.running():
        result = f(*given, **fixed)
    name = getattr(f, "__name__", type(f).__name__).strip("<>")
    arguments = tracer.places(given)
    program = Program(name, arguments=arguments, **tracer.result(result))
    if not program.outputs:
        raise TypeError(f"trace: {name} returned {type(result).__name__}, and no array")
    return program


def recorded(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> Program:
    """Read the program of what was recorded eagerly. Its lengths are fixed."""
    read = Reader().read(outputs, inputs)
    places = tuple(map(Place, range(len(outputs))))
    return Program("recorded", structure=places, **read.fields(inputs, outputs))


def _gradient(program: Program, chosen: Sequence[Variable], several: bool) -> Program:
    tracer = Trace()
    values: dict[Variable, Any] = {}
    for x, example in zip(program.inputs, program.examples, strict=True):
        values[x] = tracer.input(example, x.name)
    with tracer.running(), np.errstate(all="ignore"):
        outputs = on_tensors(program, values)
        differentiable = [
            (x, y) for x, y in zip(program.outputs, outputs, strict=True) if x.dtype.kind == "f"
        ]
        if not chosen or not differentiable:
            what = "input" if not chosen else "output"
            raise ValueError(f"gradient: {program.name} has no {what} of floats")
        seeds = []
        for x, y in differentiable:
            cotangent = np.ones(np.shape(y._value), x.dtype)
            seeds.append((y, tracer.input(cotangent, f"d{x.name or 'y'}", y.shape)))
        tensors: dict[Variable, Any] = {**values, **{v: v.tensor for v in program.captured}}
        for x in chosen:
            if not tensors[x].requires_grad:
                raise ValueError(f"gradient: {x.name} was made without requires_grad=True")
        wanted = [tensors[x] for x in chosen]
        names = {id(g): str(g.name) for _, g in seeds}
        known = {id(v.tensor): v.name for v in program.captured}
        named = {e.output.name for e in program.equations}
        found: dict[int, Tensor] = {}
        for tensor, g, _ in reverse_pass(seeds, wanted, create_graph=True):
            found[id(tensor)] = g
            if (name := known.get(id(tensor), tensor.name)) is not None:
                names.setdefault(id(g), _cotangent_name(name, named, program.order))
        gradients = []
        for x, tensor in zip(chosen, wanted, strict=True):
            g = found.get(id(tensor))
            gradients.append(np.zeros_like(tensor) if g is None else g)
            names.setdefault(id(gradients[-1]), _cotangent_name(x.name or "", named, program.order))
    result: Any = tuple(gradients) if several else gradients[0]
    order = program.order + 1
    name = program.name.partition(", gradient")[0] + ", gradient"
    name += "" if order == 1 else f" of order {order}"
    numbers = [i for i, x in enumerate(program.outputs) if x.dtype.kind == "f"]

    def cotangent_of(place: Any) -> Any:
        has_one = isinstance(place, Place) and place.number in numbers
        return Place(len(program.inputs) + numbers.index(place.number)) if has_one else None

    arguments = (*program.arguments, mapped(program.structure, cotangent_of))
    return Program(name, order=order, arguments=arguments, **tracer.result(result, names))


def _cotangent_name(name: str, named: set[str | None], order: int) -> str:
    """Name a cotangent: of mu it is dmu, in the second order d2mu; of dmu it is ddmu."""
    of_cotangent = name.startswith("d") and name[1:].lstrip("0123456789") in named
    return f"d{name}" if order == 0 or of_cotangent else f"d{order + 1}{name}"


def _is_sequence(wrt: Any) -> bool:
    return isinstance(wrt, Sequence) and not isinstance(wrt, str)
