"""Large graphs, memory, and wrong use: what must not break, leak, or stay unexplained."""

from __future__ import annotations

import gc
import operator
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import leaves

import tinygrad_bn as tg

W = np.array([3.0, -5.0, 7.0])


@pytest.fixture
def no_gc() -> Iterator[None]:
    """Switch the garbage collector off: what goes then, goes by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def x() -> tg.Tensor:
    return leaves([np.array([1.0, 2.0, 4.0])])[0]


# Large graphs


@pytest.mark.usefixtures("no_gc")  # it would walk the million objects again and again
def test_chain_of_a_million_operations_runs_forward_and_backward() -> None:
    """Four operations give y - x/2; all numbers on the way are multiples of 1/2, and so exact."""
    x = tg.Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(250_000):
        y = (y * 2.0 + x) * 0.5 - x
    assert y.item() == 1.0 - 125_000.0
    y.backward()
    assert x.grad == 1.0 - 125_000.0
    del y  # nor does taking it down recurse


@pytest.mark.usefixtures("no_gc")
def test_fan_of_a_hundred_thousand_uses_adds_up() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    total: Any = 0.0
    for i in range(100_000):
        total = total + x * float(i)
    (g,) = tg.grad(total, x, [1.0, -2.0])
    count = 99_999 * 100_000 / 2
    assert g.data.tolist() == [count, -2.0 * count]


def test_join_of_a_thousand_parts_gives_each_its_own_gradient() -> None:
    parts = leaves([np.full(1 + i % 3, float(i)) for i in range(1000)])
    w = np.arange(sum(part.size for part in parts)) * 1.5
    gradients = tg.grad(tg.concatenate(parts), parts, w)
    assert np.concatenate([g.data for g in gradients]).tolist() == w.tolist()


# Memory


def network(x: tg.Tensor) -> tg.Tensor:
    """Compute something that uses every kind of operation and saves its results."""
    y = np.tanh(x @ np.array([[0.1, 0.2, 0.0], [0.0, 0.1, 0.3], [0.2, 0.0, 0.1]]))
    y = tg.concatenate([y, y[::-1]]) * np.std(y) + tg.where(y.data > 0, y, x).max()
    return (y**2).reshape(2, 3).mean(axis=0)


def everything(x: tg.Tensor) -> None:
    """Use a graph in every way, drop all, and keep the gradient alone."""
    y = network(x)
    (g,) = tg.grad(y, x, W, create_graph=True)
    (h,) = tg.grad((g * g).sum(), x, create_graph=True)
    h.sum().backward()
    x.data = x.data * 0.5
    y.backward(W)
    tg.grad(g, x, W, create_graph=True)  # now through a replaced value
    x.zero_grad()


@pytest.mark.usefixtures("no_gc")
def test_result_and_all_it_was_made_from_go_with_the_last_reference(x: tg.Tensor) -> None:
    middle = x * 2.0
    end = (middle * middle).sum()
    watched = [weakref.ref(middle), weakref.ref(end), weakref.ref(end.inputs[0])]
    end.backward()
    del middle
    assert all(ref() is not None for ref in watched)  # the graph holds what it needs
    del end
    assert all(ref() is None for ref in watched)


def test_graph_has_no_reference_cycles(x: tg.Tensor) -> None:
    everything(x)  # whatever is made once and kept
    gc.collect()
    gc.disable()
    try:
        everything(x)
        assert gc.collect() == 0
    finally:
        gc.enable()


@contextmanager
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def array_bytes() -> int:
    """Sum the memory of the arrays that were made since tracing began and still live."""
    arrays_only = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    traces = tracemalloc.take_snapshot().filter_traces([arrays_only]).traces
    return sum(trace.size for trace in traces)


@pytest.mark.usefixtures("no_gc")
def test_memory_goes_back_to_where_it_was(x: tg.Tensor) -> None:
    (big,) = leaves([np.ones((100, 1000))])

    def rounds(count: int) -> tuple[int, int]:
        for _ in range(count):
            everything(x)
            (big * big + big).sum().backward()
            big.zero_grad()
        return array_bytes(), len(gc.get_objects())

    with traced():
        rounds(2)
        bytes_before, objects_before = rounds(2)
        bytes_after, objects_after = rounds(10)
        _, peak = tracemalloc.get_traced_memory()
    assert peak > big.data.nbytes  # so arrays are seen
    assert bytes_after == bytes_before
    assert objects_after - objects_before < 10  # not one in a round


def test_backward_pass_holds_the_cotangents_on_its_way_and_no_others() -> None:
    length, (x,) = 100, leaves([np.ones(100_000)])
    y = x
    for _ in range(length):
        y = y * 1.5
    w = np.linspace(1.0, 2.0, x.size)
    with traced():
        tg.grad(y, x, w)
        _, peak = tracemalloc.get_traced_memory()
    assert peak < 6 * x.data.nbytes  # not a hundred


@pytest.mark.usefixtures("no_gc")
def test_error_while_recording_or_in_the_pass_leaves_nothing_behind(x: tg.Tensor) -> None:
    y = x * 2.0
    ref = weakref.ref(y)
    errors = []
    for use in (lambda y: y + np.ones(4), lambda y: y.backward(), lambda y: np.unique(y)):
        with suppress(TypeError, ValueError):  # pytest.raises would keep the traceback
            use(y)
            errors.append(f"no error from {use}")
    assert errors == []
    del y
    assert ref() is None


def test_one_buffer_may_hold_every_batch() -> None:
    """The caller fills one array again and again, also between forward and backward."""
    (weight,) = leaves([np.array([2.0, 3.0, 5.0])])
    buffer, losses, batches = np.empty(3), [], [W * k for k in (1.0, 2.0, -4.0)]
    for batch in batches:
        buffer[...] = batch
        losses.append(weight * buffer * buffer)
    buffer[...] = np.nan
    for loss, batch in zip(losses, batches, strict=True):
        upstream = W.copy()
        (g,) = tg.grad(loss, weight, upstream)
        loss.backward(upstream)
        upstream[...] = np.nan
        assert g.data.tolist() == (W * batch**2).tolist()
    assert weight.grad.tolist() == (W * sum(batch**2 for batch in batches)).tolist()


def test_gradients_of_rounds_that_follow_each_other_are_not_one_array(x: tg.Tensor) -> None:
    kept = []
    for _ in range(3):
        x.zero_grad()
        x.backward(W)
        kept.append(x.grad)
        x.grad *= 2.0  # the caller may scale it, as clipping does
    for a, b in pairwise(kept):
        assert not np.shares_memory(a, b)
    assert [g.tolist() for g in kept] == [(2 * W).tolist()] * 3


# Wrong use

M = tg.Tensor(np.ones((2, 3)), requires_grad=True)
V = tg.Tensor(np.ones(3), requires_grad=True)
CONSTANT = tg.Tensor(np.ones(3))

WRONG: dict[str, tuple[Callable[[], Any], type[Exception], list[str]]] = {
    # the reverse pass
    "backward of several values": (
        lambda: V.backward(), ValueError, ["(3,)", "give gradient", ".sum()"]),
    "grad of several values": (
        lambda: tg.grad(V * 2, V), ValueError, ["(3,)", "give grad_output", ".sum()"]),
    "gradient of another shape": (
        lambda: V.backward(np.ones(2)), ValueError, ["gradient", "(2,)", "(3,)", "equal"]),
    "grad_output of another shape": (
        lambda: tg.grad(V, V, np.ones((1, 3))), ValueError, ["grad_output", "(1, 3)", "(3,)"]),
    "gradient that is complex": (
        lambda: V.backward(np.ones(3, complex)), TypeError, ["complex128", "float64"]),
    "gradient that is no array": (
        lambda: V.backward("one"), TypeError, ["str", "float64"]),
    "backward of a constant": (
        lambda: CONSTANT.sum().backward(), ValueError,
        ["needs no gradient", "requires_grad=True", "no_grad()", "detach()"]),
    "grad of a constant": (
        lambda: tg.grad(CONSTANT, V, W), ValueError, ["(3,)", "needs no gradient"]),
    "grad by a constant": (
        lambda: tg.grad(V * CONSTANT, [V, CONSTANT], W), ValueError,
        ["grad", "input 1", "requires_grad=True"]),
    "grad by an array": (
        lambda: tg.grad(V, [V, W], W), TypeError, ["grad", "input 1", "ndarray", "Tensor"]),
    "grad by a number": (
        lambda: tg.grad(V, 3.0, W), TypeError, ["grad", "float", "Tensor"]),
    "grad of an array": (
        lambda: tg.grad(W, V, W), TypeError, ["grad", "output", "ndarray", "Tensor"]),
    # shapes
    "shapes that do not broadcast": (
        lambda: V + np.ones(4), ValueError, ["add", "(3,)", "(4,)", "broadcast", "reshape"]),
    "reflected, too": (
        lambda: np.ones((3, 1, 2)) / M, ValueError, ["div of (3, 1, 2) and (2, 3)", "broadcast"]),
    "function, too": (
        lambda: tg.maximum(V, [1.0, 2.0]), ValueError, ["maximum of (3,) and (2,)", "broadcast"]),
    "comparison, too": (
        lambda: operator.lt(V, np.ones(2)), ValueError, ["(3,)", "(2,)", "broadcast"]),
    "condition that does not broadcast": (
        lambda: tg.where([True, False], V, V), ValueError, ["where", "(3,)", "(2,)", "broadcast"]),
    "bound that does not broadcast": (
        lambda: tg.clip(V, np.zeros(2)), ValueError, ["clip", "(3,)", "(2,)", "broadcast"]),
    "broadcast_to a shape that it has not": (
        lambda: V.broadcast_to(2, 4), ValueError, ["broadcast_to", "(3,)", "(2, 4)"]),
    "matmul": (
        lambda: M @ M, ValueError, ["matmul of (2, 3) and (2, 3)", "last axis"]),
    "matmul of a single value": (
        lambda: M @ 2.0, ValueError, ["matmul of (2, 3) and ()"]),
    "dot": (
        lambda: np.dot(M, np.ones(2)), ValueError, ["matmul of (2, 3) and (2,)"]),
    "reshape": (
        lambda: M.reshape(4, -1), ValueError, ["reshape of (2, 3)", "size 6", "(4,"]),
    "reshape to no integers": (
        lambda: M.reshape(1.5, 4), TypeError, ["reshape", "integers", "1.5"]),
    "concatenate": (
        lambda: tg.concatenate([M, V]), ValueError, ["concatenate of (2, 3) and (3,)"]),
    "concatenate of nothing": (
        lambda: tg.concatenate([]), ValueError, ["at least one"]),
    "concatenate of single values": (
        lambda: tg.concatenate([V[0], V[1]]), ValueError, ["concatenate", "single number"]),
    "stack": (
        lambda: tg.stack([M, V]), ValueError, ["stack of (2, 3) and (3,)", "same shape"]),
    "max of nothing": (
        lambda: tg.Tensor([]).max(), ValueError, ["max of (0,)"]),
    "var of too few": (
        lambda: V.var(ddof=3), ValueError, ["var", "3 values", "ddof=3"]),
    "squeeze of a longer axis": (
        lambda: M.squeeze(0), ValueError, ["squeeze", "axis", "(2, 3)"]),
    # axes
    "axis that is not there": (
        lambda: M.sum(axis=2), ValueError, ["sum", "axis 2", "-2 to 1"]),
    "axis of a single value": (
        lambda: V[0].mean(axis=0), ValueError, ["mean", "axis 0", "no axis"]),
    "axis given twice": (
        lambda: M.max(axis=(0, -2)), ValueError, ["max", "(0, -2)", "twice"]),
    "axis that is no integer": (
        lambda: M.sum(axis=0.5), TypeError, ["sum", "axis", "0.5"]),
    "axes of transpose": (
        lambda: M.transpose(0, 0), ValueError, ["transpose", "(0, 0)", "twice"]),
    "too few axes of transpose": (
        lambda: M.transpose(0), ValueError, ["transpose of (2, 3)", "axes"]),
    "axes of swapaxes": (
        lambda: M.swapaxes(0, 5), ValueError, ["swapaxes", "axis 5", "-2 to 1"]),
    "axes of moveaxis": (
        lambda: np.moveaxis(M, 0, 2), ValueError, ["moveaxis", "axis 2", "-2 to 1"]),
    "axes of moveaxis that do not pair": (
        lambda: np.moveaxis(M, (0, 1), 0), ValueError, ["moveaxis"]),
    "axis of concatenate": (
        lambda: tg.concatenate([M, M], axis=2), ValueError, ["concatenate", "axis 2", "-2 to 1"]),
    "axis of stack": (
        lambda: tg.stack([V, V], axis=2), ValueError, ["stack", "axis 2", "-2 to 1"]),
    # indices
    "index out of range": (
        lambda: V[3], IndexError, ["getitem of (3,)", "index 3", "out of bounds"]),
    "too many indices": (
        lambda: V[0, 0], IndexError, ["getitem of (3,)", "too many indices"]),
    "index that is a Tensor": (
        lambda: V[CONSTANT], TypeError, ["Tensor cannot be an index", "NumPy array"]),
    "index that is a float": (
        lambda: V[1.0], IndexError, ["getitem of (3,)", "integer"]),
    "mask of another shape": (
        lambda: V[np.array([True, False])], IndexError, ["getitem of (3,)", "2", "3"]),
    # names and data
    "name that is no string": (
        lambda: tg.Tensor([1.0], name=3), TypeError, ["name", "string", "int"]),
    "ragged lists": (
        lambda: tg.Tensor([[1.0], [2.0, 3.0]]), ValueError, ["do not form an array"]),
    "array of Tensors": (
        lambda: np.array([V, V]), TypeError, ["gradient", ".data", "tg.stack"]),
}  # fmt: skip


@pytest.mark.parametrize(("use", "error", "words"), WRONG.values(), ids=WRONG)
def test_wrong_use_is_explained_in_one_sentence(
    use: Callable[[], Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        use()
    sentence = str(caught.value)
    assert [word for word in words if word not in sentence] == []
    assert "\n" not in sentence
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_wrong_use_leaves_no_gradient_behind() -> None:
    assert V.grad is None
    assert M.grad is None
