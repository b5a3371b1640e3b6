"""Which quantity a name stands for: the names that people use, and what each of them means.

A name is compared without case, underscores and digits at its end. Nothing here knows how a name is
used: the same table reads arguments, attributes, keys of dictionaries and names of results.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_STORED = r"(running|moving|run|mov|r|ema|pop|population|global|avg|average|estimated|inference)"
_MEAN, _VAR, _STD = "(mean|mu|means|m)", "(var|variance|vars|v|sigmasq|sigma)", "(std|stddev|sd)"
_PARAMETER = "(param|params|parameters?|factor)?"
_GAMMA = f"(gamma|gammas|scale|scaling|weight|weights|w|bw|gain|g|γ){_PARAMETER}"
_BETA = f"(beta|betas|shift|bias|biases|b|bb|offset|β){_PARAMETER}"
_TRAIN = "(is|phase|in)?(train|training)(ing)?(flg|flag|mode|phase)?"
_TEST = "(is|in)?(test|testing|eval|evaluate|evaluation|inference|predict)(flg|flag|mode|time)?"

# The first row whose pattern matches the whole name is taken.
_ROLES: list[tuple[str, str]] = [
    ("running mean", f"{_STORED}{_MEAN}|{_MEAN}{_STORED}"),
    ("running std", f"{_STORED}{_STD}|{_STD}{_STORED}"),
    ("running var", f"{_STORED}{_VAR}|{_VAR}{_STORED}"),
    ("groups", "(num|n)?groups?(num)?"),
    ("gamma", _GAMMA),
    ("beta", _BETA),
    ("eps", "eps|epsilon"),
    ("momentum", "momentum|mom|decay|rho|alpha"),
    ("training", _TRAIN),
    ("testing", _TEST),
    ("mode", "mode|phase"),
    ("cache", "cache|caches|ctx|saved|memory|residuals?|context|tape|store|stash|forwardcache"),
    ("rate", "lr|learningrate|eta|stepsize|rate"),
    ("optimizer", "optimi[sz]er|optim|opt"),
    ("shape", "(input|in|x|param|normalized)?shape"),
    ("out", "out|outs|outputs?|y|ys|result|results|activations?|yhat"),
    ("size", "(num|numberof|n|in|out|input|hidden)?(features?|channels?|units?|dims?|dimensions?|"
             "neurons?|nodes?|size|width|out|in|inputs?|hidden|d|n|c|nf|len|length|layersize)"),
    ("name", "name|layername|id|prefix"),
    ("batch mean", "(batch|sample|x)?(mean|mu|avg|average|m)"),
    ("batch var", "(batch|sample|x)?(var|variance|sigmasq|v)"),
    ("batch std", "(batch|sample|x)?(std|stddev|sd|sigma|sqrtvar|s)"),
    ("x_hat", "(x|z|a|h)?(hat|norm|normed|normali[sz]ed|n)|norm(ali[sz]ed)?x?"),
    ("x", "x|inputs?|inp|z|a|h|data|xs|features?|u"),
]  # fmt: skip
_PATTERNS = [(role, re.compile(pattern)) for role, pattern in _ROLES]

_PREFIXES = ("dlossd", "dld", "dl", "d", "grads", "grad", "gradient", "gradof", "delta", "diff")
_SUFFIXES = ("grads", "grad", "gradients", "gradient", "delta", "diff")
_GRADIENTS = re.compile(r"d|grads?|gradients?|derivatives|diffs?|deltas?|g")
_UPSTREAM = re.compile(
    r"d|g|err|error|.*grad.*|.*delta.*|upstream.*|d[a-z]+|.*cotangent.*|dout.*|eta?bar"
)


def plain(name: str) -> str:
    """Return a name without case and underscores: ``runningMean`` and ``running_mean`` are one."""
    return re.sub(r"[^a-z0-9γβ]", "", name.lower()).rstrip("0123456789") or name.lower()


def role_of(name: str) -> str | None:
    """Return the role of a name, or None.

    >>> [role_of(name) for name in ("moving_mean", "X_norm", "isTraining", "num_features", "foo")]
    ['running mean', 'x_hat', 'training', 'size', None]
    """
    if name == "G":
        return "groups"
    shown = plain(name)
    return next((role for role, pattern in _PATTERNS if pattern.fullmatch(shown)), None)


def gradient_of(name: str) -> str | None:
    """Return whether a name is that of dx, dgamma or dbeta: "x", "gamma", "beta" or None.

    >>> [gradient_of(name) for name in ("dgamma", "grad_b", "gamma_grad", "dLdBW", "dX", "dvar")]
    ['gamma', 'beta', 'gamma', 'gamma', 'x', None]
    """
    shown = plain(name)
    rests = [shown[len(p) :] for p in _PREFIXES if shown.startswith(p)]
    rests += [shown[: -len(p)] for p in _SUFFIXES if shown.endswith(p)]
    for rest in filter(None, rests):
        if role_of(rest) in ("gamma", "beta"):
            return role_of(rest)
        if role_of(rest) == "x" or rest in ("in", "input", "inputs", "prev"):
            return "x"
    return None


def is_upstream(name: str) -> bool:
    """Return whether an argument may be the gradient of the output."""
    return bool(_UPSTREAM.fullmatch(plain(name)))


def role_of_path(names: Sequence[str]) -> str | None:
    """Return the role of a place in an object, as "gamma", "d gamma" or "running mean".

    `names` are the names that lead to it: ("grads", "gamma"), ("weight", "grad").

    >>> role_of_path(["grads", "gamma"]), role_of_path(["weight", "grad"]), role_of_path(["dscale"])
    ('d gamma', 'd gamma', 'd gamma')
    >>> role_of_path(["weight", "data"]), role_of_path(["running", "mean"]), role_of_path(["g"])
    ('gamma', 'running mean', 'gamma')
    """
    names = [
        name for name in names if plain(name) not in ("data", "value", "val", "array", "tensor")
    ]
    gradient = next((g for g in map(gradient_of, names) if g), None)
    if gradient:
        return f"d {gradient}"
    rest = [name for name in names if not _GRADIENTS.fullmatch(plain(name)) or len(names) == 1]
    if len(rest) < len(names):
        role = role_of(rest[-1]) if rest else None
        return f"d {role}" if role in ("gamma", "beta") else None
    for name in ("".join(names), names[-1] if names else ""):
        role = role_of(name)
        if role in ("gamma", "beta", "running mean", "running var", "running std", "out"):
            return role
    return None
