"""Threads that share a leaf or a layer: every gradient and every batch counts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import tinygrad_bn as tg

THREADS, ROUNDS = 8, 100


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Let the interpreter switch threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[], object]) -> None:
    start = threading.Barrier(THREADS)

    def run() -> None:
        start.wait()
        for _ in range(ROUNDS):
            work()

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Slow(np.ndarray):
    """An array that lets the other threads run while it is added to."""

    def __add__(self, other):
        done.wait(1e-4)
        return np.add(np.asarray(self), other).view(Slow)


done = threading.Event()  # never set: waiting for it gives the other threads their turn


@pytest.mark.usefixtures("eager_switching")
def test_no_gradient_of_a_shared_leaf_is_lost() -> None:
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    x.grad = np.zeros(2).view(Slow)
    in_threads(lambda: (x * 3.0).backward([1.0, -2.0]))
    total = THREADS * ROUNDS
    assert np.asarray(x.grad).tolist() == [3.0 * total, -6.0 * total]


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.parametrize("momentum", [None, 0.1])
def test_no_batch_is_lost_by_the_running_statistics(momentum: float | None) -> None:
    layer = tg.nn.BatchNorm(2, momentum=momentum)
    x = np.array([[1.0, 3.0], [3.0, -5.0]])
    in_threads(lambda: layer(x))
    alone = tg.nn.BatchNorm(2, momentum=momentum)
    for _ in range(THREADS * ROUNDS):
        alone(x)
    for name, value in alone.state_dict().items():
        assert layer.state_dict()[name].tolist() == value.tolist(), name
