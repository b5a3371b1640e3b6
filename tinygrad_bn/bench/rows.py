"""The further measurements: one scalar operation, graphs of many operations, the import."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import product, repeat
from operator import mul
from time import perf_counter
from typing import Any

import numpy as np

from ..autodiff import grad
from ..tensor import Tensor
from .checks import admitted
from .machine import environment_with_this_package
from .peers import AbsentError, load, numpy_array
from .records import ABSENT, WRONG, Record, measured, without_values
from .timing import Spread, interleaved, old_objects_set_aside, spread

SCALAR, GRAPHS, IMPORT = "scalar", "graphs", "import"
MANY = 20_000  # the least number of operations in a round: small graphs are made several times
MULTIPLICATIONS = 1000  # in one call, so that the cost of the call itself is negligible
FACTOR = 1.0 - 2.0**-20  # its power of 10^6 is 0.39: no underflow and no subnormal numbers


# --- one scalar a * b -----------------------------------------------------------------------


def scalars(rounds: int, at_least: float) -> Iterator[Record]:
    """Time one ``a * b`` of single float64 numbers that need gradients, recorded."""
    functions, others = admitted(SCALARS, _scalar_fault)
    yield from without_values(SCALAR, "a * b", others)
    for column, found in interleaved(functions, rounds, at_least).items():
        each = Spread(*(seconds / MULTIPLICATIONS for seconds in found))
        yield measured(SCALAR, "a * b", column, each, "s")


def _scalar_fault(product: Any) -> str | None:
    value = numpy_array(product)
    return None if value == 6 and value.dtype == np.float64 else f"2 * 3 is {value!r}"


def _multiply(a: Any, b: Any) -> Any:
    for _ in repeat(None, MULTIPLICATIONS - 1):
        mul(a, b)
    return mul(a, b)


def _numpy_scalar() -> Callable[[], Any]:
    a, b = np.array(2.0), np.array(3.0)
    return lambda: _multiply(a, b)


def _our_scalar() -> Callable[[], Any]:
    a, b = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    return lambda: _multiply(a, b)


def _torch_scalar() -> Callable[[], Any]:
    torch = load("torch")
    a, b = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (2.0, 3.0))
    return lambda: _multiply(a, b)


def _mygrad_scalar() -> Callable[[], Any]:
    mygrad = load("mygrad")
    a, b = mygrad.tensor(2.0), mygrad.tensor(3.0)
    return lambda: _multiply(a, b)


def _autograd_scalar() -> Callable[[], Any]:
    differentiated = load("autograd").make_vjp

    traced = differentiated(_multiply, (0, 1))  # autograd records while it traces a function
    return lambda: traced(np.array(2.0), np.array(3.0))[1]


SCALARS: dict[str, Callable[[], Callable[[], Any]]] = {
    "numpy": _numpy_scalar,
    "ours": _our_scalar,
    "torch": _torch_scalar,
    "mygrad": _mygrad_scalar,
    "autograd": _autograd_scalar,
}


# --- graphs of many operations --------------------------------------------------------------


def chain(x: Tensor, operations: int) -> Tensor:
    """Make a graph of repeated multiplications, as deep as it is large."""
    for _ in repeat(None, operations):
        x = x * FACTOR
    return x


def fan(x: Tensor, operations: int) -> Tensor:
    """Make a graph in which half of the operations use one tensor; add their results in pairs."""
    level: list[Tensor] = [x * FACTOR for _ in range(operations // 2)]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [a + b for a, b in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]


SLOPES: dict[str, tuple[Callable[[Tensor, int], Tensor], Callable[[int], float]]] = {
    "chain": (chain, lambda n: math.exp(n * math.log(FACTOR))),
    "fan": (fan, lambda n: n // 2 * FACTOR),
}


def graphs(sizes: list[int], rounds: int) -> Iterator[Record]:
    """Time the recording of a graph and the backward pass through it, for each operation of it.

    The graph is new each time, as in training, so the times include garbage collection. The
    gradient is compared with the known one. Each rounding is at most u, and both computations have
    n of them.
    """
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    wrong: dict[tuple[str, str], str] = {}
    with old_objects_set_aside():
        for _, size, kind in product(range(rounds), sizes, SLOPES):
            build, slope = SLOPES[kind]
            case, backward = f"{size:,}", f"backward_{kind}"
            for _ in range(max(1, MANY // size)):
                recording, walking, dx = _record_and_walk(build, size)
                samples[case, f"record_{kind}"].append(recording / size)
                samples[case, backward].append(walking / size)
            if abs(dx / slope(size) - 1) > 2 * size * np.finfo(float).eps:
                wrong[case, backward] = f"dx is {dx}, not {slope(size)}"
    for (case, column), values in samples.items():
        if (case, column) in wrong:
            yield from without_values(GRAPHS, case, {column: (WRONG, wrong[case, column])})
        else:
            yield measured(GRAPHS, case, column, spread(values), "s")


def _record_and_walk(
    build: Callable[[Tensor, int], Tensor], size: int
) -> tuple[float, float, float]:
    x = Tensor(1.0, requires_grad=True)
    start = perf_counter()
    y = build(x, size)
    recorded = perf_counter()
    (dx,) = grad(y, x)
    return recorded - start, perf_counter() - recorded, dx.item()


# --- the import -----------------------------------------------------------------------------

MODULES = {
    "numpy": "numpy",
    "ours": "tinygrad_bn",
    "torch": "torch",
    "mygrad": "mygrad",
    "autograd": "autograd",
    "jax": "jax",
}
IN_A_FRESH_PROCESS = """
import sys
from importlib import import_module
from time import perf_counter
if sys.argv[1] != "numpy":
    import numpy
start = perf_counter()
import_module(sys.argv[1])
print(perf_counter() - start)
"""


def imports(rounds: int) -> Iterator[Record]:
    """Time the import of each package in new processes that have already imported NumPy."""
    reasons = {column: _absence(module) for column, module in MODULES.items()}
    absent = {column: (ABSENT, reason) for column, reason in reasons.items() if reason}
    yield from without_values(IMPORT, "import", absent)
    samples: dict[str, list[float]] = {column: [] for column in MODULES if column not in absent}
    for _ in repeat(None, rounds):
        for column, values in samples.items():
            values.append(_import_seconds(MODULES[column]))
    for column, values in samples.items():
        yield measured(IMPORT, "import", column, spread(values), "s")


def _absence(module: str) -> str | None:
    try:
        load(module)  # this also reads its files from the disk and compiles them, before any timing
    except AbsentError as reason:
        return str(reason)
    return None


def _import_seconds(module: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS, module],
        env=environment_with_this_package(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)
