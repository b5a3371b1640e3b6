"""Values inside of tuples, lists and dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def mapped(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Rebuild the containers with `leaf` of everything that is no container."""
    if isinstance(value, dict):
        return {key: mapped(item, leaf) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[mapped(item, leaf) for item in value])
    if isinstance(value, tuple | list):
        return type(value)([mapped(item, leaf) for item in value])
    return leaf(value)
