"""What there is to judge in a file: its norms, by their names and by what they compute."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..batch import probe
from ..calls import Caller, CallError, TimeLimitError
from .adapter import adapter_for
from .binding import parameters_of
from .classes import layers, looks_like_a_layer
from .draft import NotUnderstoodError
from .functions import pair
from .making import BACKWARDS, FORWARDS, method_of
from .norms import is_close, named_norm
from .roles import plain
from .script import NothingToJudgeError, Subject

LOOKED_FOR = (
    "functions such as NAME_forward(x, gamma, beta, ...) and NAME_backward(dout, cache), or a "
    "class with forward(x) and backward(dout), with batchnorm, batch_norm, bn, layernorm, "
    "groupnorm or rmsnorm in its name"
)
# How forward functions are named, and their backwards.
_WORDS = [("forward", "backward"), ("fwd", "bwd"), ("fprop", "bprop"), ("forward", "backprop"),
          ("forward", "grad"), ("train", "backward")]  # fmt: skip


@dataclass(frozen=True)
class Unclear:
    """An implementation whose calling convention is not understood, and an adapter to complete."""

    name: str
    reason: str
    adapter: str


@dataclass(frozen=True)
class Found:
    """What is to be judged, and the names of norms that were not asked for."""

    subjects: list[Subject]
    unclear: list[Unclear]
    others: list[str]


@dataclass(frozen=True)
class Candidate:
    """Something that may be a norm: the names that choose it, and how its subjects are made."""

    names: tuple[str, ...]
    things: tuple[Any, ...]
    named: bool
    subjects: Callable[[Caller], list[Subject]]


def find(
    namespace: Mapping[str, Any], name: str | None = None, call: Caller | None = None
) -> Found:
    """Find the norms that a file defines. Raises NothingToJudgeError if there are none.

    `name` selects one: a class, a forward function or a backward function.
    """
    call = call or Caller(5.0, 60.0)
    if name is not None and name not in namespace:
        defined = ", ".join(sorted(k for k, v in namespace.items() if _is_own(v, namespace)))
        raise NothingToJudgeError(
            f"nothing is called {name!r} there; it defines: {defined or 'nothing'}"
        )
    candidates = list(_candidates(namespace, name is not None))
    own = [c for c in candidates if any(_is_own(thing, namespace) for thing in c.things)]
    candidates = own if any(c.named for c in own) or not candidates else candidates
    named = [c for c in candidates if c.named]
    if name is not None:
        chosen = [c for c in candidates if name in c.names]
        if not chosen:
            raise NothingToJudgeError(
                f"{name} is nothing that can be judged; looked for {LOOKED_FOR}"
            )
    else:
        chosen = named
    found = Found([], [], [", ".join(c.names) for c in named if c not in chosen])
    for candidate in chosen:
        _add(candidate, found, call)
    if chosen:
        return found
    reasons = _by_what_they_compute(candidates, found, call)
    if not found.subjects:
        why = "".join(f"\n  {reason}" for reason in reasons)
        raise NothingToJudgeError(f"no norm was recognised; looked for {LOOKED_FOR}{why}")
    return found


def _add(candidate: Candidate, found: Found, call: Caller) -> None:
    try:
        found.subjects.extend(candidate.subjects(call))
    except (NotUnderstoodError, CallError, TimeLimitError) as reason:
        adapter = adapter_for(candidate.names, candidate.things)
        found.unclear.append(Unclear(", ".join(candidate.names), str(reason), adapter))


def _by_what_they_compute(candidates: list[Candidate], found: Found, call: Caller) -> list[str]:
    """Add those whose output is normalized; return what the others are."""
    reasons = []
    for candidate in candidates:
        shown = ", ".join(candidate.names)
        try:
            subjects = candidate.subjects(call)
        except (NotUnderstoodError, CallError, TimeLimitError) as reason:
            reasons.append(
                f"{shown} is not a batch norm by its name, and cannot be used as one: {reason}"
            )
            continue
        fitting = [s for s in subjects if computes_a_norm(s, call)]
        found.subjects.extend(fitting)
        if not fitting:
            affine = any(is_affine(subject, call) for subject in subjects)
            what = "is an affine layer" if affine else "does not normalize"
            reasons.append(f"{shown} {what}: it is not a batch norm")
    return reasons


def computes_a_norm(subject: Subject, call: Caller) -> bool:
    """Return whether the forward normalizes, but for eps and rounding."""
    batch = probe(subject.ndim, 1.0, subject.norm)
    return is_close(_output(subject, call, batch.x), batch)


def is_affine(subject: Subject, call: Caller) -> bool:
    """Return whether the forward is an affine function of x: f(x + v) - f(x) = f(v) - f(0)."""
    x = probe(subject.ndim, 1.0, subject.norm).x
    v = 3.0 * np.roll(x, 1) ** 2 + 1.0
    values = [_output(subject, call, a) for a in (x + v, x, v, 0 * x)]
    if any(not isinstance(value, np.ndarray) for value in values):
        return False
    moved, here, other, origin = values
    return bool(np.allclose(moved - here, other - origin, rtol=1e-6, atol=1e-9))


def _output(subject: Subject, call: Caller, x: Any) -> Any:
    batch = probe(subject.ndim, 1.0, subject.norm)
    running = np.array(batch.running_mean), np.array(batch.running_var)
    try:
        return subject.session(call, batch.gamma, batch.beta, running).train(x.copy())
    except (CallError, TimeLimitError):
        return None


# --- candidates


def _candidates(namespace: Mapping[str, Any], any_name: bool) -> Iterator[Candidate]:
    functions = {k: v for k, v in namespace.items() if inspect.isfunction(v)}
    used: set[str] = set()
    for name, thing in namespace.items():
        if inspect.isclass(thing):
            yield from _of_class(name, thing)
        elif name in functions:
            for other in _backwards(name, functions):
                used |= {name, other}
                yield _pair_candidate(name, other, functions)
    for name, function in functions.items():
        if name not in used and named_norm(name) and _takes_parameters(function):
            yield _alone(name, function)


def _alone(name: str, function: Callable[..., Any]) -> Candidate:
    return Candidate(
        (name,), (function,), True, lambda call: [pair(function, None, call=call, names=(name,))]
    )


def _pair_candidate(name: str, other: str, functions: Mapping[str, Any]) -> Candidate:
    forward, backward = functions[name], functions[other]
    plain = re.fullmatch("forward|fwd", name, re.IGNORECASE)
    return Candidate(
        (name, other), (forward, backward), bool(named_norm(name) or plain),
        lambda call: [pair(forward, backward, call=call, names=(name, other))],
    )  # fmt: skip


def _of_class(name: str, kind: type) -> Iterator[Candidate]:
    norm = named_norm(name) or re.fullmatch("BN|LN|GN", name)
    made_of = _made_of(kind)
    if not (norm or {"gamma", "beta"} <= made_of or looks_like_a_layer(kind)):
        return
    forward, backward = method_of(kind, FORWARDS), method_of(kind, BACKWARDS)
    if forward is None or issubclass(kind, BaseException):
        return
    static = inspect.getattr_static(kind, forward)
    named = bool(norm) or ({"gamma", "beta"} <= made_of and backward is not None)
    if isinstance(static, staticmethod | classmethod):
        names = [forward, *([backward] if backward else [])]
        functions = [getattr(kind, each) for each in names]

        def subjects(call: Caller) -> list[Subject]:
            first, second = (*functions, None)[:2]
            return [pair(first, second, call=call, names=names, owner=kind)]

        yield Candidate((name,), (kind,), named, subjects)
    else:
        yield Candidate((name,), (kind,), named, lambda call: layers(kind, call=call, name=name))


def _made_of(kind: type) -> set[str]:
    try:
        return {plain(name) for name in parameters_of(kind)}
    except NotUnderstoodError:
        return set()


def _takes_parameters(function: Callable[..., Any]) -> bool:
    names = list(parameters_of(function))
    return len(names) >= 2 and not re.search(
        "back|bwd|grad|init|param|eval|infer|test|predict", function.__name__, re.I
    )


def _backwards(forward: str, functions: Mapping[str, Any]) -> list[str]:
    """List the backward functions of a forward by name: NAME_backward, NAME_backward_alt."""
    stems = {re.sub(word, back, forward, flags=re.IGNORECASE).lower() for word, back in _WORDS
             if word in forward.lower()}  # fmt: skip
    if not stems and named_norm(forward):  # batch_norm and batch_norm_backward
        low = forward.lower()
        stems = {f"{low}_{back}" for _, back in _WORDS} | {f"{back}_{low}" for _, back in _WORDS}
    return [
        name
        for name in functions
        if name != forward
        and any(name.lower() == stem or name.lower().startswith(stem + "_") for stem in stems)
    ]


def _is_own(thing: Any, namespace: Mapping[str, Any]) -> bool:
    is_code = inspect.isfunction(thing) or inspect.isclass(thing)
    return is_code and thing.__module__ == namespace.get("__name__")
