"""What has arrived at each tensor during a reverse pass, added up in as few arrays as possible."""

from __future__ import annotations

from typing import Any

import numpy as np

from .broadcasting import Array


class Cotangents:
    """A cotangent for each tensor, and which of them are in arrays that nobody else holds.

    Values are locked and cotangents that come from elsewhere are shared, so only an array that a
    rule has just made, or an addition here, may be added to in place.
    """

    def __init__(self) -> None:
        self._totals: dict[int, Array] = {}
        self._ours: set[int] = set()

    def add(self, tensor: Any, part: Array, source: Array | None = None) -> Array:
        """Add `part`, which a rule made of the cotangent `source`; give the total so far."""
        key = id(tensor)
        so_far = self._totals.get(key)
        if so_far is None:
            if part is not source and _is_new(part):
                self._ours.add(key)
            self._totals[key] = part
            return part
        if key in self._ours:
            so_far += part
            return so_far
        total = self._totals[key] = so_far + part
        if _is_new(total):
            self._ours.add(key)
        return total

    def pop(self, tensor: Any) -> tuple[Array | None, bool]:
        """Take the total of a tensor out: None if nothing arrived; and whether it is ours alone."""
        key = id(tensor)
        ours = key in self._ours
        self._ours.discard(key)
        return self._totals.pop(key, None), ours


def _is_new(part: Array) -> bool:
    """Tell an array that owns its memory and may be written to: no view, no locked value."""
    return type(part) is np.ndarray and part.base is None and part.flags.writeable
