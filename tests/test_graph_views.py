"""The Graphviz views: what is drawn is what the Graph has, for any graph and any names."""

from __future__ import annotations

import pickle
import re
from contextlib import ExitStack
from xml.etree import ElementTree

import numpy as np
import pygraphviz
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn.graph import dot, render, scopes

hostile = ['"', "\\N", "<b>&amp;</b>", "</TD>", "{x|y}", 'a"];b', "\0\7", "\ud800", "a\nb", "]]>"]
names = st.none() | st.text(max_size=12) | st.sampled_from([*hostile, "mu", "x_hat"])
scope_names = st.text(min_size=1, max_size=6).filter(lambda name: "/" not in name)


@st.composite
def drawn_graphs(draw):
    """Draw a graph of any form: a few leaves, operations of one and two inputs, nested scopes."""
    tensors = [
        tg.Tensor(draw(st.sampled_from([1.5, [0.5, 2.0], [[1.0], [3.0]]])), name=draw(names),
                  requires_grad=draw(st.booleans()) or i == 0)
        for i in range(draw(st.integers(1, 3)))
    ]  # fmt: skip
    out = tensors[0]
    for _ in range(draw(st.integers(1, 8))):
        other = draw(st.sampled_from(tensors))
        operation = draw(
            st.sampled_from([lambda a, b: a + b, lambda a, b: a * b, lambda a, b: tg.sin(a)])
        )
        with ExitStack() as stack:
            for name in draw(st.lists(scope_names, max_size=2)):
                stack.enter_context(tg.scope(name))
            out = operation(out, other)
        out.name = draw(names)
        tensors.append(out)
    return tg.graph(out, gradient=draw(st.sampled_from([None, True])))


def batch_norm_graph(gradient=True):
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(6, 2)), requires_grad=True, name="x")
    gamma = tg.Tensor([1.0, 2.0], requires_grad=True, name="gamma")
    beta = tg.Tensor([0.5, -1.0], requires_grad=True, name="beta")
    y = tg.batch_norm(x, gamma, beta)
    return tg.graph(y, rng.normal(size=(6, 2)) if gradient else None)


def network(layers=3):
    h = tg.Tensor(np.random.default_rng(1).normal(size=(5, 2)), name="x")
    for i in range(layers):
        with tg.scope(f"layer{i + 1}"):
            w = tg.Tensor(np.eye(2) + 0.1 * i, requires_grad=True, name="weight")
            h = tg.relu(tg.batch_norm(h @ w))
    return tg.graph((h * h).sum(), gradient=True)


def parsed(graph, **options):
    return pygraphviz.AGraph(string=graph.to_dot(**options).source)


def label(drawn, node):
    """Give what a label says: the text of its HTML."""
    words = drawn.get_node(node).attr["label"].replace("&nbsp;", " ")
    tree = ElementTree.fromstring(f"<label>{words}</label>")
    return "".join(tree.itertext())


@given(drawn_graphs())
def test_nodes_edges_and_labels_are_those_of_the_graph(graph):
    drawn = parsed(graph)
    made = [node for node in graph.nodes if node.op]
    assert set(drawn.nodes()) == {f"n{n.id}" for n in graph.nodes} | {f"op{n.id}" for n in made}
    edges = {(f"op{n.id}", f"n{n.id}") for n in made}
    edges |= {(f"n{i}", f"op{n.id}") for n in made for i in n.inputs}
    assert sorted(drawn.edges()) == sorted(edges)
    for node in graph.nodes:
        if node.name is not None:
            assert dot.clean(dot.symbol(node.name)) in label(drawn, f"n{node.id}")


@given(drawn_graphs())
def test_frames_are_the_scopes_and_hold_their_nodes(graph):
    drawn = parsed(graph)
    paths = scopes.all_scopes(graph.nodes)
    for k, path in enumerate(paths):
        (frame,) = [s for s in all_frames(drawn) if s.name == f"cluster_scope{k}"]
        inside = {f"n{n.id}" for n in graph.nodes if path in scopes.enclosing(n.scope)}
        assert {n for n in frame.nodes() if n[0] == "n"} == inside
    assert len(list(all_frames(drawn))) == len(paths)


def all_frames(drawn):
    for frame in drawn.subgraphs():
        if frame.name.startswith("cluster"):
            yield frame
        yield from all_frames(frame)


@given(drawn_graphs())
def test_any_graph_can_be_collapsed_to_its_outermost_scopes(graph):
    drawn = parsed(graph, collapse=0)
    outermost = {path for path in scopes.all_scopes(graph.nodes) if "/" not in path}
    assert sum(name.startswith("scope") for name in drawn.nodes()) == len(outermost)
    assert f"n{graph.nodes[-1].id}" in drawn.nodes()  # the output stays visible


def test_a_collapsed_scope_keeps_what_goes_in_and_comes_out():
    drawn = parsed(batch_norm_graph(), collapse=["batch_norm"])
    assert set(drawn.nodes()) == {"n0", "scope0", "n13"}
    assert set(drawn.edges()) == {("n0", "scope0"), ("scope0", "n13")}
    assert label(drawn, "scope0") == "batch_norm9 operationswith γ, β"


def test_a_deep_network_is_a_chain_of_boxes_when_collapsed():
    drawn = parsed(network(50), collapse=0)
    chain = [(f"scope{i}", f"scope{j}") for i, j in drawn_pairs(drawn)]
    assert len(chain) == 49


def drawn_pairs(drawn):
    edges = [(a, b) for a, b in drawn.edges() if a.startswith("scope") and b.startswith("scope")]
    return [(int(a[5:]), int(b[5:])) for a, b in edges]


def test_an_unknown_scope_direction_or_fact_is_refused_with_the_choices():
    graph = batch_norm_graph()
    with pytest.raises(ValueError, match=r"no scope 'bn'; the scopes are 'batch_norm'"):
        graph.to_dot(collapse=["bn"])
    with pytest.raises(ValueError, match="'forward', 'backward' or 'both', not 'sideways'"):
        graph.to_dot(direction="sideways")
    with pytest.raises(ValueError, match="'colour' is none of 'shape', 'dtype'"):
        graph.to_dot(show=["colour"])
    with pytest.raises(ValueError, match="has no backward pass: make it with a gradient"):
        batch_norm_graph(gradient=False).to_dot(direction="backward")


def test_focus_draws_a_neighbourhood_and_says_where_it_is_cut():
    graph = batch_norm_graph()
    drawn = parsed(graph, focus="x_hat", radius=1)
    shown = {graph.nodes[int(name[1:])].name for name in drawn.nodes() if name[0] == "n"}
    assert shown == {"x_hat", "x_centered", "std", None}
    assert {name for name in drawn.nodes() if name.startswith("cut")} == {
        f"cut{n.id}" for n in graph.nodes if n.name in ("x_centered", "std") or n.op == "mul"
    }


def test_without_a_gradient_every_value_says_so_and_none_shows_a_number():
    graph = batch_norm_graph(gradient=False)
    drawn = parsed(graph)
    for node in graph.nodes:
        words = label(drawn, f"n{node.id}")
        assert ("no gradient yet" in words) == (node.kind != "constant")
        assert "∇" not in words


def test_a_value_used_twice_names_the_terms_of_its_gradient():
    graph = batch_norm_graph()
    drawn = parsed(graph)
    assert "sum of parts from x − μ and μ" in label(drawn, "n0")
    (x,) = [node for node in graph.nodes if node.name == "x"]
    parts = [user.parts[position] for user, position in graph.terms(x)]
    np.testing.assert_array_equal(parts[0] + parts[1], x.grad)


def test_shapes_and_dtypes_are_shown_on_demand():
    graph = batch_norm_graph()
    assert "(6, 2) float64" in label(parsed(graph, show=["shape", "dtype"]), "n0")
    assert label(parsed(graph, show=[]), "n0") == "x"


def test_kinds_are_told_apart_without_colour():
    drawn = parsed(batch_norm_graph())
    look = [
        tuple(drawn.get_node(n).attr[key] for key in ("style", "peripheries", "penwidth"))
        for n in ("n0", "n10", "n3", "n1", "n13")  # input, parameter, constant, result, output
    ]
    assert len(set(look)) == 5


@given(drawn_graphs())
def test_the_backward_pass_as_a_graph_gives_the_gradients(graph):
    if not graph.has_gradients:
        return
    both = graph.both
    assert [n.id for n in both.nodes] == list(range(len(both)))
    assert all(i < n.id for n in both.nodes for i in n.inputs)
    for node in both.nodes:
        if node.cotangent_of is not None:
            np.testing.assert_allclose(node.value, graph.nodes[node.cotangent_of].grad, rtol=1e-12)
    parsed(graph, direction="backward")
    assert all(n.backward or not n.inputs for n in graph.backward.nodes)


def test_each_rule_that_was_recorded_has_a_frame_of_its_own():
    graph = batch_norm_graph()
    rules = {n.scope.rpartition("/")[2] for n in graph.backward.nodes if "backward" in n.scope}
    assert {f"backward of {op}" for op in ("mul", "div", "sqrt", "mean", "pow", "sub")} <= rules


def test_in_the_picture_of_both_passes_each_cotangent_is_beside_its_value():
    graph = batch_norm_graph()
    drawn = parsed(graph, direction="both")
    drawn.layout(prog="dot")
    height = {n: float(drawn.get_node(n).attr["pos"].split(",")[1]) for n in drawn.nodes()}
    for node in graph.both.nodes:
        if node.cotangent_of is not None and node.scope == graph.nodes[node.cotangent_of].scope:
            assert height[f"n{node.id}"] == pytest.approx(height[f"n{node.cotangent_of}"], abs=1)


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_every_view_can_be_rendered(direction, capfd):
    source = batch_norm_graph().to_dot(direction=direction, collapse=1).source
    assert render.rendered(source, "svg").startswith(b"<?xml")
    assert capfd.readouterr() == ("", "")


def test_a_notebook_shows_the_picture_and_has_the_table_to_fall_back_on(monkeypatch):
    graph = batch_norm_graph()
    shown = graph._repr_mimebundle_()
    assert shown["image/svg+xml"].startswith("<?xml")
    assert shown["text/plain"] == str(graph)

    def no_engine(*_):
        raise RuntimeError("no engine")

    monkeypatch.setattr(render, "rendered", no_engine)
    assert set(graph._repr_mimebundle_()) == {"text/plain"}


def test_hostile_names_are_drawn_and_written_in_every_format(tmp_path):
    out = tg.Tensor([1.0, 2.0], requires_grad=True)
    for name in hostile:
        with tg.scope(name.replace("/", "") or "s"):
            out = out * tg.Tensor(2.0, name=name, requires_grad=True)
            out.name = name
    graph = tg.graph(out, gradient=True)
    for ending in ("svg", "html", "json", "dot"):
        assert graph.save(tmp_path / f"hostile.{ending}").stat().st_size > 1000


def test_the_table_can_be_written_whatever_the_parameters_are():
    x = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="x")
    out = tg.where([True, False], x, x[0]).sum()
    table = tg.graph(out).table()
    assert re.search(r"where\(#\d+, x, #\d+\)", table)
    assert "getitem(x, index=0)" in table


def test_a_graph_travels_without_its_tensors_and_keeps_its_backward_pass():
    graph = batch_norm_graph()
    there = pickle.loads(pickle.dumps(graph))
    assert str(there) == str(graph)
    assert str(there.backward) == str(graph.backward)
