"""Adapters: how to use an implementation, written by a person where it cannot be guessed.

An adapter is a Python file with a few functions. ``adapter_for`` writes one for a class or a pair
of functions, as far as it is known, with the gaps marked; ``subject_of`` makes a subject of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..batch import (
    BATCH_NORM,
    GROUP_NORM,
    INSTANCE_NORM,
    LAYER_NORM,
    RMS_NORM,
    RMS_NORM_WITH_BETA,
)
from .draft import NotUnderstoodError
from .making import BACKWARDS, FORWARDS, method_of
from .roles import role_of
from .script import NothingToJudgeError, Step, Subject

TODO = "  # TODO"
_NORMS = {n.name: n for n in (RMS_NORM, BATCH_NORM, LAYER_NORM, GROUP_NORM, INSTANCE_NORM)}
_HEAD = '''"""How tinygrad-bn check uses {names}.

Complete the lines marked TODO, and delete what does not apply.

The names that the checked file defines can be used here without importing them. x has the shape
(N, D); with ndim = 4, (N, C, H, W). All other arrays have one number per feature, (D,) or (C,).
"""

import numpy as np

ndim = 2
norm = "batch norm"
'''


def adapter_for(names: Sequence[str], things: Sequence[Any]) -> str:
    """Write an adapter for a class or for functions, with the gaps marked TODO."""
    head = _HEAD.format(names=" and ".join(names))
    body = _for_class(names[0], things[0]) if inspect.isclass(things[0]) else _for_functions(
        names, things)  # fmt: skip
    return f"{head}\n\n{body}"


def _call(function: Callable[..., Any], known: Mapping[str, str]) -> str:
    """Write the arguments of a call: those that are known by their names, the others as gaps."""
    try:
        parameters = [
            p for p in inspect.signature(function).parameters.values()
            if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]  # fmt: skip
    except (TypeError, ValueError):
        return "...)" + TODO
    shown, gap = [], False
    for parameter in parameters:
        value = known.get(role_of(parameter.name) or "")
        if value is None and parameter.default is not parameter.empty:
            continue
        gap = gap or value is None
        shown.append(f"{parameter.name}={value or '...'}")
    return ", ".join(shown) + ")" + (TODO if gap else "")


def _for_class(name: str, kind: type) -> str:
    front, back = method_of(kind, FORWARDS), method_of(kind, BACKWARDS)
    size = {"size": "gamma.size", "gamma": "gamma", "beta": "beta", "shape": "gamma.shape"}
    x = {"x": "x", "batch mean": "x"}
    run = (
        f"layer.{front}(" + _call(getattr(kind, front), {**x, "training": "True"})
        if front
        else "..."
    )
    test = (
        f"layer.{front}(" + _call(getattr(kind, front), {**x, "training": "False"})
        if front
        else "..."
    )
    pull = f"layer.{back}(dout)" if back else f"...{TODO}"
    return f"""def make(gamma, beta, running_mean, running_var):
    layer = {name}({_call(kind, size)}
    layer.gamma, layer.beta = gamma, beta{TODO}: where does it keep them?
    layer.running_mean, layer.running_var = running_mean, running_var{TODO}
    return layer


def forward(layer, x):
    return {run}


def backward(layer, dout):
    dx = {pull}
    return dx, layer.dgamma, layer.dbeta{TODO}: where are they after the backward?


def running(layer):
    return layer.running_mean, layer.running_var{TODO}


def test(layer, x):
    return {test}{TODO}: how is it switched to test mode?
"""


def _for_functions(names: Sequence[str], things: Sequence[Any]) -> str:
    known = {"x": "x", "gamma": 'layer["gamma"]', "beta": 'layer["beta"]', "eps": "1e-5",
             "training": "True", "mode": '"train"'}  # fmt: skip
    front = f"{names[0]}({_call(things[0], known)}"
    back = f'{names[1]}(dout, layer["cache"])' if len(names) > 1 else "..."
    return f"""def make(gamma, beta, running_mean, running_var):
    return {{"gamma": gamma, "beta": beta}}


def forward(layer, x):
    out, layer["cache"] = {front}
    return out


def backward(layer, dout):
    dx, dgamma, dbeta = {back}{TODO}
    return dx, dgamma, dbeta
"""


def subject_of(adapter: Mapping[str, Any], module: Any) -> Subject:
    """Make a subject of the definitions of an adapter. Raises NothingToJudgeError."""
    for needed in ("make", "forward"):
        if not callable(adapter.get(needed)):
            raise NothingToJudgeError(f"the adapter must define the function {needed}")
    norm = _NORMS.get(str(adapter.get("norm", "batch norm")))
    ndim = adapter.get("ndim", 2)
    if norm is None or ndim not in (2, 4):
        raise NothingToJudgeError(
            f"the adapter says norm = {adapter.get('norm')!r} and ndim = {ndim!r}; norm is one of "
            f"{', '.join(map(repr, _NORMS))}, and ndim is 2 or 4"
        )
    if norm is RMS_NORM and adapter.get("has_beta"):
        norm = RMS_NORM_WITH_BETA
    wanted = ("dx", "dgamma", "dbeta") if norm.shifted else ("dx", "dgamma")
    make = "make(gamma, beta, running_mean, running_var)"
    has = {name for name in ("backward", "test", "running") if callable(adapter.get(name))}
    return Subject(
        names=("adapter",), module=None, things={"adapter": module}, ndim=ndim,
        convention="as the adapter says",
        setup=(Step(("layer",), f"adapter.{make}", "make"),),
        forward=(Step(("out",), "adapter.forward(layer, {x})", "forward"),),
        backward=(Step(wanted, "adapter.backward(layer, dout)", "backward"),)
        if "backward" in has else (),
        test=(Step(("out",), "adapter.test(layer, {x})", "test"),) if "test" in has else (),
        running=("adapter.running(layer)[0]", "adapter.running(layer)[1]")
        if "running" in has else None,
        gradients=wanted, norm=norm,
        unjudged={} if "backward" in has else {"the gradients": "the adapter has no backward"},
    )  # fmt: skip


__all__ = ["NotUnderstoodError", "adapter_for", "subject_of"]
