"""The call of a forward and of its backward: which argument is what, and which result.

Arguments are bound by their names; results by the names in the ``return`` and by their shapes, as
seen on the small batch of a ``Draft``. The same code binds functions and the methods of an object.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..batch import Norm
from .draft import CallError, Draft, NotUnderstoodError, TimeLimitError, fits, is_their_mistake
from .roles import gradient_of, is_upstream, plain, role_of
from .script import EPS, MOMENTUM, Step, kind_of
from .source import compared_texts, keys_of, result_names, unpacked_names

_DICTIONARY = re.compile(r".*(param|config|cfg|dict|state|option|opts|hyper|stats|settings).*")
_USUAL_KEYS = {"mode", "eps", "momentum", "running_mean", "running_var"}
_STATED = ("gamma", "beta", "running mean", "running var", "running std")
Parameters = Mapping[str, inspect.Parameter]


@dataclass(frozen=True)
class Layout:
    """How an implementation orders its axes, as code that converts from (N, D) or (N, C, H, W)."""

    name: str
    into: str = ""
    back: str = ""
    parameter: str = ""


LAYOUTS: Mapping[int, tuple[Layout, ...]] = {
    2: (Layout("(N, D)"), Layout("(D, N)", ".T", ".T", ".reshape(-1, 1)")),
    4: (
        Layout("(N, C, H, W)"),
        Layout("(N, C, H, W), gamma of shape (1, C, 1, 1)", parameter=".reshape(1, -1, 1, 1)"),
        Layout("(N, H, W, C)", ".transpose(0, 2, 3, 1)", ".transpose(0, 3, 1, 2)"),
    ),
}


def layouts_of(ndim: int, norm: Norm) -> tuple[Layout, ...]:
    """Return the orders of the axes to try. Norms over an example have the usual one."""
    return LAYOUTS[ndim] if norm.over == "batch" else LAYOUTS[ndim][: ndim // 2]


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """Return the named parameters of a function. Raises NotUnderstoodError without a signature."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise NotUnderstoodError(f"the arguments of {function!r} are not known") from None
    return {name: p for name, p in signature.parameters.items() if p.kind not in kinds}


def required(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter has no default value."""
    return parameter.default is parameter.empty


def call_text(called: str, parameters: Parameters, given: Mapping[str, str]) -> str:
    """Return the call with these arguments, by position as long as none is left out."""
    shown, by_name = [], False
    for name, parameter in parameters.items():
        if name not in given:
            by_name = True
            continue
        keyword = by_name or parameter.kind is parameter.KEYWORD_ONLY
        shown.append(f"{name}={given[name]}" if keyword else given[name])
    return f"{called}({', '.join(shown)})"


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
        self._bind()

    # --- arguments

    def _bind(self) -> None:
        roles = {name: role_of(name) for name in self.parameters}
        if not roles:
            raise NotUnderstoodError(f"{self.called}() takes no input")
        first = next(iter(roles))
        x = next((n for n, r in roles.items() if r == "x"), first)
        x = first if roles[first] not in ("gamma", "beta", "cache", "mode", "training") else x
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

    def _keep_failed(self, step: Step, error: Exception | None) -> None:
        """Keep a statement that raises, if it is right that it is judged by that."""
        if isinstance(error, CallError) and not (error.unwritten or is_their_mistake(error)):
            raise NotUnderstoodError(str(error)) from None
        self.draft.parts["forward"].append(Step(step.targets, step.expression, self.called))

    def _targets(self, result: Any) -> tuple[str, ...]:
        """Name the results: ``out``, the running statistics, and the others."""
        x = self.draft.batch.x
        if not isinstance(result, tuple | list):
            if not isinstance(result, np.ndarray):
                raise NotUnderstoodError(f"{self.called} returns {kind_of(result)}, not an array")
            return ("out",)
        names = result_names(self.function, len(result))
        alike = [i for i, each in enumerate(result) if _size(each) == x.size]
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
        """Let running statistics that are returned be handed in again at the next call."""
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
        if self.layout.back:
            self.draft.parts["test"].append(Step(("out",), f"out{self.layout.back}"))

    def _with_names(self, expression: str) -> str:
        for variable in self.stored.values():
            if variable.startswith("state_"):
                place = variable.removeprefix("state_")
                expression = re.sub(rf"\brunning_{place}\b", variable, expression)
        return expression


def _size(value: Any) -> int | None:
    return value.size if isinstance(value, np.ndarray) else None


def modes_of(code: Callable[..., Any], name: str) -> tuple[str, str]:
    """Return the texts for training and for test mode that a function compares a mode with."""
    texts = compared_texts(code, name)
    train = next((text for text in texts if "train" in text.lower()), "train")
    others = [
        text for text in texts if text != train and re.search("test|eval|inf|pred", text, re.I)
    ]
    return train, others[0] if others else "test"


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
        if (role in ("gamma", "beta") and role == "gamma") or (
            role == "beta" and plain(name) != "b"
        ):
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
        alike = [i for i, r in enumerate(result) if _size(r) == self.draft.batch.x.size]
        dx = alike[0] if alike else 0
        order = iter(wanted[1:])
        return tuple("dx" if i == dx else next(order, "_") for i in range(len(result)))
