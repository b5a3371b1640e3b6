"""The call of a backward: which argument is what, and which result is dx, dgamma and dbeta."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..calls import CallError, TimeLimitError
from .binding import call_text, modes_of, parameters_of, required, size_of
from .draft import Draft, NotUnderstoodError, is_their_mistake
from .forward import Forward
from .roles import gradient_of, is_upstream, role_of
from .script import EPS, Step, kind_of
from .source import result_names


class Backward:
    """A backward, bound to the results of a forward."""

    def __init__(
        self, draft: Draft, forward: Forward, function: Callable[..., Any], called: str
    ) -> None:
        self.draft, self.forward, self.function, self.called = draft, forward, function, called
        self.parameters = parameters_of(function)
        self.rate = False
        self.given = self._bind()

    def _bind(self) -> dict[str, str]:
        given: dict[str, str] = {}
        unknown: list[str] = []
        layout, results = self.forward.layout, self.forward.results
        dout = "dout" + layout.into
        for place, (name, parameter) in enumerate(self.parameters.items()):
            value = results.get(name) or self._by_role(name, parameter)
            taken = dout in given.values()
            if not taken and (is_upstream(name) or (place == 0 and value is None)):
                value = dout
            if value is not None:
                given[name] = value
            elif required(parameter):
                unknown.append(name)
        if dout not in given.values() and unknown:
            given[unknown.pop(0)] = dout
        left = [v for v in results.values() if v not in given.values()]
        if unknown and len(unknown) == len(left):
            given |= dict(zip(unknown, left, strict=True))
            unknown = []
        if unknown or (dout not in given.values() and self.parameters):
            taken_names = ", ".join(self.parameters)
            raise NotUnderstoodError(
                f"{self.called}({taken_names}) needs {', '.join(unknown) or 'no gradient'}, "
                "which the forward does not return"
            )
        return given

    def _by_role(self, name: str, parameter: inspect.Parameter) -> str | None:
        role, layout = role_of(name), self.forward.layout
        if role in ("gamma", "beta"):
            return f"{role}{layout.parameter}"
        if role == "x":
            return "x" + layout.into
        if role == "eps":
            return f"{EPS}"
        if role == "groups":
            return "2 - gamma.size % 2"
        if role == "rate":
            self.rate = True
            return "1.0"
        if role in ("training", "testing"):
            return str(role == "training")
        handed = self.forward.given.get(name)
        if handed == name:  # a dictionary that the forward was called with
            return handed
        if role == "mode" and required(parameter):
            return f'"{modes_of(self.function, name)[0]}"'
        if role in ("batch mean", "batch var", "batch std", "x_hat"):
            for result, variable in self.forward.results.items():
                if role_of(result) == role:
                    return variable
        if role == "cache" and "cache" in self.forward.results.values():
            return "cache"
        return None

    def run(self) -> Any:
        """Run the backward; return its result. Raises NotUnderstoodError if the call is wrong."""
        expression = self.expression
        try:
            return self.draft.look(expression, f"dx, dgamma, dbeta = {expression}")
        except TimeLimitError:
            return None
        except CallError as error:
            if error.unwritten or is_their_mistake(error):
                return None
            raise NotUnderstoodError(str(error)) from None

    @property
    def expression(self) -> str:
        """Return the call."""
        return call_text(self.called, self.parameters, self.given)

    def write(self, result: Any) -> None:
        """Write the statements that make dx, dgamma and dbeta of the results of the call."""
        draft, expression = self.draft, self.expression
        wanted = ["dx", "dgamma", "dbeta"] if draft.batch.norm.shifted else ["dx", "dgamma"]
        draft.gradients = tuple(wanted)
        steps: list[Step]
        if isinstance(result, dict):
            steps = [
                Step(("grads",), expression, self.called),
                self._items("grads", result, wanted),
            ]
        elif isinstance(result, tuple | list) and any(isinstance(r, dict) for r in result):
            names = ["grads" if isinstance(r, dict) else "_" for r in result]
            names[next((i for i, r in enumerate(result) if np.shape(r) == np.shape(
                draft.value("dout")) or names[i] == "_"), 0)] = "dx"  # fmt: skip
            grads = next(r for r in result if isinstance(r, dict))
            steps = [
                Step(tuple(names), expression, self.called),
                self._items("grads", grads, wanted[1:]),
            ]
        elif result is None:
            steps = [Step(tuple(wanted), expression, self.called)]
        elif isinstance(result, tuple | list) and len(result) >= len(wanted):
            steps = [Step(self._order(result, wanted), expression, self.called)]
        else:
            came = f"{len(result)} values" if isinstance(result, tuple | list) else kind_of(result)
            raise NotUnderstoodError(
                f"{self.called} must return the {len(wanted)} values {', '.join(wanted)}; "
                f"it returned {came}"
            )
        layout = self.forward.layout
        if layout.back:
            steps.append(Step(("dx",), f"dx{layout.back}"))
        if layout.parameter:
            steps += [Step((name,), f"{name}.reshape(gamma.shape)") for name in wanted[1:]]
        draft.parts["backward"] += steps

    def _items(self, variable: str, grads: Mapping[Any, Any], wanted: Sequence[str]) -> Step:
        found = []
        for name in wanted:
            keys = [k for k in grads if isinstance(k, str)
                    and name.removeprefix("d") in (gradient_of(k), role_of(k))]  # fmt: skip
            if not keys:
                raise NotUnderstoodError(
                    f"{self.called} returns a dictionary with {', '.join(map(str, grads))}; "
                    f"which of them is {name}?"
                )
            found.append(f'{variable}["{keys[0]}"]')
        return Step(tuple(wanted), ", ".join(found))

    def _order(self, result: Sequence[Any], wanted: Sequence[str]) -> tuple[str, ...]:
        """Name the results by the names in the ``return``, else by their shapes, else in order."""
        names = [f"d{gradient_of(name or '')}" for name in result_names(self.function, len(result))]
        if all(names.count(each) == 1 for each in wanted):
            return tuple(name if name in wanted else "_" for name in names)
        alike = [i for i, r in enumerate(result) if size_of(r) == self.draft.batch.x.size]
        dx = alike[0] if alike else 0
        order = iter(wanted[1:])
        return tuple("dx" if i == dx else next(order, "_") for i in range(len(result)))
