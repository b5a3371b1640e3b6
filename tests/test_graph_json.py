"""A graph as JSON: what is read back is the graph, and what is no graph is refused."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from conftest import cotangent, rng_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_graph_views import drawn_graphs

import tinygrad_bn as tg
from tinygrad_bn.graph import explorer, loading
from tinygrad_bn.testing import strategies


def graph_of(function, size, dtype=np.float64, gradient=True):
    """Give the graph of a random function; with a cotangent, if asked for."""
    program = tg.trace(function, *function.inputs(size, dtype))
    xs = function.inputs(size, dtype, seed=1)
    dy = cotangent(rng_of(function.source, size), np.shape(program(*xs)))
    return program.graph(*xs, gradient=dy if gradient else None)


def there_and_back(graph):
    return tg.Graph.from_json(json.loads(json.dumps(graph.to_json(), allow_nan=False)))


def assert_same_array(actual, expected):
    """Assert the same bits, but for the bits of a NaN."""
    if expected is None:
        assert actual is None
        return
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(actual, expected)
    if expected.dtype.kind == "f":
        known = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(actual)[known], np.signbit(expected)[known])


def assert_same_param(actual, expected):
    assert type(actual) is type(expected)
    if isinstance(expected, tuple | list):
        assert len(actual) == len(expected)
        for pair in zip(actual, expected, strict=True):
            assert_same_param(*pair)
    elif isinstance(expected, np.ndarray):
        assert_same_array(actual, expected)
    elif isinstance(expected, float):
        assert repr(actual) == repr(expected)  # also -0.0 and NaN
    else:
        assert actual == expected


def assert_same_graph(actual, expected):
    assert actual.has_gradients == expected.has_gradients
    assert len(actual) == len(expected)
    for read, node in zip(actual.nodes, expected.nodes, strict=True):
        for fact in ("id", "kind", "op", "name", "scope", "inputs", "rule", "formula", "path"):
            assert getattr(read, fact) == getattr(node, fact)
        assert (read.backward, read.cotangent_of) == (node.backward, node.cotangent_of)
        assert read.primitive is node.primitive
        assert_same_array(read.value, node.value)
        assert_same_array(read.grad, node.grad)
        assert_same_array(read.seed, node.seed)
        assert len(read.parts) == len(node.parts)
        for pair in zip(read.parts, node.parts, strict=True):
            assert_same_array(*pair)
        assert read.params.keys() == node.params.keys()
        for key, value in node.params.items():
            assert_same_param(read.params[key], value)


def assert_same_views(actual, expected):
    assert str(actual) == str(expected)
    directions = ["forward", *(["backward", "both"] if expected.has_gradients else [])]
    for direction in directions:
        for compact in (False, True):
            drawn, wanted = (g.to_dot(direction=direction, compact=compact).source
                             for g in (actual, expected))  # fmt: skip
            assert drawn == wanted
    assert actual.to_json() == expected.to_json()


@given(strategies.functions(), st.sampled_from([np.float64, np.float32]), st.booleans())
def test_a_random_function_comes_back_with_every_number_and_every_view(function, dtype, gradient):
    graph = graph_of(function, 3, dtype, gradient)
    read = there_and_back(graph)
    assert_same_graph(read, graph)
    assert_same_views(read, graph)
    if gradient:
        assert_same_graph(read.backward, graph.backward)


@given(strategies.functions(max_steps=3))
def test_the_routes_of_a_graph_that_was_read_are_those_of_the_graph(function):
    graph = graph_of(function, 2)
    read = there_and_back(graph)
    for node in graph.nodes:
        if node.grad is not None:
            routes = graph.paths(node.id)
            for again, route in zip(read.paths(node.id), routes, strict=True):
                assert str(again) == str(route)
                assert_same_array(again.contribution, route.contribution)


@given(drawn_graphs())
def test_any_names_and_scopes_come_back(graph):
    read = there_and_back(graph)
    assert_same_graph(read, graph)
    assert_same_views(read, graph)


def test_several_outputs_and_plain_numbers_come_back():
    def f(x, scale):
        y = x * scale
        return y, y.sum(axis=0), x.shape[0] * y

    program = tg.trace(f, np.ones((3, 2)), 2.0)
    rng = rng_of("several")
    gradient = tuple(cotangent(rng, shape) for shape in ((3, 2), (2,), (3, 2)))
    graph = program.graph(rng.normal(size=(3, 2)), 3.0, gradient=gradient)
    read = there_and_back(graph)
    assert_same_graph(read, graph)
    assert_same_views(read, graph)
    np.testing.assert_array_equal(read.paths("x").total, graph.paths("x").total)


floats = st.floats(width=16) | st.sampled_from([-0.0, np.nan, np.inf, -np.inf, 6e-8])


@given(st.lists(floats, max_size=5), st.sampled_from([np.float16, np.float32, np.float64]))
def test_every_float_comes_back_as_it_was(values, dtype):
    with np.errstate(all="ignore"):
        x = tg.Tensor(np.array(values, dtype), requires_grad=True, name="x")
        graph = tg.graph(x * 2.0, gradient=np.array(values, dtype))
    assert_same_graph(there_and_back(graph), graph)


def test_parameters_of_every_kind_come_back_as_they_were():
    x = tg.Tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True, name="x")
    index = tg.Tensor([1.0, 3.0, 2.0]) > 1.5
    parts = [
        x[..., 1:3:2], x[None, 0, :, ::-1], x[np.array([1, 0, 1])], x[:, [True, False, True]],
        x.mean(dtype=np.float64), x.sum((0, 2)), x.transpose((2, 0, 1)), x.reshape((4, 6)),
        tg.leaky_relu(x, 0.1), x.astype(np.float32), tg.where(x > 3, x, 0.0), x[-1, :, 2],
        tg.concatenate([x, x], 1), tg.stack([x, x]), x.var((0,), ddof=1), x[:, index.data],
        tg.clip(x, -np.inf, 4.0),
    ]  # fmt: skip
    total = parts[0].sum()
    for part in parts[1:]:
        total = total + part.sum()
    graph = tg.graph(total, gradient=np.array(-1.25))
    assert {"slice", "tuple", "array", "ellipsis"} <= set(_tags(graph.to_json()))
    assert_same_graph(there_and_back(graph), graph)
    assert_same_views(there_and_back(graph), graph)


def _tags(data):
    if isinstance(data, dict):
        yield from data
        for value in data.values():
            yield from _tags(value)
    elif isinstance(data, list):
        for value in data:
            yield from _tags(value)


def small_graph(gradient=True):
    x = tg.Tensor([[1.0, 2.0], [4.0, 8.0], [-3.0, 0.5]], requires_grad=True, name="x")
    gamma = tg.Tensor([1.5, -2.0], requires_grad=True, name="gamma")
    with tg.scope("net"):
        y = tg.batch_norm(x, gamma)[1:]
    dy = cotangent(rng_of("json"), (2, 2))
    return tg.graph(y, gradient=dy if gradient else None, names={"y": y})


def test_a_saved_graph_is_loaded_and_gives_the_same_page(tmp_path):
    graph = small_graph()
    read = tg.Graph.load(graph.save(tmp_path / "graph.json"))
    assert_same_graph(read, graph)
    assert explorer.page(read) == explorer.page(graph)
    assert [str(route) for route in read.paths("x")] == [str(route) for route in graph.paths("x")]
    for part in (graph.both, graph.backward, small_graph(gradient=False)):
        assert_same_graph(tg.Graph.load(part.save(tmp_path / "part.json")), part)


@pytest.mark.parametrize("content", [
    b"", b"{", b"[1, 2]", b"null", b'{"nodes": []}', b'{"format": "onnx"}', b"\xff\xfe\x00",
    b"[" * 100_000, b'{"format": "tinygrad_bn graph", "version": 1, "nodes": NaN}', b"digraph {}",
    b'{"format": "tinygrad_bn graph", "version": true}', b"\x80\x04\x95.",
])  # fmt: skip
def test_a_foreign_file_is_one_sentence_with_its_name(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^other\.json: [^\n]+$"):
        tg.Graph.load(path)


def test_a_newer_version_says_what_to_do():
    data = {**small_graph().to_json(), "version": 2}
    with pytest.raises(ValueError, match=r"has version 2 .* reads version 1: update tinygrad_bn"):
        tg.Graph.from_json(data)


def test_a_missing_file_is_the_usual_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        tg.Graph.load(tmp_path / "none.json")


SMALL = small_graph().to_json()
TEXT = json.dumps(SMALL).encode()
junk = st.sampled_from(
    [None, True, 0, -1, 7, 1.5, 10**400, 2**70, "", "NaN", "relu", "getitem", "__import__", [], {},
     [[]], [1e400], {"slice": [1, 2]}, {"slice": ["a", None, None]}, {"dtype": "object"},
     {"array": [1], "dtype": "int64", "shape": [10**12]}, {"tuple": 3}, [10**12], "float16"]
)  # fmt: skip


def places(data, path=()):
    """List every place in nested dicts and lists."""
    found = [path] if path else []
    pairs = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in pairs:
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
        else:
            found.append((*path, key))
    return found


PLACES = places(SMALL)


def read_or_refused(data):
    """Read; if that works, every view works. If not, it is one sentence."""
    try:
        graph = tg.Graph.from_json(data)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 (there may be none)
        assert 10 < len(str(error)) < 400  # noqa: PT017
        return False
    str(graph)
    graph.to_dot(compact=True)
    tg.Graph.from_json(graph.to_json())
    if graph.has_gradients and len(graph.both):
        graph.to_dot(direction="both")
        graph.to_dot(direction="backward", compact=True)
    for node in graph.nodes:
        if graph.has_gradients:
            routes_or_none(graph, node)
    return True


def routes_or_none(graph, node):
    try:
        graph.paths(node.id)
    except ValueError as error:
        assert "paths: " in str(error)  # noqa: PT017


@given(
    st.lists(st.tuples(st.sampled_from(PLACES), junk | st.just("remove")), min_size=1, max_size=3)
)
@settings(max_examples=200)
def test_a_damaged_graph_is_refused_in_one_sentence_or_has_all_its_views(changes):
    data = copy.deepcopy(SMALL)
    for (*way, last), value in changes:
        inner = data
        try:
            for key in way:
                inner = inner[key]
            if value == "remove":
                del inner[last]
            else:
                inner[last] = value
        except (TypeError, KeyError, IndexError):  # gone by an earlier change
            continue
    read_or_refused(data)


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 6), st.binary(max_size=4))
def test_damaged_bytes_are_refused_in_one_sentence_or_have_all_their_views(start, length, other):
    content = TEXT[:start] + other + TEXT[start + length :]
    try:
        data = loading.parsed(content)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    read_or_refused(data)


@pytest.mark.parametrize(("change", "words"), [
    ({"inputs": [5]}, r"nodes\[2\] has 'inputs' a list, but a list of ids of nodes before it"),
    ({"op": "os.system"}, r"nodes\[2\] has 'op' 'os.system', but the name of a primitive"),
    ({"dtype": "object"}, r"nodes\[2\] has 'dtype' 'object'"),
    ({"value": [[1.0]]}, r"nodes\[2\] has 'value' that is no array of shape \(3, 2\)"),
    ({"params": {}, "inputs": [0]}, r"inputs of shape \(3, 2\) and params of which sub does not"),
    ({"params": {"dtype": {"eval": "1"}}}, r"has a parameter 'dtype' that is an object of an unkn"),
])  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(change, words):
    data = copy.deepcopy(SMALL)
    assert data["nodes"][2]["op"] == "sub"
    data["nodes"][2].update(change)
    with pytest.raises(ValueError, match=words):
        tg.Graph.from_json(data)


def test_a_small_file_cannot_ask_for_much_memory():
    x = tg.Tensor(np.ones((1000, 1)), requires_grad=True)
    data = tg.graph(x + np.ones((1, 1))).to_json()
    data["nodes"][1]["shape"], data["nodes"][1]["value"] = [1, 10**9], [[1.0] * 5]
    with pytest.raises(ValueError, match="no array of shape"):
        tg.Graph.from_json(data)
    data = tg.graph(tg.broadcast_to(x, (1000, 2))).to_json()
    data["nodes"][1]["params"] = {"shape": {"tuple": [1000, 10**12]}}
    with pytest.raises(ValueError, match="broadcast_to does not make"):
        tg.Graph.from_json(data)
