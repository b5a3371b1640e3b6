"""The script of a forward and a backward function, guessed and tried."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..batch import BATCH_NORM, RMS_NORM_WITH_BETA, probe
from ..calls import Caller, CallError, TimeLimitError
from .backward import Backward
from .binding import layouts_of, parameters_of
from .draft import Draft, NotUnderstoodError
from .forward import Forward
from .norms import FOUR_AXES, is_close, named_norm
from .roles import role_of
from .script import Step, Subject

GRADIENTS = "the gradients"


def pair(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    ndim: int | None = None,
    *,
    call: Caller | None = None,
    names: Sequence[str] = (),
    owner: type | None = None,
) -> Subject:
    """Make a subject of two functions. Raises NothingToJudgeError if no call of them is found.

    Each order of the axes is tried, and the first is taken whose output is that of a norm; else
    the first that runs at all, which is then to be judged wrong. The functions may be static
    methods of a class `owner`.
    """
    call = call or Caller(5.0, 60.0)
    names = tuple(names) or (
        name_of(forward, "forward"),
        *([name_of(backward, "backward")] if backward else []),
    )
    called = tuple(f"{owner.__name__}.{name}" for name in names) if owner else names
    things = (
        {owner.__name__: owner} if owner else dict(zip(names, (forward, backward), strict=False))
    )
    norm = named_norm(called[0]) or BATCH_NORM
    if norm.name == "RMS norm" and any(role_of(n) == "beta" for n in parameters_of(forward)):
        norm = RMS_NORM_WITH_BETA
    likely = 4 if FOUR_AXES.search(called[0]) or norm.over in ("group", "channel") else 2
    drafts: list[tuple[Draft, Forward]] = []
    inconsistent: Subject | None = None
    reasons: list[NotUnderstoodError] = []
    for n in [ndim] if ndim else dict.fromkeys((likely, 4)):
        for layout in layouts_of(n, norm):
            draft = Draft(call, things, probe(n, 1.0, norm), (owner.__name__,) if owner else names)
            try:
                bound = Forward(draft, forward, called[0], layout)
                out = bound.run()
            except NotUnderstoodError as reason:
                reasons.append(reason)
                continue
            if is_close(out, draft.batch):
                subject = _finished(draft, bound, forward, backward, called)
                if not (n == 4 and _keeps_axes(draft)):
                    return subject
                inconsistent = inconsistent or subject
            elif n == (ndim or likely):
                drafts.append((draft, bound))
    if inconsistent:
        return inconsistent
    if not drafts:
        raise reasons[0]
    ran = next((d for d in drafts if d[0].value("out") is not None), drafts[0])
    return _finished(*ran, forward, backward, called)


def _keeps_axes(draft: Draft) -> bool:
    """Return whether dgamma has the shape (1, C, 1, 1), as of a gamma that has that shape."""
    return np.ndim(draft.value("dgamma")) > 1


def _finished(
    draft: Draft,
    bound: Forward,
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    called: Sequence[str],
) -> Subject:
    """Write the backward and the test mode of a forward that is bound."""
    closure = draft.value("cache")
    second = backward or (closure if callable(closure) else None)
    if second is not None:
        add_backward(draft, bound, second, called[1] if backward else "cache")
    else:
        draft.missing["backward"] = f"no backward of {called[0]} was found"
    bound.add_test_mode()
    things = [thing for name, thing in draft.things.items() if name in draft.names]
    homes = {home_of(thing) for thing in things}
    taken = ", ".join(bound.given)
    back = f" and backward({', '.join(parameters_of(second))})" if second else ""
    kind = draft.batch.norm
    convention = (
        f"{'' if kind.over == 'batch' else f'{kind.name}, '}"
        f"function{'s' if backward else ''} forward({taken}){back}, x of shape {bound.layout.name}"
    )
    return draft.subject(convention, homes.pop() if len(homes) == 1 else None)


def add_backward(draft: Draft, bound: Forward, backward: Callable[..., Any], called: str) -> None:
    """Write the backward; where it is not understood, say so in ``draft.unjudged``."""
    if draft.value("out") is None:  # the forward does not run: there is nothing to go back from
        if not draft.parts["backward"]:
            draft.parts["backward"].append(
                Step(("dx", "dgamma", "dbeta"), f"{called}(dout, cache)", called)
            )
        return
    try:
        written = Backward(draft, bound, backward, called)
        written.write(written.run())
        _try(draft)
    except NotUnderstoodError as reason:
        draft.parts["backward"].clear()
        draft.unjudged[GRADIENTS] = str(reason)


def _try(draft: Draft) -> None:
    """Run the backward as written; where its statements fail, the examples report it."""
    try:
        for step in draft.parts["backward"]:
            draft.session.run(step)
    except (CallError, TimeLimitError):
        pass


def name_of(thing: Any, otherwise: str) -> str:
    """Return the name of a function, or another if it has none that can stand in code."""
    name: str = getattr(thing, "__name__", otherwise)
    return name if name.isidentifier() else otherwise


def home_of(thing: Any) -> str | None:
    """Return the module from which a function or class can be imported by its name, or None."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__name__", "")
    found = getattr(sys.modules.get(module or ""), name, None)
    return module if found is thing and module != "__main__" else None
