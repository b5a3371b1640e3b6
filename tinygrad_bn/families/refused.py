"""NumPy's functions that stay refused, and why: for the message, and for the reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

COMPLEX = "its result is complex or takes complex numbers, and a Tensor is real: use .data"
IN_PLACE = "it writes into an array, which keeps no gradient: use np.where, or tg.scatter"
INTEGERS = "its result is integers, truth values or a set, without a gradient: use .data"
WHOLE = "it computes with integers or bits, and a Tensor holds floats: use .data"
ROLL = "it moves numbers and computes nothing: use np.roll"
OTHERWISE = "compose it of functions that are (sum, mean, exp, matmul, ...), or use .data"


def _of(module: ModuleType, names: str) -> list[Callable[..., Any]]:
    return [getattr(module, name) for name in names.split() if hasattr(module, name)]


@cache
def reasons() -> dict[Callable[..., Any], str]:
    """Return the reason for each function that has one of its own (np.fft is loaded by this)."""
    listed: list[tuple[str, list[Callable[..., Any]]]] = [
        (COMPLEX, [
            *_of(np, "angle roots sort_complex"),
            *_of(np.linalg, "eig eigvals"),
            *_of(np.fft, "fft fft2 fftn ifft ifft2 ifftn rfft rfft2 rfftn irfft irfft2 irfftn"),
            *_of(np.fft, "hfft ihfft"),
            *_of(np.emath, "arccos arcsin arctanh log log10 log2 logn power sqrt"),
        ]),
        (IN_PLACE, _of(np, "copyto fill_diagonal place put put_along_axis putmask")),
        (INTEGERS, [
            *_of(np, "argpartition argwhere array_equiv bincount digitize flatnonzero histogram "
                     "histogram2d histogram_bin_edges histogramdd intersect1d iscomplex isin "
                     "isneginf isposinf isreal ix_ lexsort nanargmax nanargmin ravel_multi_index "
                     "searchsorted setdiff1d setxor1d tril_indices_from triu_indices_from union1d "
                     "unique unique_all unique_counts unique_inverse unique_values unravel_index "
                     "diag_indices_from common_type min_scalar_type"),
            *_of(np.linalg, "matrix_rank"),
        ]),
        (WHOLE, _of(np, "bitwise_and bitwise_count bitwise_or bitwise_xor gcd invert lcm ldexp "
                        "frexp left_shift right_shift packbits unpackbits nextafter spacing")),
        (ROLL, _of(np.fft, "fftshift ifftshift")),
    ]  # fmt: skip
    return {function: reason for reason, functions in listed for function in functions}


def reason(function: Callable[..., Any]) -> str:
    """Return why a function is refused, and what to use."""
    return reasons().get(function, OTHERWISE)
