"""The calling conventions of batch norm implementations, and how each is called.

A ``Subject`` is one implementation to check: a ``Pair`` of functions or a ``Layer``. A session is
one use of it: forward in training mode, backward, forward in test mode. A session stores the
statements that it ran as text. A counterexample that can be run is made from this text.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .calls import Caller

EPS, MOMENTUM = 1e-5, 0.9  # passed to implementations that take them
LOOKED_FOR = (
    "functions NAME_forward(x, gamma, beta[, bn_param or eps]) -> (out, cache) and "
    "NAME_backward(dout, cache) -> (dx, dgamma, dbeta), where NAME has batchnorm, batch_norm or "
    "bn in it, or a class with __init__(gamma, beta, ...), forward(x[, train_flg]) and "
    "backward(dout)"
)


class NothingToJudgeError(Exception):
    """No batch norm with a known calling convention was found. The message is the reason."""


def _unpacked(result: Any, names: str, call: str, needed: int) -> tuple[Any, ...]:
    """Return the results as a tuple. Raises TypeError if their number differs from `names`.

    Raises NotImplementedError if one of the `needed` first results is None.
    """
    for value in [result, *(result[:needed] if isinstance(result, tuple | list) else ())]:
        _written(value, call)
    count = names.count(",") + 1
    if not isinstance(result, tuple | list) or len(result) != count:
        came = f"{len(result)} values" if isinstance(result, tuple | list) else _kind(result)
        raise TypeError(f"{call} must return the {count} values {names}; it returned {came}")
    return tuple(result)


def _written(result: Any, call: str) -> Any:
    """Return a result. Raises NotImplementedError if it is None."""
    if result is None:
        raise NotImplementedError(f"{call} returns None")
    return result


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return f"{kind} of shape {shape}" if shape is not None else kind


PARTS = frozenset(["forward", "backward", "test mode"])  # that may still be unwritten


@dataclass(frozen=True)
class Pair:
    """A forward and a backward function. `fourth` is the argument of the forward after beta.

    `names` are the names of the functions in `module`, from which they can be imported. `module`
    is None if they cannot be imported.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    fourth: str | None  # "bn_param", "eps" or None
    ndim: int
    names: tuple[str, ...]
    module: str | None
    written: frozenset[str] = PARTS

    @property
    def convention(self) -> str:
        """Return a description of the calling convention."""
        inputs = ", ".join(filter(None, ("x, gamma, beta", self.fourth)))
        shape = "(N, C, H, W)" if self.ndim == 4 else "(N, D)"
        return f"functions forward({inputs}) and backward(dout, cache), x of shape {shape}"

    @property
    def has_test_mode(self) -> bool:
        """Return whether it has a test mode, which uses the running statistics."""
        return self.fourth == "bn_param" and "test mode" in self.written

    def session(self, call: Caller, gamma: Any, beta: Any, running: tuple[Any, Any]) -> Session:
        """Start a session with these running statistics."""
        return PairSession(self, call, gamma, beta, running)


class PairSession:
    """One use of two functions: the cache between them, and the dictionary `bn_param`."""

    names: Mapping[str, str] = {
        "running mean": 'bn_param["running_mean"]',
        "running var": 'bn_param["running_var"]',
    }

    def __init__(
        self, pair: Pair, call: Caller, gamma: Any, beta: Any, running: tuple[Any, Any]
    ) -> None:
        self.pair, self.call = pair, call
        self.inputs = (gamma, beta)
        self.statements: list[str] = []
        self.extra: tuple[Any, ...] = ()
        self.shown = "gamma, beta"
        if pair.fourth == "eps":
            self.extra, self.shown = (EPS,), f"gamma, beta, {EPS}"
        if pair.fourth == "bn_param":
            settings = {"mode": "train", "eps": EPS, "momentum": MOMENTUM}
            self.bn_param = {**settings, "running_mean": running[0], "running_var": running[1]}
            self.statements.append(
                f'bn_param = {{"mode": "train", "eps": {EPS}, "momentum": {MOMENTUM},\n'
                '            "running_mean": running_mean, "running_var": running_var}'
            )
            self.extra, self.shown = (self.bn_param,), "gamma, beta, bn_param"

    def train(self, x: Any, name: str = "x") -> Any:
        """Run the forward in training mode."""
        return self._forward(x, name)

    def test(self, x: Any) -> Any:
        """Run the forward in test mode."""
        self.bn_param["mode"] = "test"
        self.statements.append('bn_param["mode"] = "test"')
        return self._forward(x, "x")

    def _forward(self, x: Any, name: str) -> Any:
        forward = self.pair.names[0]
        statement = f"out, cache = {forward}({name}, {self.shown})"
        self.statements.append(statement)

        def run() -> Any:
            result = self.pair.forward(x, *self.inputs, *self.extra)
            return _unpacked(result, "out, cache", forward, 1)

        out, self.cache = self.call(statement, run)
        return out

    def backward(self, dy: Any) -> tuple[Any, Any, Any]:
        """Run the backward with the cache of the latest forward."""
        backward = self.pair.names[1]
        statement = f"dx, dgamma, dbeta = {backward}(dout, cache)"
        self.statements.append(statement)

        def run() -> Any:
            result = self.pair.backward(dy, self.cache)
            return _unpacked(result, "dx, dgamma, dbeta", backward, 3)

        dx, dgamma, dbeta = self.call(statement, run)
        return dx, dgamma, dbeta

    def running(self) -> tuple[Any, Any]:
        """Return the current running statistics; None for each if there are none."""
        if self.pair.fourth != "bn_param":
            return None, None
        return self.bn_param.get("running_mean"), self.bn_param.get("running_var")


@dataclass(frozen=True)
class Layer:
    """A class with gamma and beta as arguments, whose objects store the cache and the gradients."""

    kind: type
    ndim: int
    names: tuple[str, ...]
    module: str | None
    written: frozenset[str] = PARTS

    @property
    def convention(self) -> str:
        """Return a description of the calling convention."""
        shape = "(N, C, H, W)" if self.ndim == 4 else "(N, D)"
        flag = ", train_flg" if self.has_test_mode else ""
        return f"class with forward(x{flag}) and backward(dout), x of shape {shape}"

    @property
    def has_test_mode(self) -> bool:
        """Return whether it has a test mode, which uses the running statistics."""
        return self.takes_flag and "test mode" in self.written

    @property
    def takes_flag(self) -> bool:
        """Return whether the forward takes a flag for training."""
        return len(_parameters(self.kind.forward)) > 2  # type: ignore[attr-defined]

    def session(self, call: Caller, gamma: Any, beta: Any, running: tuple[Any, Any]) -> Session:
        """Start a session with these running statistics."""
        return LayerSession(self, call, gamma, beta, running)


class LayerSession:
    """One use of a class: one object of it."""

    names: Mapping[str, str] = {
        "running mean": "layer.running_mean",
        "running var": "layer.running_var",
    }

    def __init__(
        self, layer: Layer, call: Caller, gamma: Any, beta: Any, running: tuple[Any, Any]
    ) -> None:
        self.call, self.flagged = call, layer.takes_flag
        taken = _parameters(layer.kind.__init__)  # type: ignore[misc]
        given: dict[str, Any] = {}
        if {"running_mean", "running_var"} <= set(taken):
            given = {"running_mean": running[0], "running_var": running[1]}
        shown = "".join(f", {name}={name}" for name in given)
        statement = f"layer = {layer.names[0]}(gamma, beta{shown})"
        self.layer = call(statement, lambda: layer.kind(gamma, beta, **given))
        self.statements = [statement]
        if not given and hasattr(self.layer, "running_mean"):
            self.layer.running_mean, self.layer.running_var = running
            self.statements.append(
                "layer.running_mean, layer.running_var = running_mean, running_var"
            )

    def train(self, x: Any, name: str = "x") -> Any:
        """Run the forward in training mode."""
        return self._forward(x, name, True)

    def test(self, x: Any) -> Any:
        """Run the forward in test mode."""
        return self._forward(x, "x", False)

    def _forward(self, x: Any, name: str, training: bool) -> Any:
        flags = (training,) if self.flagged else ()
        statement = f"out = layer.forward({', '.join((name, *map(str, flags)))})"
        self.statements.append(statement)

        def run() -> Any:
            return _written(self.layer.forward(x, *flags), "forward")

        return self.call(statement, run)

    def backward(self, dy: Any) -> tuple[Any, Any, Any]:
        """Run the backward: dx is returned, dgamma and dbeta are attributes."""
        statement = "dx = layer.backward(dout)"

        def run() -> Any:
            result = self.layer.backward(dy)
            if isinstance(result, tuple):
                return _unpacked(result, "dx, dgamma, dbeta", "backward", 3)
            _written(result, "backward")
            for name in ("dgamma", "dbeta"):
                if not hasattr(self.layer, name):
                    raise TypeError(f"after backward, the layer must have the attribute {name}")
            return result, self.layer.dgamma, self.layer.dbeta

        dx, dgamma, dbeta = self.call(statement, run)
        self.statements += [statement, "dgamma, dbeta = layer.dgamma, layer.dbeta"]
        return dx, dgamma, dbeta

    def running(self) -> tuple[Any, Any]:
        """Return the current running statistics; None for each if there are none."""
        layer = self.layer
        return getattr(layer, "running_mean", None), getattr(layer, "running_var", None)


Subject: TypeAlias = Pair | Layer
Session: TypeAlias = PairSession | LayerSession

# --- recognising ----------------------------------------------------------------------------

_BATCH_NORM = re.compile(r"batch_?norm|(^|_)bn(_|\d|$)", re.IGNORECASE)
_OTHER_NORM = re.compile(r"layer_?norm|group_?norm|instance_?norm", re.IGNORECASE)
_FOUR_AXES = re.compile(r"spatial|2d|4d|conv", re.IGNORECASE)


def recognise(namespace: Mapping[str, Any], name: str | None = None) -> list[Subject]:
    """Find the batch norms that a file defines. Raises NothingToJudgeError if there are none.

    `name` selects one: a class, a forward function or a backward function.
    """
    if name is not None and name not in namespace:
        defined = ", ".join(sorted(k for k, v in namespace.items() if _defined_there(v, namespace)))
        raise NothingToJudgeError(
            f"nothing is called {name!r} there; it defines: {defined or 'nothing'}"
        )
    subjects: list[Subject] = []
    reasons: list[str] = []
    for candidate in namespace:
        try:
            subjects += _subjects_of(candidate, namespace, name)
        except NothingToJudgeError as reason:  # noqa: PERF203
            reasons.append(str(reason))
    if not subjects:
        why = "".join(f"\n  {reason}" for reason in reasons)
        raise NothingToJudgeError(f"no batch norm was recognised; looked for {LOOKED_FOR}{why}")
    return subjects


def _subjects_of(
    candidate: str, namespace: Mapping[str, Any], name: str | None
) -> Sequence[Subject]:
    thing = namespace[candidate]
    module = namespace.get("__name__")
    if inspect.isclass(thing):
        if name != candidate and (name or not _looks_like_a_layer(thing)):
            return []
        return [replace(layer, names=(candidate,), module=module) for layer in layers(thing)]
    if not inspect.isfunction(thing) or "forward" not in candidate.lower():
        return []
    backwards = _backwards(candidate, namespace)
    if name is None:
        backwards = backwards if _is_named_batch_norm(candidate) else []
    elif name != candidate:
        backwards = [name] if name in backwards else []
    ndim = _ndim(candidate)
    return [
        replace(pair(thing, namespace[other], ndim), names=(candidate, other), module=module)
        for other in backwards
    ]


def pair(
    forward: Callable[..., Any], backward: Callable[..., Any], ndim: int | None = None
) -> Pair:
    """Make a subject of two functions. Raises NothingToJudgeError if their arguments do not fit."""
    names = _name(forward, "forward"), _name(backward, "backward")
    taken = _parameters(forward)
    if len(taken) < 3:
        raise NothingToJudgeError(
            f"{names[0]}({', '.join(taken)}) does not take (x, gamma, beta, ...)"
        )
    if len(_parameters(backward)) < 2:
        raise NothingToJudgeError(f"{names[1]} does not take (dout, cache)")
    more = list(taken.values())[3:]
    fourth = None
    if more:
        shown = more[0].name.lower()
        fourth = "eps" if "eps" in shown else "bn_param" if "param" in shown else None
    unknown = [p.name for p in more[1 if fourth else 0 :] if p.default is p.empty]
    if unknown:
        raise NothingToJudgeError(
            f"{names[0]} also needs {', '.join(unknown)}, which the judge does not know"
        )
    ndim = ndim or _ndim(names[0])
    homes = {_home(forward), _home(backward)}
    return Pair(forward, backward, fourth, ndim, names, homes.pop() if len(homes) == 1 else None)


def _ndim(forward: str) -> int:
    return 4 if _FOUR_AXES.search(forward) else 2


def _name(thing: Any, otherwise: str) -> str:
    name: str = getattr(thing, "__name__", otherwise)
    return name if name.isidentifier() else otherwise


def _home(thing: Any) -> str | None:
    """Return the module from which a function or class can be imported by its name, or None."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__name__", "")
    found = getattr(sys.modules.get(module or ""), name, None)
    return module if found is thing and module != "__main__" else None


def layers(kind: type, ndim: int | None = None) -> list[Layer]:
    """Make the subjects of a class: for x of two and of four axes, or of `ndim` axes.

    Raises NothingToJudgeError if the methods or arguments of the class do not fit.
    """
    for method in ("forward", "backward"):
        if not callable(getattr(kind, method, None)):
            raise NothingToJudgeError(f"the class {kind.__name__} has no method {method}")
    required = [p.name for p in _parameters(kind.__init__).values() if p.default is p.empty]  # type: ignore[misc]
    if len(required) != 3:
        raise NothingToJudgeError(
            f"{kind.__name__} is made of ({', '.join(required[1:])}), not of (gamma, beta)"
        )
    names, module = (kind.__name__,), _home(kind)
    return [Layer(kind, n, names, module) for n in ([ndim] if ndim else [2, 4])]


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise NothingToJudgeError(f"{function!r} does not tell what it takes") from None
    return {name: p for name, p in signature.parameters.items() if p.kind in positional}


def _defined_there(thing: Any, namespace: Mapping[str, Any]) -> bool:
    is_code = inspect.isfunction(thing) or inspect.isclass(thing)
    return is_code and thing.__module__ == namespace.get("__name__")


def _is_named_batch_norm(name: str) -> bool:
    return name == "forward" or bool(_BATCH_NORM.search(name) and not _OTHER_NORM.search(name))


def _looks_like_a_layer(kind: type) -> bool:
    if _OTHER_NORM.search(kind.__name__) or not {"forward", "backward"} <= set(dir(kind)):
        return False
    taken = list(_parameters(kind.__init__))  # type: ignore[misc]
    return taken[1:3] == ["gamma", "beta"]


def _backwards(forward: str, namespace: Mapping[str, Any]) -> list[str]:
    """List the backward functions of a forward by name: NAME_backward, NAME_backward_alt."""
    stem = forward.replace("forward", "backward").replace("Forward", "Backward")
    return [
        name
        for name, thing in namespace.items()
        if inspect.isfunction(thing) and (name == stem or name.startswith(stem + "_"))
    ]
