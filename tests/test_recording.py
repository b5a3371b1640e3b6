"""How operations are recorded: no_grad, scope and detect_anomaly, across threads and tasks."""

from __future__ import annotations

import asyncio
import inspect
import linecache
import threading
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest
from conftest import leaves
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn.recording import MODE

SETTINGS = {
    "no_grad": tg.no_grad,
    "scope": lambda: tg.scope("s"),
    "detect_anomaly": tg.detect_anomaly,
}


@pytest.fixture
def x() -> tg.Tensor:
    return leaves([np.array([1.0, 4.0])])[0]


def recording() -> bool:
    """Tell whether an operation is recorded, here and now."""
    y = leaves([np.array(1.0)])[0] * 2.0
    assert y.requires_grad == (y.op is not None) == bool(y.inputs)
    return y.requires_grad


def scope_here() -> str:
    return tg.Tensor(1.0).exp().scope


# no_grad


def test_inside_no_grad_results_forget_how_they_were_made(x: tg.Tensor) -> None:
    with tg.no_grad():
        y = x * 2.0
        assert (y.requires_grad, y.op, y.inputs, y.is_leaf) == (False, None, (), True)
        assert y.data.tolist() == [2.0, 8.0]
        assert x.requires_grad
    assert recording()


def test_no_grad_nests_and_each_block_gives_back_what_was_there() -> None:
    guard = tg.no_grad()
    with guard:
        with guard:  # one object, entered again
            assert not recording()
        assert not recording()
    assert recording()


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_exception_leaves_the_block_in_order(setting: Callable[[], Any]) -> None:
    before = MODE.get()
    with pytest.raises(KeyError), setting(), setting():
        raise KeyError
    assert MODE.get() is before


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_function_is_decorated_for_its_own_length(setting: Callable[[], Any]) -> None:
    @setting()
    def count_down(n: int, *, to: int) -> list[Any]:
        """Say what it does."""
        return [] if n == to else [MODE.get(), *count_down(n - 1, to=to)]

    before = MODE.get()
    modes = count_down(3, to=0)
    assert MODE.get() is before
    assert len(modes) == 3
    assert all(mode not in (before, None) and mode != before for mode in modes)
    assert (count_down.__name__, count_down.__doc__) == ("count_down", "Say what it does.")
    with pytest.raises(RecursionError):
        count_down(1, to=2)
    assert MODE.get() is before


def test_coroutine_is_decorated_for_its_own_length() -> None:
    @tg.no_grad()
    async def inside(step: asyncio.Event, done: asyncio.Event) -> list[bool]:
        seen = [recording()]
        done.set()
        await step.wait()
        return [*seen, recording()]

    async def main() -> None:
        step, done = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(inside(step, done))
        await done.wait()
        assert recording()
        step.set()
        assert await task == [False, False]
        step.set()
        assert await inside(step, done) == [False, False]  # in this very task
        assert recording()

    assert inspect.iscoroutinefunction(inside)
    asyncio.run(main())


def generator() -> Any:
    yield 1


async def async_generator() -> Any:
    yield 1


@pytest.mark.parametrize("function", [generator, async_generator], ids=["sync", "async"])
@pytest.mark.parametrize("name", SETTINGS)
def test_generator_is_refused_with_what_to_write_instead(name: str, function: Any) -> None:
    with pytest.raises(TypeError, match=rf"{name}.* {function.__name__}.*`with {name}\(") as caught:
        SETTINGS[name]()(function)
    assert "inside the generator" in str(caught.value)


def test_pass_through_a_recorded_graph_runs_inside_no_grad(x: tg.Tensor) -> None:
    y = x * x
    with tg.no_grad():
        (g,) = tg.grad(y, x, [3.0, -5.0])
        y.backward([3.0, -5.0])
    assert g.data.tolist() == x.grad.tolist() == [6.0, -40.0]


# Threads and tasks


def test_thread_in_no_grad_does_not_stop_another_from_recording() -> None:
    together = threading.Barrier(2, timeout=10)
    seen: dict[str, list[bool]] = {}

    def guarded() -> None:
        with tg.no_grad():
            together.wait()
            seen["guarded"] = [recording() for _ in range(100)]
            together.wait()
        seen["guarded"].append(recording())

    def free() -> None:
        together.wait()
        seen["free"] = [recording() for _ in range(100)]
        together.wait()

    threads = [threading.Thread(target=target) for target in (guarded, free)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"guarded": [False] * 100 + [True], "free": [True] * 100}
    assert recording()


def test_tasks_that_take_turns_each_keep_their_own_mode() -> None:
    async def guarded() -> list[tuple[bool, str]]:
        seen = []
        with tg.no_grad(), tg.scope("guarded"):
            for _ in range(5):
                await asyncio.sleep(0)
                seen.append((recording(), scope_here()))
        return seen

    async def free(name: str) -> list[tuple[bool, str]]:
        seen = []
        for i in range(5):
            with tg.scope(f"{name}{i}"):
                await asyncio.sleep(0)
                seen.append((recording(), scope_here()))
        return seen

    async def main() -> list[Any]:
        return await asyncio.gather(free("a"), guarded(), free("b"))

    a, between, b = asyncio.run(main())
    assert between == [(False, "guarded")] * 5
    assert a == [(True, f"a{i}") for i in range(5)]
    assert b == [(True, f"b{i}") for i in range(5)]


def test_task_starts_in_the_mode_of_the_one_that_made_it() -> None:
    async def inner() -> tuple[bool, str]:
        await asyncio.sleep(0)
        with tg.scope("inner"):
            return recording(), scope_here()

    async def main() -> tuple[bool, str]:
        with tg.no_grad(), tg.scope("outer"):
            task = asyncio.create_task(inner())
        assert recording()
        return await task

    assert asyncio.run(main()) == (False, "outer/inner")


def test_copied_context_keeps_its_changes_to_itself() -> None:
    guard = tg.no_grad()
    context = copy_context()
    context.run(guard.__enter__)
    assert recording()
    assert not context.run(recording)
    context.run(guard.__exit__, None, None, None)
    assert context.run(recording)


# Scopes


def test_scopes_nest_into_paths_and_give_back_the_outer_one() -> None:
    paths = [scope_here()]
    with tg.scope("outer"):
        paths.append(scope_here())
        with tg.scope("inner"), tg.no_grad():
            paths.append(scope_here())
        paths.append(scope_here())
    paths.append(scope_here())
    assert paths == ["", "outer", "outer/inner", "outer", ""]


def test_each_entering_is_a_scope_of_its_own(x: tg.Tensor) -> None:
    layer = tg.scope("layer")
    with layer:
        first, again = x * 2.0, x * 3.0
    with layer:
        second = x * 2.0
    with tg.scope("layer"), tg.scope("layer"):
        nested = x * 2.0
    assert first.made_in is again.made_in
    assert first.made_in is not second.made_in
    assert first.made_in != second.made_in
    assert nested.made_in.parent.name == nested.made_in.name == "layer"
    assert [t.scope for t in (first, second, nested)] == ["layer", "layer", "layer/layer"]


def test_scope_decorates_a_function_and_each_call_is_an_entering() -> None:
    @tg.scope("block")
    def block(depth: int) -> list[Any]:
        return [tg.Tensor(1.0).exp(), *(block(depth - 1) if depth else [])]

    once, twice = block(1), block(0)
    assert [t.scope for t in once + twice] == ["block", "block/block", "block"]
    assert once[0].made_in is not twice[0].made_in


def test_results_in_no_grad_and_detached_ones_still_know_their_scope(x: tg.Tensor) -> None:
    with tg.scope("s"), tg.no_grad():
        y = x * 2.0
    assert (y.scope, y.detach().scope) == ("s", "s")


@pytest.mark.parametrize(
    ("name", "error", "word"),
    [
        (3, TypeError, "not int"),
        (None, TypeError, "not NoneType"),
        (generator, TypeError, "not function"),  # @tg.scope without its name
        ("", ValueError, "empty"),
        ("a/b", ValueError, "nest scopes"),
    ],
)
def test_scope_that_has_no_proper_name_is_refused(name: Any, error: Any, word: str) -> None:
    with pytest.raises(error, match=f"scope.*{word}"):
        tg.scope(name)


@given(st.lists(st.sampled_from(["no_grad", "detect_anomaly", "a", "b"]), max_size=8))
def test_any_nesting_is_the_sum_of_its_blocks_and_leaves_nothing_behind(blocks: list[str]) -> None:
    before = MODE.get()
    path: list[str] = []
    with ExitStack() as stack:
        for i, block in enumerate(blocks):
            if block in ("a", "b"):
                path.append(block)
                stack.enter_context(tg.scope(block))
            else:
                stack.enter_context(getattr(tg, block)())
            assert recording() == ("no_grad" not in blocks[: i + 1])
            assert scope_here() == "/".join(path)
            assert MODE.get().anomaly == ("detect_anomaly" in blocks[: i + 1])
    assert MODE.get() is before


# detect_anomaly


def line_of(text: str) -> str:
    """Find a line of this file, and say it as a message does."""
    for number, line in enumerate(linecache.getlines(__file__), start=1):
        if line.strip() == text:
            return f"{__file__}:{number}, in "
    raise AssertionError(f"no line reads {text!r}")


def blamed(use: Callable[[Any], Any], *inputs: float) -> str:
    """Give the message with which detect_anomaly stops a function."""
    (t,) = leaves([np.array(inputs)])
    with (
        np.errstate(all="ignore"),
        tg.detect_anomaly(),
        pytest.raises(FloatingPointError) as caught,
    ):
        use(t)
    return str(caught.value)


def log_of(t: Any) -> Any:
    with tg.scope("outer"), tg.scope("inner"):
        return tg.log(t)


def numpy_log_of(t: Any) -> Any:
    return np.log(t) * 2.0


def composed_of(t: Any) -> Any:
    return np.dot(np.ones(2), np.expand_dims(t, -1) / 0.0)


def mean_of(t: Any) -> Any:
    return np.mean(t, axis=0)


@pytest.mark.parametrize(
    ("use", "inputs", "made", "line"),
    [
        (log_of, (1.0, -1.0), "log made 1 NaN of 2 (shape (2,)) in scope 'outer/inner'",
         "return tg.log(t)"),
        (numpy_log_of, (0.0, 0.0), "log made 2 infinite values of 2 (shape (2,)), called",
         "return np.log(t) * 2.0"),
        (composed_of, (1.0, 2.0), "div made 2 infinite values of 2 (shape (2, 1)), called",
         "return np.dot(np.ones(2), np.expand_dims(t, -1) / 0.0)"),
        (mean_of, (np.inf, -np.inf), "mean made 1 NaN of 1 (shape ()), called",
         "return np.mean(t, axis=0)"),
    ],
    ids=["function", "numpy", "composed", "reduction"],
)  # fmt: skip
def test_first_fault_forward_names_operation_scope_and_the_users_line(
    use: Callable[[Any], Any], inputs: tuple[float, ...], made: str, line: str
) -> None:
    message = blamed(use, *inputs)
    assert message.startswith(made)
    assert f"called at {line_of(line)}{use.__name__}: {line}" in message


def root_of(t: Any) -> Any:
    with tg.scope("norm"):
        return tg.sqrt(t)


BACKWARD = {
    "backward": lambda y, x: y.backward([3.0, -5.0]),
    "grad": lambda y, x: tg.grad(y, x, [3.0, -5.0]),
    "grad of grad": lambda y, x: tg.grad(y, x, [3.0, -5.0], create_graph=True),
}


@pytest.mark.parametrize("differentiate", BACKWARD.values(), ids=BACKWARD)
def test_first_fault_backward_names_operation_scope_and_the_line_of_the_forward_pass(
    differentiate: Callable[[Any, Any], Any],
) -> None:
    message = blamed(lambda t: differentiate(root_of(t) * 2.0, t), 4.0, 0.0)
    line = "return tg.sqrt(t)"
    assert message.startswith("the backward rule of sqrt for input 0 made 1 infinite value of 2")
    assert "(shape (2,)) in scope 'norm'" in message
    assert f"called at {line_of(line)}root_of: {line}" in message


def test_fault_of_a_graph_recorded_before_says_how_to_find_its_line() -> None:
    (x,) = leaves([np.array([4.0, 0.0])])
    y = root_of(x)
    with (
        np.errstate(all="ignore"),
        tg.detect_anomaly(),
        pytest.raises(FloatingPointError, match=r"sqrt.*'norm'.*record inside detect_anomaly"),
    ):
        y.backward([3.0, -5.0])
    assert x.grad is None


@pytest.mark.parametrize("differentiate", BACKWARD.values(), ids=BACKWARD)
def test_infinity_that_arises_where_parts_of_a_gradient_add_up_is_found(
    differentiate: Callable[[Any, Any], Any],
) -> None:
    """Each part is finite, and so is the result; only the sum of the parts is not."""
    (x,) = leaves([np.array([0.5, 0.25], np.float32)])
    big = np.float32(6e37)
    with (
        np.errstate(all="ignore"),
        tg.detect_anomaly(),
        pytest.raises(FloatingPointError, match=r"infinite value.* \(shape \(2,\)\)"),
    ):
        differentiate(x * big + x * big, x)


def test_faultless_work_goes_on_under_detect_anomaly_to_any_order(x: tg.Tensor) -> None:
    def derivatives() -> list[Any]:
        y = np.sum(np.sqrt(x) * x)
        (first,) = tg.grad(y, x, create_graph=True)
        (second,) = tg.grad(first.sum(), x)
        y.backward()
        return [y.data, first.data, second.data, x.grad]

    with tg.detect_anomaly():
        watched = derivatives()
    x.zero_grad()
    for a, b in zip(watched, derivatives(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_outside_of_detect_anomaly_nothing_is_stopped(x: tg.Tensor) -> None:
    with np.errstate(all="ignore"):
        y = tg.log(x - 4.0)
        y.backward([3.0, -5.0])
    assert not np.isfinite(y.data).any()
    assert np.isinf(x.grad[1])
