"""The call of a forward: which argument is what, and which result.

Arguments are bound by their names; results by the names in the ``return`` and by their shapes, as
seen on the small batch of a ``Draft``. The same code binds functions and the methods of an object.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..calls import CallError, TimeLimitError
from .binding import Layout, call_text, modes_of, parameters_of, required, size_of
from .draft import Draft, NotUnderstoodError, fits, is_certain
from .roles import plain, role_of
from .script import EPS, MOMENTUM, Step, kind_of
from .source import keys_of, result_names, unpacked_names

_DICTIONARY = re.compile(r".*(param|config|cfg|dict|state|option|opts|hyper|stats|settings).*")
_USUAL_KEYS = {"mode", "eps", "momentum", "running_mean", "running_var"}
_STATED = ("gamma", "beta", "running mean", "running var", "running std")


class Forward:
    """A forward, bound to the variables of a draft: its calls in training and in test mode."""

    def __init__(
        self, draft: Draft, function: Callable[..., Any], called: str, layout: Layout,
        mode_from: Callable[..., Any] | None = None,
    ) -> None:  # fmt: skip
        self.draft, self.function, self.called, self.layout = draft, function, called, layout
        self.mode_from = mode_from or function
        self.parameters = parameters_of(function)
        self.results: dict[str, str] = {}  # the variables of the further results, by their names
        self.flags: dict[str, tuple[str, str]] = {}  # arguments that differ in test mode
        self.mode_items: list[Step] = []  # statements that switch to test mode
        self.stored: dict[str, str] = {}  # the expressions of the running statistics, by role
        self.given: dict[str, str] = {}
        self.stated: set[str] = set()  # the roles of parameters that are handed in
        self.places: Callable[[], dict[str, list[tuple[str, Any]]]] = dict  # what an object holds
        self._bind()

    # --- arguments

    def _bind(self) -> None:
        roles = {name: role_of(name) for name in self.parameters}
        if not roles:
            raise NotUnderstoodError(f"{self.called}() takes no input")
        first = next(iter(roles))
        x = next((n for n, r in roles.items() if r == "x"), first)
        other = roles[first] in ("gamma", "beta", "cache", "mode", "training")
        x = x if other or keys_of(self.function, first) else first
        unknown = []
        for name, parameter in self.parameters.items():
            value = "{x}" + self.layout.into if name == x else self._argument(parameter)
            if value is not None:
                self.given[name] = value
            elif required(parameter):
                unknown.append(name)
        if unknown:
            taken = ", ".join(self.parameters)
            raise NotUnderstoodError(
                f"{self.called}({taken}) also needs {', '.join(unknown)}, "
                "whose meaning the judge does not know"
            )

    def _argument(self, parameter: inspect.Parameter) -> str | None:
        name, role = parameter.name, role_of(parameter.name)
        if name in ("self", "axis"):
            return None
        if role in _STATED:
            return self._stated(role, required(parameter) or parameter.default is None)
        if role == "eps":
            return f"{EPS}"
        if role == "momentum":
            return f"{MOMENTUM}" if required(parameter) else None
        if role == "groups":
            return "2 - gamma.size % 2"
        if role in ("training", "testing", "mode"):
            return self._flag(name, role, parameter.default)
        unpacked = unpacked_names(self.function, name)
        if unpacked and all(role_of(each) in _STATED for each in unpacked):
            values = [self._stated(role_of(each) or "", True) for each in unpacked]
            return f"({', '.join(filter(None, values))})"
        keys = keys_of(self.function, name)
        if keys or (_DICTIONARY.fullmatch(plain(name)) and required(parameter)):
            return self._dictionary(name, keys)
        return None

    def _stated(self, role: str, wanted: bool) -> str | None:
        """Return the variable of a parameter or of a running statistic."""
        if role in ("gamma", "beta"):
            self.stated.add(role)
            return role + self.layout.parameter
        if not wanted:
            return None
        variable = "running_mean" if role == "running mean" else "running_var"
        self.stored["running mean" if role == "running mean" else "running var"] = variable
        return variable + self.layout.parameter

    def _flag(self, name: str, role: str, default: Any) -> str:
        if role == "mode" and not isinstance(default, bool):
            train, test = modes_of(self.function, name)
            self.flags[name] = f'"{train}"', f'"{test}"'
        else:
            training = role != "testing"
            self.flags[name] = str(training), str(not training)
        return self.flags[name][0]

    def _dictionary(self, name: str, keys: Mapping[str, bool]) -> str:
        """Make a dictionary with the keys that are read of it, and return its name."""
        values: dict[str, str] = {}
        if set(keys) <= _USUAL_KEYS:
            keys = dict.fromkeys(("mode", "eps", "momentum", "running_mean", "running_var"), True)
        for key, needed in keys.items():
            role = role_of(key)
            if role == "mode":
                train, test = modes_of(self.function, key)
                values[key] = f'"{train}"'
                self.mode_items.append(Step((f'{name}["{key}"]',), f'"{test}"'))
            elif role in ("training", "testing"):
                values[key] = str(role == "training")
                self.mode_items.append(Step((f'{name}["{key}"]',), str(role != "training")))
            elif role in _STATED:
                value = self._stated(role, True)
                values[key] = value or ""
                if role.startswith("running"):
                    place = "running mean" if role == "running mean" else "running var"
                    self.stored[place] = f'{name}["{key}"]'
            elif role in ("eps", "momentum"):
                values[key] = f"{EPS if role == 'eps' else MOMENTUM}"
            elif needed:
                raise NotUnderstoodError(f'{self.called} reads {name}["{key}"], which is not known')
        items = [f'"{key}": {value}' for key, value in values.items()]
        text = "{" + ", ".join(items) + "}"
        if len(items) > 3:
            text = "{" + ", ".join(items[:3]) + ",\n            " + ", ".join(items[3:]) + "}"
        self.draft.do("setup", Step((name,), text))
        return name

    # --- results

    def run(self) -> Any:
        """Run the forward in training mode, write its statement, and return its result."""
        expression = call_text(self.called, self.parameters, self.given)
        usual = Step(("out", "cache") if "." not in self.called else ("out",), expression)
        try:
            result = self.draft.look(expression, usual.shown())
        except (CallError, TimeLimitError) as error:
            self._keep_failed(usual, error)
            return None
        if isinstance(result, dict) or (result is None and self._kept_output()):
            return self._take_out(result, expression)
        if result is None or (isinstance(result, tuple | list) and result and result[0] is None):
            more = len(result) - 1 if isinstance(result, tuple | list) else 0
            usual = Step(("out", *["_"] * more), expression)
            self._keep_failed(usual, None)
            return None
        step = Step(self._targets(result), self._with_state(expression), self.called)
        self.draft.do("forward", step)
        if self.layout.back:
            self.draft.do("forward", Step(("out",), f"out{self.layout.back}"))
        self._find_stored()
        return self.draft.value("out")

    def _kept_output(self) -> str | None:
        """Return where an object keeps its output, if the forward returns none."""
        x = self.draft.batch.x
        spots = self.places().get("out", [])
        return next((e for e, v in spots if size_of(v) == x.size), None)

    def _take_out(self, result: dict[Any, Any] | None, expression: str) -> Any:
        """Write a forward that returns a dictionary, or leaves its output in the object."""
        if result is None:
            call, place = Step((), expression, self.called), self._kept_output()
        else:
            call = Step(("cache",), expression, self.called)
            keys = [k for k, v in result.items() if isinstance(k, str) and role_of(k) == "out"
                    and size_of(v) == self.draft.batch.x.size]  # fmt: skip
            if not keys:
                known = ", ".join(map(str, result))
                raise NotUnderstoodError(
                    f"{self.called} returns a dictionary with {known}; which of them is the output?"
                )
            place = f'cache["{keys[0]}"]'
            self.results = {"cache": "cache"}
        for step in (call, Step(("out",), f"{place}{self.layout.back}")):
            self.draft.do("forward", step)
        self._find_stored()
        return self.draft.value("out")

    def _keep_failed(self, step: Step, error: Exception | None) -> None:
        """Keep a statement that raises, if it is right that it is judged by that."""
        if isinstance(error, CallError) and not (error.unwritten or is_certain(error)):
            raise NotUnderstoodError(str(error)) from None
        self.draft.parts["forward"].append(Step(step.targets, step.expression, self.called))

    def _targets(self, result: Any) -> tuple[str, ...]:
        """Name the results: ``out``, the running statistics, and the others."""
        x = self.draft.batch.x
        if not isinstance(result, tuple | list) or not any(
            isinstance(each, np.ndarray) for each in result
        ):
            if not isinstance(result, np.ndarray):
                raise NotUnderstoodError(f"{self.called} returns {kind_of(result)}, not an array")
            return ("out",)
        names = result_names(self.function, len(result))
        alike = [i for i, each in enumerate(result) if size_of(each) == x.size]
        out = alike[0] if alike else 0
        others = [i for i in range(len(result)) if i != out]
        targets = []
        for i, name in enumerate(names):
            role = role_of(name or "")
            if i == out:
                targets.append("out")
            elif role in ("running mean", "running var", "running std"):
                place = "mean" if role == "running mean" else "var"
                self.stored[f"running {place}"] = f"state_{place}"
                targets.append(f"state_{place}")
            elif len([j for j in others if role_of(names[j] or "") not in _STATED]) == 1:
                targets.append("cache")
                self.results[name or "cache"] = "cache"
            else:
                variable = f"result_{i}" if name is None or name in self.draft.things else name
                if variable in ("x", "out", "gamma", "beta", "np", "dout", "running_mean",
                                "running_var", "_"):  # fmt: skip
                    variable = f"their_{variable}"
                targets.append(variable)
                self.results[name or variable] = variable
        return tuple(targets)

    def _with_state(self, expression: str) -> str:
        """Pass running statistics that are returned in again at the next call."""
        returned = [v for v in self.stored.values() if v.startswith("state_")]
        for variable in returned:
            place = variable.removeprefix("state_")
            if re.search(rf"\brunning_{place}\b", expression):
                expression = re.sub(rf"\brunning_{place}\b", variable, expression)
                self.draft.do("setup", Step((variable,), f"running_{place}"))
        return expression

    def _find_stored(self) -> None:
        """Find where the running statistics are now. Arrays that did not change are not stored."""
        pair = [self.stored.get(f"running {each}") for each in ("mean", "var")]
        before = self.draft.batch.running_mean, self.draft.batch.running_var
        for place, old in zip(pair, before, strict=True):
            if place is None:
                return
            if place in ("running_mean", "running_var"):
                if np.array_equal(self.draft.value(place), old):
                    return
            elif not fits(self.draft.session.value_of(place), self.draft.batch):
                return
        self.draft.running = (pair[0] or "", pair[1] or "")

    def add_test_mode(self) -> None:
        """Write the statements of test mode, if an argument or a dictionary switches to it."""
        if not self.flags and not self.mode_items:
            return
        for step in self.mode_items:
            self.draft.do("test", step)
        given = {**self.given, **{name: test for name, (_, test) in self.flags.items()}}
        forward = self.draft.parts["forward"][0]
        expression = self._with_names(call_text(self.called, self.parameters, given))
        targets = forward.targets
        try:
            result = self.draft.look(expression, Step(targets, expression).shown())
            if isinstance(result, np.ndarray):
                targets = ("out",)
            elif isinstance(result, tuple | list) and len(result) != len(targets):
                targets = ("out", *["_"] * (len(result) - 1))
        except (CallError, TimeLimitError):
            pass  # the examples report it
        self.draft.parts["test"].append(Step(targets, expression, self.called))
        more = self.draft.parts["forward"][1:]
        if more:
            self.draft.parts["test"] += more
        elif self.layout.back:
            self.draft.parts["test"].append(Step(("out",), f"out{self.layout.back}"))

    def _with_names(self, expression: str) -> str:
        for variable in self.stored.values():
            if variable.startswith("state_"):
                place = variable.removeprefix("state_")
                expression = re.sub(rf"\brunning_{place}\b", variable, expression)
        return expression
