"""Calls: which arguments a function takes, and in which order its arrays have their axes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..batch import Norm
from .draft import NotUnderstoodError
from .source import compared_texts

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


def size_of(value: Any) -> int | None:
    """Return the number of values of an array; None for anything else."""
    return value.size if isinstance(value, np.ndarray) else None


def modes_of(code: Callable[..., Any], name: str) -> tuple[str, str]:
    """Return the texts for training and for test mode that a function compares a mode with."""
    texts = compared_texts(code, name)
    train = next((text for text in texts if "train" in text.lower()), "train")
    others = [
        text for text in texts if text != train and re.search("test|eval|inf|pred", text, re.I)
    ]
    return train, others[0] if others else "test"
