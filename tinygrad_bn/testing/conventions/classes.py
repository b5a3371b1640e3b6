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
from ..calls import Caller, CallError
from .backward import Backward
from .binding import (
    Layout,
    call_text,
    layouts_of,
    modes_of,
    parameters_of,
    required,
)
from .draft import Draft, NotUnderstoodError, attributes_of, fits, places_of
from .forward import Forward
from .functions import GRADIENTS, add_backward, home_of
from .making import (
    BACKWARDS,
    FORWARDS,
    build,
    construct,
    holds,
    learns_itself,
    method_of,
    set_values,
)
from .norms import axes_to_try, is_close, named_norm
from .roles import role_of
from .script import Step, Subject
from .source import compared_texts

INFERENCES = r"predict|inference|infer|test|forward_(test|inference|eval)"
MODES = ("training", "is_training", "train", "istrain", "is_train", "train_mode",
         "mode", "phase", "train_flg", "eval_mode", "testing", "test_mode")  # fmt: skip


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
    construct(draft, kind, name)
    layer = draft.value("layer")
    held = places_of(layer, "layer")
    method = method_of(kind, FORWARDS) or "forward"
    called = "layer" if method == "__call__" else f"layer.{method}"
    if norm.name == "RMS norm" and (held.get("beta") or _takes(kind, "beta")):
        draft.batch = probe(ndim, 1.0, RMS_NORM_WITH_BETA)
    function = getattr(layer, method)
    bound = Forward(draft, function, called, layout, kind)
    _switch(draft, kind, bound, training=True)
    in_forward = bound.stated
    if "gamma" not in in_forward and not holds(held, draft, "gamma"):
        build(draft, layer, bound)
    set_values(draft, in_forward)
    bound.places = lambda: places_of(layer, "layer")
    out = bound.run()
    return draft, bound, out


def _takes(kind: type, role: str) -> bool:
    return any(role_of(name) == role for name in parameters_of(kind))


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
        name = next((n for n in MODES if _switches(kind, n, getattr(layer, n, None))), None)
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


def _switches(kind: type, name: str, value: Any) -> bool:
    """Return whether an attribute switches between training and test mode."""
    if isinstance(value, str):
        return any("train" in text.lower() for text in compared_texts(kind, name))
    return isinstance(value, bool)


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
    if result is None:
        spots = places_of(draft.value("layer"), "layer").get("d x", [])
        kept = [e for e, v in spots if np.shape(v) == np.shape(draft.value("dout"))]
        if not kept:  # not written yet, or it raises
            draft.gradients = ("dx",)
            return
        draft.parts["backward"] = [
            Step((), backward.expression, called), Step(("dx",), kept[0] + bound.layout.back)
        ]  # fmt: skip
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
        if place is None or not learns_itself(draft):
            missing.append(f"d{each}")
            continue
        # It learned by itself, with rate 1: the change of the parameter is its gradient.
        expressions.append(f"{each} - {place}.reshape(gamma.shape)")
    if missing:
        known = ", ".join(sorted(attributes_of(draft.value("layer"))))
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
