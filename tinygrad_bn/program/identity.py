"""When two programs are equal: up to names, and up to the order of independent equations.

Each variable gets a digest of how it is computed: of the primitive, the parameters (arrays by
content), and the digests of the operands. Programs are equal if their inputs match in dtype and in
the lengths that they may have, and their outputs and updates in digests.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from ..sizes import Axis, Size
from .data import ProgramData, Variable


def identity(program: ProgramData) -> tuple[Any, ...]:
    """Return what is equal for equal programs."""
    digests: dict[Variable, bytes] = {}

    def of(value: Any) -> Any:
        if isinstance(value, Variable):
            return digests[value]
        if isinstance(value, Size):
            return sorted((sorted(map(of_atom, atoms)), factor) for atoms, factor in value.terms)
        if isinstance(value, np.ndarray):
            return value.shape, str(value.dtype), value.tobytes()
        if isinstance(value, dict):
            return sorted((key, repr(of(item))) for key, item in value.items())
        if isinstance(value, tuple | list):
            return [of(item) for item in value]
        if isinstance(value, slice):
            return "slice", of(value.start), of(value.stop), of(value.step)
        return type(value).__name__, repr(value)

    def of_atom(atom: Any) -> str:
        if isinstance(atom, Axis):
            return f"{of(atom.of).hex()}.{atom.axis}"
        return f"{of(atom.left)}{atom.sign}{of(atom.right)}"

    for i, x in enumerate(program.inputs):
        ones = [axis for axis, n in enumerate(x.shape) if n == 1]
        digests[x] = _digest("input", i, len(x.shape), ones, x.dtype, x.weak)
    for captured in program.captured:
        digests[captured] = _digest("captured", id(captured.tensor))
    for constant in program.constants:
        digests[constant] = _digest("constant", of(np.asarray(constant.value)))
    for e in program.equations:
        inputs = [of(x) for x in e.inputs]
        digests[e.output] = _digest(id(e.primitive), inputs, of(dict(e.params)))
    guards = {repr((of(g.left), g.sign, of(g.right))) for g in program.guards}
    return (
        tuple(digests[x] for x in program.inputs),
        tuple(sorted(guards)),
        repr(program.structure),
        tuple(of(x) for x in program.outputs),
        tuple(sorted((name, of(x)) for name, x in program.updates.items())),
    )


def _digest(*parts: Any) -> bytes:
    return blake2b(repr(parts).encode(), digest_size=16).digest()
