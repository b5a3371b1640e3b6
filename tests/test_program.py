"""A program computes what its function computes, to the last bit, and so do its gradients."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conftest import cotangent, rng_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_primitives import CASES

import tinygrad_bn as tg
from tinygrad_bn.autodiff import reverse_pass
from tinygrad_bn.program.program import recorded
from tinygrad_bn.recording import MODE
from tinygrad_bn.testing.strategies import ComposedFunction, functions

X = np.random.default_rng(0).normal(size=(6, 3))
DTYPES = (np.float64, np.float32, np.float16)


def eager(f: Any, xs: Any) -> tuple[list[tg.Tensor], tg.Tensor]:
    tensors = [tg.Tensor(x, requires_grad=True) for x in xs]
    y = f(*tensors)
    return tensors, y if isinstance(y, tg.Tensor) else tg.Tensor(y)


def pulled_back(seeds: Any, tensors: Any, *, create_graph: bool) -> list[Any]:
    """Compute the gradients of several outputs at once, as the engine does for one."""
    found = {id(t): g for t, g, _ in reverse_pass(seeds, tensors, create_graph=create_graph)}
    zeros = [np.zeros_like(t.data) for t in tensors]
    return [found.get(id(t), z) for t, z in zip(tensors, zeros, strict=True)]


def same(got: Any, expected: Any) -> None:
    expected = expected.data if isinstance(expected, tg.Tensor) else expected
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected, strict=True)


def assert_same_on(f: Any, program: Any, xs: Any, rng: Any) -> None:
    """Hold a program and its first two derivatives against the function on other values."""
    tensors, y = eager(f, xs)
    same(program(*xs), y)
    gradient = program.gradient(wrt=range(len(xs)))
    dy = np.asarray(cotangent(rng, y.shape), y.dtype)
    firsts = gradient(*xs, dy)
    upstream = tg.Tensor(dy, requires_grad=True)
    if not y.requires_grad:
        assert all((g == 0).all() for g in firsts)
        return
    recorded = pulled_back([(y, upstream)], tensors, create_graph=True)
    for got, plain, g in zip(firsts, tg.grad(y, tensors, dy), recorded, strict=True):
        same(got, plain)
        same(got, g)
    us = [np.asarray(cotangent(rng, x.shape), x.dtype) for x in xs]
    seconds = gradient.gradient(wrt=range(len(xs) + 1))(*xs, dy, tuple(us))
    seeds = [(g, u) for g, u in zip(recorded, us, strict=True) if isinstance(g, tg.Tensor)]
    seeds = [(g, u) for g, u in seeds if g.requires_grad]
    expected = pulled_back(seeds, [*tensors, upstream], create_graph=False)
    for got, g in zip(seconds, expected, strict=True):
        same(got, g)


@settings(max_examples=200)
@given(
    f=functions(),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**16),
    sizes=st.tuples(st.integers(3, 6), st.integers(2, 8)),
)
def test_a_composed_function_and_its_program_are_the_same_at_any_batch_size(
    f: ComposedFunction, dtype: Any, seed: int, sizes: tuple[int, int]
) -> None:
    traced, other = sizes
    with np.errstate(all="ignore"):
        program = tg.trace(f, *f.inputs(traced, dtype, seed))
        for size in (traced, other):
            assert_same_on(f, program, f.inputs(size, dtype, seed + 1), rng_of(seed, size))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_primitive_and_its_program_are_the_same_on_other_values(case: Any) -> None:
    rng = rng_of("program", case)
    program = tg.trace(case, *case.inputs(rng))
    others = [np.asarray(x) for x in case.inputs(rng_of("other values", case))]
    with np.errstate(all="ignore"):
        assert_same_on(case, program, others, rng)


CHOOSING = {
    "relu": tg.relu,
    "leaky_relu": tg.leaky_relu,
    "abs": np.abs,
    "maximum": lambda x: np.maximum(x, 0.25),
    "max": lambda x: np.max(x, axis=0),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
}


@pytest.mark.parametrize("f", CHOOSING.values(), ids=CHOOSING)
def test_what_was_recorded_of_one_sign_is_right_for_the_other(f: Any) -> None:
    """The questions that a rule asks (x > 0) are steps, also where the recording was eager."""
    x = rng_of("signs").normal(size=(5, 3))
    (leaf,) = leaves = [tg.Tensor(x, requires_grad=True)]
    (dx,) = tg.grad(f(leaf).sum(), leaf, create_graph=True)
    replayed = recorded([dx], leaves)
    (expected,) = tg.grad(f(other := tg.Tensor(-x, requires_grad=True)).sum(), other)
    same(replayed(-x)[0], expected)


# What is refused, and how


def branches(x: Any) -> Any:
    return x if (x > 0).all() else -x


def becomes_a_float(x: Any) -> Any:
    return x * float(x[0, 0])


def becomes_an_array(x: Any) -> Any:
    return np.asarray(x) * 2


def reads_the_data(x: Any) -> Any:
    return x * tg.Tensor(x.data)


def goes_backward(x: Any) -> Any:
    x.sum().backward()
    return x


@pytest.mark.parametrize(
    ("f", "line"),
    [
        (branches, "return x if (x > 0).all() else -x"),
        (becomes_a_float, "return x * float(x[0, 0])"),
        (becomes_an_array, "return np.asarray(x) * 2"),
        (reads_the_data, "return x * tg.Tensor(x.data)"),
        (goes_backward, "x.sum().backward()"),
        (lambda x: np.allclose(x, x), "np.allclose(x, x)"),
    ],
)
def test_reading_a_value_is_refused_and_the_line_named(f: Any, line: str) -> None:
    with pytest.raises(TypeError, match=r"^trace: .*a program must hold for all values") as refusal:
        tg.trace(f, X)
    assert line in str(refusal.value)
    assert MODE.get().trace is None


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.sum(axis=0) / len(x),
        lambda x: x.sum(axis=0) / int(x.shape[0]),
        lambda x: x.sum(axis=0) / float(x.shape[0]),
        lambda x: sum(x[i] for i in range(x.shape[0])),
        lambda x: sum(row for row in x),
        lambda x: x * np.ones(x.shape),
        lambda x: x[np.arange(x.shape[0]), 0],
        lambda x: x * 2 if x.shape == (6, 3) else x,
        lambda x: x * 2 if x.shape[0] > 5 else x,
        lambda x: x * (2 if x.shape[0] % 2 == 0 else 3),
        lambda x: x / np.sqrt(x.shape[0]),
        lambda x: x.sum(axis=0) / np.prod(x.shape),
        lambda x: (
            x.sum(axis=0) * (np.float64(2.0) * x.shape[0] ** 0.5 + np.array([1.0]) * x.shape[0])
        ),
        lambda x: x + np.arange(6.0)[:, None],
        lambda x: x.reshape(x.shape[0] * 3) * np.arange(18.0),
    ],
)
def test_a_length_that_became_a_number_is_refused_elsewhere_in_one_sentence(f: Any) -> None:
    program = tg.trace(f, X)
    same(program(X + 1), eager(f, [X + 1])[1])
    with pytest.raises(ValueError, match=r"this program holds for .*only .* here it is"):
        program(X[:5])
    with pytest.raises(ValueError, match="this program holds for"):
        program.gradient()(X[:5], np.ones_like(program(X)))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 1.0 / x.shape[0] * x.sum(axis=0),
        lambda x: x.sum() / (x.shape[0] * x.shape[1] - 1),
        lambda x: x.reshape(x.shape[1], x.shape[0]).sum(axis=1),
        lambda x: x.reshape(x.shape[0] // 1, -1) * x.size,
        lambda x: np.ones_like(x) * x + np.zeros_like(x[0]) + np.full_like(x, 2.0),
        lambda x: x[: x.shape[0] // 2].mean(),
        lambda x: x if x.shape[0] > 1 else -x,
        lambda x: np.repeat(x, 3, axis=0).sum() + np.tile(x, (2, 1)).mean(),
        lambda x: np.concatenate([x, x * 2])[x.shape[0] - 1],
        lambda x: np.einsum("ij,ij->j", x, x) / x.shape[-2] ** 2,
        lambda x: (x - x.mean(axis=0)) @ x.T,
    ],
)
def test_what_is_computed_from_a_shape_holds_for_other_shapes(f: Any) -> None:
    program = tg.trace(f, X)
    for size in (2, 5, 8):
        x = rng_of("shapes", size).normal(size=(size, 3))
        assert_same_on(f, program, [x], rng_of(size))


def test_wrong_calls_are_told_apart_in_one_sentence() -> None:
    program = tg.trace(tg.batch_norm, X, np.ones(3))
    with pytest.raises(TypeError, match=r"batch_norm takes 2 arrays \(x, gamma\); 1 came"):
        program(X)
    with pytest.raises(TypeError, match="x was traced with float64, but float32 came"):
        program(X.astype(np.float32), np.ones(3))
    with pytest.raises(ValueError, match=r"x was traced with shape \(6, 3\).*\(3,\) came"):
        program(X[0], np.ones(3))
    with pytest.raises(ValueError, match=r"x.shape\[1\] == gamma.shape\[0\]"):
        program(X, np.ones(4))
    with pytest.raises(ValueError, match="no input 'z'; its inputs are 'x', 'gamma'"):
        program.gradient(wrt="z")
    with pytest.raises(ValueError, match="has no gradient"):
        tg.trace(lambda k, x: k * x, np.arange(3), np.ones(3)).gradient(wrt=0)
    with pytest.raises(TypeError, match="a function is expected, not int"):
        tg.trace(3, X)
    with pytest.raises(TypeError, match="returned NoneType, and no array"):
        tg.trace(lambda x: None, X)


# What goes in and comes out


def test_numbers_stay_weak_literals_stay_numbers_and_other_keywords_are_fixed() -> None:
    x = X.astype(np.float32)
    program = tg.trace(lambda x, p, *, scale, name: scale * x**p, x, 3, scale=2.0, name="any")
    assert [(v.name, v.weak) for v in program.inputs] == [("x", False), ("p", True)]
    same(program(np.abs(x), 0.5), eager(lambda t: 2.0 * t**0.5, [np.abs(x)])[1])
    literals = [n for e in program.equations for n in e.inputs if isinstance(n, int | float)]
    assert literals == [2.0]
    da = tg.trace(lambda x, a: a * x, x, 3.0).gradient(wrt="a")(x, 2.0, x)
    assert da == pytest.approx(float((x * x).sum()))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_only_sums_and_what_is_kept_of_the_mean_are_wider_than_the_inputs(dtype: Any) -> None:
    program = tg.trace(tg.batch_norm, X.astype(dtype), np.ones(3, dtype), np.zeros(3, dtype))
    working = np.promote_types(dtype, np.float32)
    for order in (program, program.gradient(), program.gradient().gradient()):
        wide = {e.output.name for e in order.equations if e.output.dtype == np.float64}
        assert wide <= {"mu", "dmu", "ddmu", "d2mu", None}
        of_mu = {e.output for e in order.equations if e.output.dtype == np.float64}
        assert all(v.size <= 3 for v in map(shape_only, of_mu))
        assert {v.dtype for v in order.outputs} == {np.dtype(dtype)}
        assert {e.output.dtype for e in order.equations} <= {
            np.dtype(dtype), working, np.dtype(np.float64)
        }  # fmt: skip


def shape_only(v: Any) -> np.ndarray:
    return np.empty(v.shape)


def test_arrays_come_back_in_the_containers_of_the_function() -> None:
    program = tg.trace(lambda x: {"a": x * 2, "b": (x.sum(), [x, None])}, X)
    result = program(X)
    assert list(result) == ["a", "b"]
    same(result["a"], X * 2)
    assert result["b"][1][1] is None
    assert isinstance(result["b"][1], list)
    gradient = tg.trace(lambda x: (x * 2, x.sum()), X).gradient()
    same(gradient(X, (X, np.array(5.0))), X * 2 + 5.0)


def test_inputs_may_be_in_containers() -> None:
    program = tg.trace(lambda pair, c: np.concatenate(pair) * c["scale"], [X, X], {"scale": X[:1]})
    assert len(program.inputs) == 3
    same(program([X, X + 1], {"scale": X[1:2]}), np.concatenate([X, X + 1]) * X[1:2])


def test_labels_and_masks_are_inputs_that_keep_their_dtype() -> None:
    labels = np.array([0, 2, 1, 0, 1, 2])
    program = tg.trace(tg.nn.cross_entropy, X, labels)
    assert [v.dtype.kind for v in program.inputs] == ["f", "i"]
    x, other = X[:4] + 1, np.array([2, 2, 0, 1])
    same(program(x, other), tg.nn.cross_entropy(x, other))
    leaf = tg.Tensor(x, requires_grad=True)
    expected = tg.grad(tg.nn.cross_entropy(leaf, other), leaf, 2.5)[0]
    same(program.gradient()(x, other, 2.5), expected)
    masked = tg.trace(lambda x, m: x[m].sum() + np.where(m, x, 0.5).mean(axis=0), X, X > 0)
    same(
        masked(x, x > 1), eager(lambda t: t[x > 1].sum() + np.where(x > 1, t, 0.5).mean(0), [x])[1]
    )
    picked = tg.trace(lambda x, i: x[i, 1] ** 2, X, np.array([0, 3]))
    same(picked.gradient()(x, np.array([1, 1, 2]), np.ones(3)),
         tg.grad((leaf[np.array([1, 1, 2]), 1] ** 2).sum(), leaf)[0])  # fmt: skip


def test_no_grad_and_detach_stop_the_gradient_of_a_program_too() -> None:
    def standardized(x: Any) -> Any:
        with tg.no_grad():
            s = x.std()
        return x / s + x.detach()

    program = tg.trace(standardized, X)
    assert_same_on(standardized, program, [X[:4] * 3], rng_of("no grad"))


def test_a_gradient_taken_inside_is_part_of_the_program() -> None:
    def slope(x: Any) -> Any:
        return tg.grad((tg.relu(x) ** 3).sum(), x)[0]

    program = tg.trace(slope, X)
    x = X[:4] - 0.5
    np.testing.assert_array_equal(program(x), 3 * np.maximum(x, 0) ** 2)
    np.testing.assert_allclose(program.gradient()(x, x), 6 * np.maximum(x, 0) * x)


def test_state_is_captured_by_name_read_anew_and_never_changed() -> None:
    net = tg.nn.Sequential(
        tg.nn.Linear(3, 4, generator=0), tg.nn.BatchNorm(4), tg.nn.Dropout(0.5, generator=1)
    )
    before, generator = net.state_dict(), net[2].generator.bit_generator.state
    program = tg.trace(net, X)
    assert all((before[k] == v).all() for k, v in net.state_dict().items())
    assert net[2].generator.bit_generator.state == generator
    names = [v.name for v in program.captured]
    assert sorted(names) == sorted(before)
    assert [(v.name, v.dtype.kind) for v in program.inputs] == [("x", "f"), ("mask", "b")]

    x, keep = X[:5] * 2, rng_of("mask").random((5, 4)) < 0.5
    updates = program.updated(x, keep)
    expected = tg.nn.Sequential(*list(net)[:2])(x).data  # moves the running statistics
    same(program(x, keep), expected * (keep * 2.0))
    assert set(updates) == set(program.updates)
    for name, value in updates.items():
        same(value, net.state_dict()[name])

    old = program(x, keep)
    net[0].weight.data = net[0].weight.data * 2
    assert not np.allclose(program(x, keep), old)
    (dw,) = program.gradient(wrt=["0.weight"])(x, keep, expected)
    assert dw.shape == (4, 3)


def test_statistics_of_a_layer_that_is_used_twice_move_twice() -> None:
    layer = tg.nn.BatchNorm(3)

    def twice(x: Any, y: Any) -> Any:
        return layer(x), layer(y)

    program = tg.trace(twice, X, X)
    updates = program.updated(X[:4], X[:5] + 1)
    twice(X[:4], X[:5] + 1)
    for name, value in layer.state_dict().items():
        if name in updates:
            same(updates[name], value)
    assert set(updates) == {"running_mean", "running_var", "num_batches_tracked"}


def test_in_inference_the_statistics_are_read() -> None:
    layer = tg.nn.BatchNorm(3)
    layer(X)
    layer.eval()
    program = tg.trace(layer, X)
    assert not program.updates
    same(program(X[:2]), layer(X[:2]))
    layer.set_statistics(np.zeros(3), np.ones(3))
    same(program(X[:2]), layer(X[:2]))


def test_tensors_reached_otherwise_are_captured_and_arrays_are_constants() -> None:
    w, k = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="w"), np.arange(3.0)
    other = tg.Tensor([5.0], name="w")
    program = tg.trace(lambda x: x * w + k + other + tg.Tensor(0.5), X)
    assert [v.name for v in program.captured] == ["w", "w_2"]
    assert [v.value.tolist() for v in program.constants] == [[0.0, 1.0, 2.0], 0.5]
    w.data = np.zeros(3)
    same(program(X), X * 0 + k + 5.0 + 0.5)
    same(program.gradient(wrt="w")(X, X), (X * X).sum(axis=0))


def test_results_are_arrays_of_ones_own() -> None:
    for f in (lambda x: x, lambda x: x[1:], lambda x: x.T):
        x = X.copy()
        y = tg.trace(f, X)(x)
        y[...] = 7.0
        np.testing.assert_array_equal(x, X)


# Equality


def test_programs_are_equal_up_to_names_and_the_order_of_independent_steps() -> None:
    def one(x: Any, y: Any) -> Any:
        a = np.sin(x)
        b = np.cos(y)
        return a * b

    def other(u: Any, v: Any) -> Any:
        with tg.scope("elsewhere"):
            second = np.cos(v)
        first = np.sin(u)
        return first * second

    assert tg.trace(one, X, X) == tg.trace(other, X, X)
    assert hash(tg.trace(one, X, X)) == hash(tg.trace(other, X, X))
    assert tg.trace(one, X, X) == tg.trace(one, X[:4], X[:4])
    assert tg.trace(one, X, X).gradient() == tg.trace(other, X, X).gradient()
    assert tg.trace(one, X, X).gradient() == tg.trace(one, X[:4], X[:4]).gradient()


@pytest.mark.parametrize(
    ("f", "g"),
    [
        (lambda x: x + 1, lambda x: x + 2),
        (lambda x: x + 1, lambda x: x + 1.0),
        (lambda x: x * x, lambda x: x**2),
        (lambda x: x.sum(axis=0), lambda x: x.sum(axis=1)),
        (lambda x: x * np.arange(3.0), lambda x: x * np.arange(1.0, 4.0)),
        (lambda x: x[np.array([0, 1])], lambda x: x[np.array([0, 2])]),
        (lambda x: x / x.shape[0], lambda x: x / 6),
        (lambda x: x / x.shape[0], lambda x: x / x.shape[1]),
        (lambda x: (x, x + 1), lambda x: (x + 1, x)),
        (lambda x: np.sin(x) - np.cos(x), lambda x: np.cos(x) - np.sin(x)),
    ],
)
def test_programs_that_mean_something_else_differ(f: Any, g: Any) -> None:
    assert tg.trace(f, X) != tg.trace(g, X)
    assert tg.trace(f, X) == tg.trace(f, X + 1)


def test_array_parameters_compare_by_content() -> None:
    def f(x: Any) -> Any:
        return x[np.array([0, 2])] + np.arange(3.0)

    assert tg.trace(f, X) == tg.trace(f, X)
    assert tg.trace(f, X) != tg.trace(f, X.astype(np.float32))


# Views


def test_steps_yield_each_equation_with_its_value() -> None:
    program = tg.trace(tg.batch_norm, X)
    steps = list(program.steps(X[:4]))
    assert [equation for equation, _ in steps] == list(program.equations)
    same(steps[-1].value, tg.batch_norm(X[:4]))
    named = {equation.output.name: value for equation, value in steps}
    np.testing.assert_allclose(named["mu"], X[:4].mean(axis=0, keepdims=True))


@pytest.mark.parametrize("gradient", [None, True])
def test_a_graph_of_a_program_shows_inputs_and_statistics(gradient: Any) -> None:
    layer = tg.nn.BatchNorm(3)
    graph = tg.trace(layer, X).graph(X, gradient=gradient)
    assert graph["x"].kind == "input"
    assert graph["gamma"].kind == "parameter"
    assert all(len(node.parts) == len(node.inputs) for node in graph.nodes)
    assert {"mu", "var", "x_hat", "y"} <= {node.name for node in graph.nodes}
    layer.eval()
    graph = tg.trace(layer, X).graph(X, gradient=gradient)
    assert graph["x"].kind == "input"
    assert graph["running_mean"].value.shape == (3,)
    assert graph["BatchNorm/running_var"].scope == "BatchNorm"
    if gradient:
        assert graph["x"].grad.shape == X.shape
        assert len(graph.both) > len(graph)


def test_a_graph_of_a_program_and_one_recorded_eagerly_show_the_same() -> None:
    x = tg.Tensor(X, requires_grad=True, name="x")
    eagerly = tg.graph(tg.batch_norm(x, np.ones(3)), X)
    traced = tg.trace(lambda x: tg.batch_norm(x, np.ones(3)), X).graph(X, gradient=X)
    assert [(n.op, n.name, n.scope, n.inputs) for n in eagerly.both.nodes] == [
        (n.op, n.name, n.scope, n.inputs) for n in traced.both.nodes
    ]
    for a, b in zip(eagerly.nodes, traced.nodes, strict=True):
        np.testing.assert_array_equal(a.value, b.value)
        np.testing.assert_array_equal(a.grad is None or a.grad, b.grad is None or b.grad)


def test_a_listing_is_one_that_can_stand_on_a_slide() -> None:
    x = X.astype(np.float32)
    program = tg.trace(tg.batch_norm, x, np.ones(3, np.float32), np.zeros(3, np.float32))
    lines = str(program.gradient()).splitlines()
    assert [line.split("=", 1)[0].strip() for line in lines[3:-1]] == [
        "mu", "x_centered", "var", "std", "x_hat", "dbeta", "dx_hat", "dgamma", "dstd", "dvar",
        "dx_centered", "dmu", "dx",
    ]  # fmt: skip
    assert lines[-1] == "  return dx, dgamma, dbeta"
    assert "2 (dvar / m) x_centered" in str(program.gradient())
    assert max(map(len, lines)) <= 80


@settings(max_examples=100)
@given(f=functions())
def test_every_listing_can_be_written_and_names_each_thing_once(f: ComposedFunction) -> None:
    program = tg.trace(f, *f.inputs(4))
    for order in (program, program.gradient(), program.gradient().gradient()):
        lines = str(order).splitlines()
        assigned = [line.split(" = ")[0].strip() for line in lines if line.startswith("  ")]
        assigned = [name for name in assigned if not name.startswith("return")]
        assert len(assigned) == len(set(assigned))


def test_programs_inside_programs() -> None:
    inner = tg.trace(lambda x: x / x.shape[0], X)
    outer = tg.trace(lambda x: inner(x) ** 2 + inner(x[1:]).sum(), X)
    x = X[:4]
    np.testing.assert_allclose(outer(x), (x / 4) ** 2 + (x[1:] / 3).sum())
    leaf = tg.Tensor(x, requires_grad=True)
    (dx,) = tg.grad(inner(leaf).sum(), leaf)
    np.testing.assert_allclose(dx.data, np.full_like(x, 0.25))


def test_other_threads_are_not_traced() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: bool(tg.Tensor(1.0) > 0)).result()
        return x * 2

    same(tg.trace(f, X)(X), X * 2)


def test_an_error_inside_leaves_no_trace_behind() -> None:
    with pytest.raises(ZeroDivisionError):
        tg.trace(lambda x: x * (1 / 0), X)
    assert MODE.get().trace is None
    assert (tg.Tensor(1.0) > 0).dtype == bool


def test_eager_calls_on_plain_data_keep_nothing_alive() -> None:
    y = tg.batch_norm(X, np.ones(3))
    assert y.op is None
    assert y.inputs == ()


# What others tried


def test_a_length_that_is_returned_is_read_anew() -> None:
    program = tg.trace(lambda x: (x.sum(), x.shape[0], 1 / x.shape[0], x.shape), X)
    total, size, share, shape = program(X[:2])
    assert (total, size, share, shape) == (X[:2].sum(), 2, 0.5, (2, 3))


@pytest.mark.parametrize(
    ("f", "traced", "called"),
    [
        (lambda x, y: (x @ y).sum(), [(6, 2, 3), (6, 3, 4)], [(1, 2, 3), (6, 3, 4)]),
        (lambda b, x: np.broadcast_to(b, x.shape) * x, [(3,), (6, 3)], [(1,), (6, 3)]),
        (lambda x, y: x * y, [(6, 3), (6, 3)], [(1, 3), (6, 3)]),
        (lambda x, y: np.where(x > y, x, y), [(6, 3), (3,)], [(6, 1), (3,)]),
    ],
)
def test_inputs_that_were_equally_long_and_now_broadcast_are_refused(f, traced, called) -> None:
    rng = np.random.default_rng(0)
    program = tg.trace(f, *[rng.normal(size=shape) for shape in traced])
    with pytest.raises(ValueError, match="this program holds for"):
        program(*[rng.normal(size=shape) for shape in called])


def test_arguments_keep_their_places_in_containers_and_by_name() -> None:
    program = tg.trace(lambda p: p["a"] - p["b"], {"a": 1.0, "b": 0.0})
    assert program({"b": 10.0, "a": 1.0}) == -9.0
    by_name = tg.trace(lambda x, w: x - w, w=np.array(1.0), x=np.array(2.0))
    assert by_name(10.0, 1.0) == by_name(w=1.0, x=10.0) == 9.0
    fixed = tg.trace(lambda x, how, c: x * c["w"], X, "times", {"w": X, "b": None})
    same(fixed(X, "times", {"w": X + 1, "b": None}), X * (X + 1))
    same(fixed(X, X + 1), X * (X + 1))
    with pytest.raises(TypeError, match="is an array; dict came"):
        tg.trace(lambda a, b: a - b["c"], X, {"c": X})({"c": X}, X)


def test_numbers_that_do_not_fit_and_masks_that_would_be_lost_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        tg.trace(lambda k: k * 2, np.array([1], np.int8))([300])
    with pytest.raises(TypeError, match="lose its mask"):
        tg.trace(lambda x: x.sum(), X)(np.ma.masked_array(X, X > 0))


def test_numpy_functions_of_numbers_are_as_wide_as_numpy_makes_them() -> None:
    x = X.astype(np.float32)
    for f in (lambda x, k: x / np.sqrt(k), lambda x, k: x * np.maximum(k, 0.1)):
        program = tg.trace(f, x, 3)
        same(program(x, 2), eager(lambda t, f=f: f(t, 2), [x])[1])


def test_a_number_that_is_an_exponent_has_a_gradient() -> None:
    x = np.abs(X) + 0.5
    dx, dk = tg.trace(lambda x, k: x**k, x, 2.0).gradient()(x, 3.0, np.ones_like(x))
    np.testing.assert_allclose(dx, 3 * x**2)
    np.testing.assert_allclose(dk, (x**3 * np.log(x)).sum())
    by_size = tg.trace(lambda x: x ** x.shape[1], x)
    np.testing.assert_allclose(by_size.gradient()(x[:2], x[:2]), 3 * x[:2] ** 3)


def test_a_buffer_is_read_as_it_is_after_its_update() -> None:
    layer = tg.nn.BatchNorm(3, dtype=np.float32)

    def statistics(x: Any) -> Any:
        layer(x)
        return layer.running_mean

    program = tg.trace(statistics, X)
    got = program(X)
    same(got, statistics(X))
    assert program.updated(X)["running_mean"].dtype == np.float32


def test_traces_inside_traces_and_after_each_other_do_not_meet() -> None:
    inner = tg.trace(lambda x: tg.trace(lambda a: a * x, x)(x), X)
    same(inner(X + 1), (X + 1) ** 2)
    kept = []
    tg.trace(lambda x: (kept.append(x), x * 2)[1], X)
    with pytest.raises(TypeError, match="no value outside of the trace"):
        kept[0].data  # noqa: B018


def test_lengths_that_depend_on_values_have_gradients() -> None:
    program = tg.trace(lambda x: (x[x > 0] ** 2).sum() + x[x < 0].max(), X)
    x = X[:4] * 2
    expected = np.where(x > 0, 2 * x, 0) + (x == x[x < 0].max())
    np.testing.assert_array_equal(program.gradient()(x, 1.0), expected)


def test_a_program_can_be_pickled() -> None:
    program = tg.trace(lambda x: tg.batch_norm(x)[x[:, 0] > 0], X)
    again = pickle.loads(pickle.dumps(program))
    same(again(X[:4]), program(X[:4]))
    same(again.gradient()(X[:4], program(X[:4])), program.gradient()(X[:4], program(X[:4])))


def test_a_listing_tells_results_and_lengths_with_the_same_name_apart() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        y.name = "m"
        return y / x.shape[0] + (y * y).sum(axis=0) / y

    text = str(tg.trace(f, X))
    assert "where m2 = x.shape[0]" in text
    assert "m / m2" in text


def test_a_program_inside_a_trace_refuses_lengths_for_which_it_does_not_hold() -> None:
    for_six = tg.trace(lambda x: x / len(x), X)
    with pytest.raises(ValueError, match=r"holds for x.shape\[0\] == 6 only .* here it is 4"):
        tg.trace(lambda x: for_six(x) * 2, X[:4])
    outer = tg.trace(lambda x: for_six(x) * 2, X)
    with pytest.raises(ValueError, match="this program holds for"):
        outer(X[:4])


def test_what_was_recorded_eagerly_has_a_gradient_too() -> None:
    leaf = tg.Tensor(X, requires_grad=True, name="x")
    program = recorded([tg.relu(leaf) ** 2], [leaf])
    np.testing.assert_array_equal(program.gradient()(-X, X)[0], 2 * np.maximum(-X, 0)[0] * X[0])
