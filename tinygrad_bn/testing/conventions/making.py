"""Objects of a class: made, built, and filled with parameters and running statistics.

An object is made and looked into. Where it holds gamma, beta and the running statistics is found by
the names of its attributes, dictionaries, lists and parameter objects.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from ..calls import CallError, TimeLimitError
from .binding import call_text, parameters_of, required
from .draft import Draft, NotUnderstoodError, attributes_of, fits, places_of
from .forward import Forward
from .roles import plain, role_of
from .script import EPS, Step

FORWARDS = r"(forward|fwd|fprop|feed_?forward)(_?(pass|prop\w*|train\w*))?|call|__call__"
BACKWARDS = r"(backwards?|bwd|bprop|backprop|back_propagation|gradient)(_?(pass|prop\w*))?"
BUILDERS = ("set_input_shape", "build", "initialize", "init", "init_params", "init_weights",
            "initialize_parameters", "setup", "compile")  # fmt: skip
OPTIMIZER = '''class Descent:
    """An optimizer with learning rate 1: the change of a parameter is its gradient."""

    def update(self, w, grad, *more):
        return w - grad'''


class Descent:
    """An optimizer with learning rate 1, whose update shows the gradient."""

    def update(self, w: Any, grad: Any, *more: Any) -> Any:
        """Return the parameter after the step."""
        return w - grad


def method_of(kind: type, pattern: str) -> str | None:
    """Return the method of a class whose name matches; a plain name before ``__call__``."""
    names = [
        n for n in dir(kind) if re.fullmatch(pattern, n) and inspect.isroutine(getattr(kind, n))
    ]
    own = [n for n in names if not n.startswith("__") or inspect.isfunction(getattr(kind, n))]
    return min(own, key=lambda n: (n.startswith("__"), len(n)), default=None)


def construct(draft: Draft, kind: type, name: str) -> None:
    """Write ``layer = ...``: each argument is guessed from its name."""
    try:
        parameters = parameters_of(kind)
    except NotUnderstoodError:
        parameters = {}
    given: dict[str, str] = {}
    unknown: list[str] = []
    for each, parameter in parameters.items():
        value = _argument(each, parameter, draft)
        if value is not None:
            given[each] = value
        elif required(parameter):
            unknown.append(each)
    gap = NotUnderstoodError(
        f"{name} is made of ({', '.join(parameters)}), and the judge does not know what "
        f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'}"
    )
    guessed = len(unknown) == 1 and not given
    if guessed:
        given[unknown[0]] = "gamma.size"
    elif unknown:
        raise gap
    step = Step(("layer",), call_text(name, parameters, given))
    try:
        draft.do("setup", step)
    except CallError as error:
        raise gap if guessed else NotUnderstoodError(f"{name} cannot be made: {error}") from None


def _argument(name: str, parameter: inspect.Parameter, draft: Draft) -> str | None:
    role, wanted = role_of(name), required(parameter)
    if role in ("gamma", "beta") and wanted:
        return role
    if role in ("running mean", "running var") and (wanted or parameter.default is None):
        return role.replace(" ", "_")
    if role == "groups":
        return "2 - gamma.size % 2"
    if not wanted:
        return None
    if role == "shape":
        return "{x}.shape[1:]" if draft.batch.x.ndim == 2 else "gamma.shape"
    if role in ("size", "x", "out") or plain(name) in ("m", "k", "l", "h"):
        return "gamma.size"
    texts = {"eps": f"{EPS}", "momentum": "0.9", "name": '"norm"', "rate": "1.0", "mode": '"train"'}
    return texts.get(role or "", "True" if role == "training" else None)


def build(draft: Draft, layer: Any, bound: Forward) -> None:
    """Make the parameters of an object that has none yet: by its own method, or by a forward."""
    for name in BUILDERS:
        method = getattr(layer, name, None)
        if not inspect.ismethod(method):
            continue
        given: dict[str, str] = {}
        for each, parameter in parameters_of(method).items():
            role = role_of(each)
            if role == "optimizer":
                draft.prelude = OPTIMIZER
                draft.things["Descent"] = draft.session.values["Descent"] = Descent
                given[each] = "Descent()"
            elif role == "size":
                given[each] = "gamma.size"
            elif required(parameter):
                given[each] = "gamma.shape" if name == "set_input_shape" else "{x}.shape"
        try:
            draft.do("setup", Step((), call_text(f"layer.{name}", parameters_of(method), given)))
        except CallError as error:
            if not error.unwritten:
                raise NotUnderstoodError(str(error)) from None
    if holds(places_of(layer, "layer"), draft, "gamma"):
        return
    expression = call_text(bound.called, bound.parameters, bound.given)
    try:
        draft.do("setup", Step((), expression))
    except (CallError, TimeLimitError) as error:
        raise NotUnderstoodError(str(error)) from None


def set_values(draft: Draft, in_forward: set[str]) -> None:
    """Set the parameters and the running statistics where the object holds them."""
    layer, batch = draft.value("layer"), draft.batch
    held = places_of(layer, "layer")
    for role in ("gamma", "beta") if batch.norm.shifted else ("gamma",):
        spots = [(e, v) for e, v in held.get(role, ()) if fits(v, batch)]
        given = any(v is draft.value(role) for _, v in spots)
        for expression, value in () if given or role in in_forward else spots:
            text = role if value.shape == batch.gamma.shape else f"{role}.reshape({value.shape})"
            text = text.replace(f"{batch.gamma.size}", "-1")
            if learns_itself(draft):
                text = f"{text}.copy()" if text == role else text
            draft.do("setup", Step((expression,), text))
        if not spots and role not in in_forward:
            known = ", ".join(sorted(attributes_of(layer)))
            raise NotUnderstoodError(
                f"where does the object keep {role}? It has the attributes {known or 'none'}"
            )
    stored = {}
    for role, variable in (("running mean", "running_mean"), ("running var", "running_var"),
                           ("running std", "running_var")):  # fmt: skip
        for expression, value in held.get(role, ())[:1]:
            stored[variable] = expression
            if value is draft.value(variable):
                continue
            shape = getattr(value, "shape", batch.gamma.shape)
            if value is not None and not fits(value, batch) and shape != ():
                continue
            text = variable if shape in (batch.gamma.shape, ()) else f"{variable}.reshape({shape})"
            draft.do("setup", Step((expression,), text.replace(f"{batch.gamma.size}", "-1")))
    if len(stored) == 2:
        draft.running = stored["running_mean"], stored["running_var"]


def learns_itself(draft: Draft) -> bool:
    """Return whether the backward may change the parameters: it then gets copies."""
    method = method_of(type(draft.value("layer")), BACKWARDS)
    names = parameters_of(getattr(draft.value("layer"), method)) if method else {}
    return bool(draft.prelude) or any(role_of(name) == "rate" for name in names)


def holds(held: dict[str, list[tuple[str, Any]]], draft: Draft, role: str) -> bool:
    """Return whether an object holds an array for each feature in this role."""
    return any(fits(value, draft.batch) for _, value in held.get(role, ()))
