"""The routes of a gradient: they add up to it, they are counted before they are listed."""

from __future__ import annotations

import time

import numpy as np
import pytest
from conftest import cotangent, rng_of
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn import closed_form
from tinygrad_bn.testing import strategies

BATCHES = st.integers(2, 5)
MOST = 200


def graph_of(function, size, dtype=np.float64):
    """Give the graph of a random function, with a cotangent, and its inputs."""
    program = tg.trace(function, *function.inputs(size, dtype))
    xs = function.inputs(size, dtype, seed=1)
    (output,) = program.outputs
    shape = np.shape(program(*xs))
    dy = cotangent(rng_of(function.source, size), shape).astype(output.dtype)
    return program.graph(*xs, gradient=dy)


@given(strategies.functions(), BATCHES)
def test_the_contributions_of_all_routes_add_up_to_the_gradient_of_every_node(function, size):
    """A rule is linear in the cotangent, so it may be applied to each term of a sum on its own.

    What rounding adds is of the size of the largest cotangent along the routes, times the machine
    epsilon, the number of steps and the growth by later steps: 2^20 epsilons allow for these.
    """
    graph = graph_of(function, size)
    for node in graph.nodes:
        if node.grad is None:
            continue
        try:
            routes = graph.paths(node.id, most=MOST)
        except ValueError as error:
            assert "more than most" in str(error)  # noqa: PT017 (the others are compared)
            continue
        assert routes.total.shape == node.grad.shape
        assert routes.total.dtype == node.grad.dtype
        sizes = [
            np.abs(passed.grad).max(initial=1.0)
            for route in routes
            for passed in route.nodes
            if np.isfinite(passed.grad).all()
        ]
        error = 2**20 * np.finfo(np.float64).eps * max(sizes, default=1.0) * len(routes)
        np.testing.assert_allclose(routes.total, node.grad, rtol=1e-9, atol=error)


@st.composite
def whole_number_graphs(draw):
    """Draw a graph whose values and gradients are whole numbers below 2^53, so without rounding.

    Four products of numbers up to 3 are at most 3^16, and each of at most 2^4 routes adds less.
    """
    numbers = st.integers(-3, 3).map(float)
    known = [tg.Tensor(draw(numbers), requires_grad=True, name=name) for name in "xy"]
    for _ in range(draw(st.integers(1, 4))):
        a, b = draw(st.sampled_from(known)), draw(st.sampled_from(known))
        operation = draw(st.sampled_from([tg.add, tg.sub, tg.mul]))
        known.append(operation(a, b))
    return tg.graph(known[-1], gradient=draw(numbers))


@given(whole_number_graphs())
def test_without_rounding_the_sum_is_the_gradient_to_the_last_bit(graph):
    for node in graph.nodes:
        if node.grad is not None:
            assert graph.paths(node.id).total == node.grad


@given(whole_number_graphs())
def test_the_routes_are_all_different_and_as_many_as_were_counted(graph):
    def count(node):  # by definition: from the output to each node
        here = 1 if node.seed is not None else 0
        return here + sum(count(user) for user, _ in graph.terms(node))

    for node in graph.nodes:
        if node.grad is None:
            continue
        routes = graph.paths(node.id)
        assert len(routes) == count(node)
        ways = {tuple((step.node.id, step.position) for step in route.steps) for route in routes}
        assert len(ways) == len(routes)
        for route in routes:
            for (user, position), after in zip(route.steps, route.nodes[1:], strict=True):
                assert user.inputs[position] == after.id


def batch_norm_graph(dtype=np.float64):
    rng = rng_of("three paths")
    x = tg.Tensor(rng.normal(size=(6, 2)), requires_grad=True, name="x", dtype=dtype)
    gamma = tg.Tensor([1.5, -2.0], requires_grad=True, name="gamma", dtype=dtype)
    beta = tg.Tensor([0.5, 1.0], requires_grad=True, name="beta", dtype=dtype)
    dy = cotangent(rng, (6, 2))
    return tg.graph(tg.batch_norm(x, gamma, beta, eps=0.5), gradient=dy), dy


def test_the_three_paths_of_batch_norm_are_the_three_terms_of_the_paper():
    """The equations of the paper, with m = 6: terms through x_hat alone, the variance, the mean."""
    graph, dy = batch_norm_graph()
    x, gamma = graph["x"].value, graph["gamma"].value
    _, cache = closed_form.forward(x, gamma, graph["beta"].value, eps=0.5)
    xc, s, dx_hat = cache.x_centered, cache.std, dy * gamma
    dvar = (dx_hat * xc).sum(0) * -0.5 / s**3
    dmu = (dx_hat * -1 / s).sum(0) + dvar * (-2 * xc).sum(0) / 6
    groups = graph.paths("x").split("var", "mu")
    assert list(groups) == ["directly", "through var", "through mu"]
    error = {"rtol": 1e-12, "atol": 1e-14}  # six terms of size 1
    np.testing.assert_allclose(groups["directly"].total, dx_hat / s, **error)
    np.testing.assert_allclose(groups["through var"].total, dvar * 2 * xc / 6, **error)
    spread = np.broadcast_to(dmu / 6, x.shape)
    np.testing.assert_allclose(groups["through mu"].total, spread, **error)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_single_route_is_the_gradient_itself_to_the_last_bit(dtype):
    graph, _ = batch_norm_graph(dtype)
    (route,) = graph.paths("gamma")
    np.testing.assert_array_equal(route.contribution, graph["gamma"].grad)
    assert route.contribution.dtype == graph["gamma"].dtype


def test_a_node_used_twice_by_one_operation_has_two_routes():
    x = tg.Tensor([2.0, 3.0], requires_grad=True, name="x")
    routes = tg.graph(x * x, gradient=[1.0, 10.0]).paths("x")
    assert [step.position for route in routes for step in route.steps] == [0, 1]
    np.testing.assert_array_equal(routes[0].contribution, [2.0, 30.0])


def test_an_output_that_feeds_another_output_starts_routes_of_its_own():
    program = tg.trace(lambda x: ((y := x * 2.0), y * y), np.array([1.0, 3.0]))
    graph = program.graph(np.array([1.0, 3.0]), gradient=(np.array([5.0, 7.0]), np.ones(2)))
    routes = graph.paths("x")
    assert sorted(len(route.steps) for route in routes) == [1, 2, 2]
    np.testing.assert_array_equal(routes.total, graph["x"].grad)
    assert any(not route.steps for route in graph.paths(graph.nodes[routes[0].steps[0].node.id].id))


def test_routes_are_counted_before_they_are_listed_however_many_there_are():
    y = tg.Tensor(1.0, requires_grad=True, name="x")
    for _ in range(300):
        y = y + y
    graph = tg.graph(y, gradient=1.0)
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"about 10\^90 routes lead to 'x', more than most=1000"):
        graph.paths("x")
    assert time.perf_counter() - began < 1
    with pytest.raises(ValueError, match=r"4 routes lead to .*, more than most=3"):
        graph.paths(graph.nodes[-3].id, most=3)
    assert len(graph.paths(graph.nodes[-3].id, most=4)) == 4


def test_a_route_may_be_long():
    y = tg.Tensor(1.0, requires_grad=True, name="x")
    for _ in range(3000):
        y = -y
    (route,) = tg.graph(y, gradient=2.0).paths("x")
    assert len(route.steps) == 3000
    assert route.contribution == 2.0


def test_what_has_no_route_says_why():
    graph, _ = batch_norm_graph()
    with pytest.raises(ValueError, match="no gradient flows to 'eps'"):
        graph.paths("eps")
    with pytest.raises(KeyError, match="no node is named 'z'"):
        graph.paths("z")
    with pytest.raises(KeyError, match=r"no route passes a node 'z'; the names are .*'mu'"):
        graph.paths("x").split("z")
    with pytest.raises(ValueError, match="has no backward pass: make it with a gradient"):
        tg.graph(tg.Tensor([1.0], requires_grad=True, name="x") * 2).paths("x")
