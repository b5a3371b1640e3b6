"""What has arrived at each tensor during a reverse pass, added up in as few arrays as possible."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arithmetic import Array, add

NOTHING = (None, False)


class Cotangents:
    """A cotangent for each tensor, and whether it is in an array that nobody else holds.

    Values are locked and cotangents that come from elsewhere are shared, so only an array that a
    rule has just made, or an addition here, may be added to in place.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[Array, bool]] = {}

    def add(self, tensor: Any, part: Array, source: Array | None = None) -> Array:
        """Add `part`, which a rule made of the cotangent `source`; give the total so far."""
        so_far, ours = self._found.get(id(tensor), NOTHING)
        if so_far is None:
            total, ours = part, part is not source and _is_new(part)
        elif ours:
            total = add(so_far, part, out=so_far)
        else:
            total = add(so_far, part)
            ours = _is_new(total)
        self._found[id(tensor)] = total, ours
        return total

    def pop(self, tensor: Any) -> tuple[Array | None, bool]:
        """Take the total of a tensor out: None if nothing arrived; and whether it is ours alone."""
        return self._found.pop(id(tensor), NOTHING)


def _is_new(part: Array) -> bool:
    """Tell an array that owns its memory and may be written to: no view, no locked value."""
    return type(part) is np.ndarray and part.base is None and part.flags.writeable
