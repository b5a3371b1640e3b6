"""The script of a class: how an object is made, filled with parameters, run, and read out.

An object is made and looked into. Where it holds gamma, beta, the running statistics and, after a
backward, the gradients, is found by the names of its attributes, dictionaries, lists and
parameter objects.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..batch import BATCH_NORM, RMS_NORM_WITH_BETA, Norm, probe
from ..calls import Caller
from .binding import (
    Backward,
    Forward,
    Layout,
    call_text,
    layouts_of,
    modes_of,
    parameters_of,
    required,
)
from .draft import (
    CallError,
    Draft,
    NotUnderstoodError,
    TimeLimitError,
    fits,
    places_of,
)
from .functions import GRADIENTS, add_backward, home_of
from .norms import axes_to_try, is_close, named_norm
from .roles import plain, role_of
from .script import EPS, Step, Subject

FORWARDS = ("forward", "forward_pass", "fprop", "fwd", "feedforward", "feed_forward",
            "forward_prop", "forward_propagation", "forwardpass", "call", "__call__")  # fmt: skip
BACKWARDS = ("backward", "backward_pass", "bprop", "bwd", "backprop", "backward_prop", "backwards",
             "back_propagation", "backward_propagation", "backwardpass", "gradient")  # fmt: skip
INFERENCES = ("predict", "inference", "forward_test", "test", "infer", "forward_inference")
BUILDERS = ("set_input_shape", "build", "initialize", "init", "init_params", "init_weights",
            "initialize_parameters", "setup", "compile")  # fmt: skip
MODES = ("training", "is_training", "train", "istrain", "is_train", "train_mode", "trainable",
         "mode", "phase", "train_flg", "eval_mode", "testing", "test_mode")  # fmt: skip
OPTIMIZER = '''class Descent:
    """An optimizer with learning rate 1: the change of a parameter is its gradient."""

    def update(self, w, grad, *more):
        return w - grad'''


class Descent:
    """An optimizer with learning rate 1, whose update shows the gradient."""

    def update(self, w: Any, grad: Any, *more: Any) -> Any:
        """Return the parameter after the step."""
        return w - grad


def method_of(kind: type, names: tuple[str, ...]) -> str | None:
    """Return the first of the methods that a class defines."""
    return next((n for n in names if inspect.isfunction(getattr(kind, n, None))), None)


def looks_like_a_layer(kind: type) -> bool:
    """Return whether a class has a forward and a backward."""
    return bool(method_of(kind, FORWARDS) and method_of(kind, BACKWARDS))


def layers(
    kind: type, ndim: int | None = None, *, call: Caller | None = None, name: str = ""
) -> list[Subject]:
    """Make the subjects of a class: one for each number of axes that it runs on, or for `ndim`.

    Raises NothingToJudgeError if no way to use it is found.
    """
    call, name = call or Caller(5.0, 60.0), name or kind.__name__
    forward = method_of(kind, FORWARDS)
    if forward is None:
        raise NotUnderstoodError(f"the class {name} has no method forward")
    norm = named_norm(name) or BATCH_NORM
    drafts: list[tuple[Draft, Forward]] = []
    reasons: list[NotUnderstoodError] = []
    for n in [ndim] if ndim else axes_to_try(name, norm):
        for layout in layouts_of(n, norm):
            try:
                draft, bound, out = _draft_of(kind, name, n, norm, layout, call)
            except NotUnderstoodError as reason:
                reasons.append(reason)
                continue
            drafts.append((draft, bound))
            if is_close(out, draft.batch):
                break  # no other order of the axes needs to be tried
    if not drafts:
        raise reasons[0]
    close = [d for d in drafts if is_close(d[0].value("out"), d[0].batch)]
    ran = [d for d in drafts if np.shape(d[0].value("out")) == d[0].batch.x.shape]
    return [_finished(*each, kind, name) for each in close or ran[:1] or drafts[:1]]


def _draft_of(
    kind: type, name: str, ndim: int, norm: Norm, layout: Layout, call: Caller
) -> tuple[Draft, Forward, Any]:
    draft = Draft(call, {name: kind}, probe(ndim, 1.0, norm), (name,))
    _construct(draft, kind, name)
    layer = draft.value("layer")
    held = places_of(layer, "layer")
    method = method_of(kind, FORWARDS) or "forward"
    called = "layer" if method == "__call__" else f"layer.{method}"
    if norm.name == "RMS norm" and (held.get("beta") or _takes(kind, "beta")):
        draft.batch = probe(ndim, 1.0, RMS_NORM_WITH_BETA)
    function = getattr(layer, method)
    bound = Forward(draft, function, called, layout, kind)
    _switch(draft, kind, bound, training=True)
    in_forward = {role_of(n) for n in bound.given}
    if "gamma" not in in_forward and not _holds(held, draft, "gamma"):
        _build(draft, kind, layer, bound)
    _set(draft, in_forward)
    out = bound.run()
    return draft, bound, out


def _takes(kind: type, role: str) -> bool:
    return any(role_of(name) == role for name in parameters_of(kind))


def _holds(held: dict[str, list[tuple[str, Any]]], draft: Draft, role: str) -> bool:
    return any(fits(value, draft.batch) for _, value in held.get(role, ()))


# --- making an object


def _construct(draft: Draft, kind: type, name: str) -> None:
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
    if role in ("size", "x") or plain(name) in ("m", "k", "l", "h"):
        return "gamma.size"
    texts = {"eps": f"{EPS}", "momentum": "0.9", "name": '"norm"', "rate": "1.0", "mode": '"train"'}
    return texts.get(role or "", "True" if role == "training" else None)


def _build(draft: Draft, kind: type, layer: Any, bound: Forward) -> None:
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
    if _holds(places_of(layer, "layer"), draft, "gamma"):
        return
    expression = call_text(bound.called, bound.parameters, bound.given)
    try:
        draft.do("setup", Step((), expression))
    except (CallError, TimeLimitError) as error:
        raise NotUnderstoodError(str(error)) from None


def _set(draft: Draft, in_forward: set[str | None]) -> None:
    """Set the parameters and the running statistics where the object holds them."""
    layer, batch = draft.value("layer"), draft.batch
    held = places_of(layer, "layer")
    for role in ("gamma", "beta") if batch.norm.shifted else ("gamma",):
        spots = [(e, v) for e, v in held.get(role, ()) if fits(v, batch)]
        given = any(v is draft.value(role) for _, v in spots)
        for expression, value in () if given or role in in_forward else spots:
            text = role if value.shape == batch.gamma.shape else f"{role}.reshape({value.shape})"
            text = text.replace(f"{batch.gamma.size}", "-1")
            if _learns_itself(draft):
                text = f"{text}.copy()" if text == role else text
            draft.do("setup", Step((expression,), text))
        if not spots and role not in in_forward:
            known = ", ".join(sorted(vars(layer))) if hasattr(layer, "__dict__") else ""
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


def _learns_itself(draft: Draft) -> bool:
    """Return whether the backward may change the parameters: it then gets copies."""
    method = method_of(type(draft.value("layer")), BACKWARDS)
    names = parameters_of(getattr(draft.value("layer"), method)) if method else {}
    return bool(draft.prelude) or any(role_of(name) == "rate" for name in names)


# --- training and test mode


def _switch(draft: Draft, kind: type, bound: Forward, *, training: bool) -> bool:
    """Write the statement that switches the mode of an object, if it has such a switch."""
    if bound.flags or bound.mode_items:
        return True
    layer, part = draft.value("layer"), "setup" if training else "test"
    method = getattr(layer, "train" if training else "eval", None)
    if inspect.ismethod(method) and not [p for p in parameters_of(method).values() if required(p)]:
        step = Step((), f"layer.{'train' if training else 'eval'}()")
    else:
        name = next((n for n in MODES if isinstance(getattr(layer, n, None), bool | str)), None)
        if name is None:
            return False
        if isinstance(getattr(layer, name), str):
            text = f'"{modes_of(kind, name)[0 if training else 1]}"'
        else:
            text = str(training == (role_of(name) != "testing"))
        step = Step((f"layer.{name}",), text)
    try:
        draft.do(part, step)
    except CallError:
        return False
    return True


def _add_test_mode(draft: Draft, kind: type, bound: Forward) -> None:
    if draft.running is None:
        return
    if bound.flags or bound.mode_items:
        bound.add_test_mode()
    elif _switch(draft, kind, bound, training=False):
        draft.parts["test"] += draft.parts["forward"]
    else:
        method = method_of(kind, INFERENCES)
        if method:
            function = getattr(draft.value("layer"), method)
            other = Forward(draft, function, f"layer.{method}", bound.layout, kind)
            expression = call_text(other.called, other.parameters, other.given)
            draft.parts["test"].append(Step(("out",), expression, other.called))
            if bound.layout.back:
                draft.parts["test"].append(Step(("out",), f"out{bound.layout.back}"))


# --- the backward


def _finished(draft: Draft, bound: Forward, kind: type, name: str) -> Subject:
    method = method_of(kind, BACKWARDS)
    if method is None:
        draft.missing["backward"] = f"the class {name} has no method backward"
    else:
        function = getattr(draft.value("layer"), method)
        _add_layer_backward(draft, bound, function, f"layer.{method}")
    _add_test_mode(draft, kind, bound)
    shown, back = ", ".join(bound.given), ", ".join(parameters_of(getattr(kind, method or "")))\
        .removeprefix("self, ") if method else ""  # fmt: skip
    what = "" if draft.batch.norm.over == "batch" else f"{draft.batch.norm.name}: "
    backs = f" and {method}({back})" if method else ""
    front = bound.called.removeprefix("layer").lstrip(".") or "__call__"
    convention = f"{what}class with {front}({shown}){backs}, x of shape {bound.layout.name}"
    return draft.subject(convention, home_of(kind))


def _add_layer_backward(
    draft: Draft, bound: Forward, function: Callable[..., Any], called: str
) -> None:
    """Write the backward of an object: its gradients are returned, or are found in the object."""
    wanted = ("gamma", "beta") if draft.batch.norm.shifted else ("gamma",)
    draft.gradients = ("dx", *(f"d{each}" for each in wanted))
    if draft.value("out") is None:
        draft.parts["backward"].append(Step(("dx",), f"{called}(dout)", called))
        draft.gradients = ("dx",)
        return
    try:
        backward = Backward(draft, bound, function, called)
        result = backward.run()
    except NotUnderstoodError as reason:
        draft.unjudged[GRADIENTS] = str(reason)
        return
    several = isinstance(result, tuple | list | dict)
    if several and len(result) > 1:
        add_backward(draft, bound, function, called)
        held = places_of(draft.value("layer"), "layer")
        for each in wanted:  # shaped as the object's own parameter, such as (1, D)
            shapes = {np.shape(v) for _, v in held.get(each, ()) if fits(v, draft.batch)}
            shape = np.shape(draft.value(f"d{each}"))
            if shape in shapes and shape != draft.batch.gamma.shape:
                text = f"d{each}.reshape(gamma.shape)"
                draft.parts["backward"].append(Step((f"d{each}",), text))
        return
    step = Step(("dx",), backward.expression, called)
    if several:
        step = Step(
            ("(dx,)",) if isinstance(result, tuple) else ("[dx]",), backward.expression, called
        )
    draft.parts["backward"].append(step)
    if bound.layout.back:
        draft.parts["backward"].append(Step(("dx",), f"dx{bound.layout.back}"))
    if result is None:  # not written yet, or it raises
        draft.gradients = ("dx",)
        return
    _read_gradients(draft, wanted)


def _read_gradients(draft: Draft, wanted: tuple[str, ...]) -> None:
    held, batch = places_of(draft.value("layer"), "layer"), draft.batch
    expressions, missing = [], []
    for each in wanted:
        found = [(e, v) for e, v in held.get(f"d {each}", ()) if fits(v, batch)]
        found.sort(key=lambda spot: not np.any(spot[1]))  # one that is still 0 comes last
        if found:
            flat = found[0][1].shape != batch.gamma.shape
            place = next((e for e, v in held.get(each, ()) if fits(v, batch)), None)
            matches = place and np.shape(draft.session.value_of(place)) == found[0][1].shape
            shaped = ".reshape(gamma.shape)" if flat and matches else ""
            expressions.append(f"{found[0][0]}{shaped}")
            continue
        place = next((e for e, v in held.get(each, ()) if fits(v, batch)), None)
        if place is None or not _learns_itself(draft):
            missing.append(f"d{each}")
            continue
        # It learned by itself, with rate 1: the change of the parameter is its gradient.
        expressions.append(f"{each} - {place}.reshape(gamma.shape)")
    if missing:
        known = ", ".join(sorted(vars(draft.value("layer"))))
        draft.unjudged[" and ".join(missing)] = (
            f"not found after the backward: it is not returned, and the object has {known}"
        )
    names = tuple(f"d{each}" for each in wanted if f"d{each}" not in missing)
    draft.gradients = ("dx", *names)
    if names:
        draft.parts["backward"].append(Step(names, ", ".join(expressions)))
    if any(" - layer" in e for e in expressions):
        for each in wanted:
            for place, value in held.get(each, ()):
                if fits(value, batch):
                    shape = "" if value.shape == batch.gamma.shape else f".reshape{value.shape}"
                    draft.parts["backward"].append(Step((place,), f"{each}{shape or '.copy()'}"))
