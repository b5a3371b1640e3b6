"""The graph as data, its text, and its picture."""

from __future__ import annotations

import re

import numpy as np
import pygraphviz
import pytest

import tinygrad_bn as tg
from tinygrad_bn import files
from tinygrad_bn.graph import render


def batch_norm_graph(gradient=True, **names):
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(6, 2)), requires_grad=True, name="x")
    gamma = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = tg.batch_norm(x, gamma, eps=0.5)
    return tg.graph(y, rng.normal(size=(6, 2)) if gradient else None, names={"gamma": gamma})


def test_inputs_come_before_results_and_the_output_last():
    graph = batch_norm_graph()
    assert [node.id for node in graph.nodes] == list(range(len(graph)))
    assert all(i < node.id for node in graph.nodes for i in node.inputs)
    assert graph.nodes[-1].kind == "output"


def test_every_node_carries_the_gradient_that_tg_grad_gives():
    x = tg.Tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True, name="x")
    y = tg.batch_norm(x)
    dy = np.array([[0.3, -1.0], [2.0, 0.7]])
    graph = tg.graph(y, dy)
    np.testing.assert_array_equal(graph["x"].grad, tg.grad(y, x, dy)[0].data)
    np.testing.assert_array_equal(graph["x_hat"].grad, dy)
    assert all((node.grad is None) == (node.kind == "constant") for node in graph.nodes)
    assert x.grad is None


def test_without_a_gradient_no_node_pretends_to_have_one():
    graph = batch_norm_graph(gradient=False)
    assert not graph.has_gradients
    assert all(node.grad is None for node in graph.nodes)
    assert "gradient" not in str(graph)


def test_nodes_are_found_by_name_by_path_and_by_id():
    graph = batch_norm_graph()
    assert graph["x_hat"] is graph["batch_norm/x_hat"] is graph[graph["x_hat"].id]
    assert graph["gamma"].value.tolist() == [1.0, 2.0]
    assert graph["eps"].value == 0.5
    with pytest.raises(KeyError, match=r"no node is named 'z'; the names are .*'x_hat'"):
        graph["z"]
    with pytest.raises(KeyError, match=r"no node has the id 99; the ids are 0 to 11"):
        graph[99]


def test_two_enterings_of_a_scope_are_told_apart():
    x = tg.Tensor(np.eye(3), requires_grad=True)
    graph = tg.graph(tg.batch_norm(tg.batch_norm(x)))
    assert {node.scope for node in graph.nodes} == {"", "batch_norm", "batch_norm_2"}
    with pytest.raises(KeyError, match="2 nodes are named 'mu': use one of 'batch_norm/mu'"):
        graph["mu"]
    assert graph["batch_norm_2/mu"].scope == "batch_norm_2"


def test_a_leaf_replaced_since_shows_the_value_that_was_used():
    p = tg.Tensor([1.0, 2.0], requires_grad=True, name="p")
    y = p * 3
    p.data = np.array([10.0, 20.0])
    assert tg.graph(y)["p"].value.tolist() == [1.0, 2.0]


def test_the_table_has_a_line_for_each_node_and_keeps_to_its_width():
    graph = batch_norm_graph()
    for width in (60, 100, 160):
        lines = graph.table(width).splitlines()
        assert len(lines) == len(graph) + 1
    assert max(map(len, graph.table(160).splitlines())) <= 160


@pytest.mark.parametrize("wrong", [np.ones(2), "x", None])
def test_only_a_tensor_has_a_graph(wrong):
    with pytest.raises(TypeError, match="graph: a Tensor is expected, not"):
        tg.graph(wrong)


def test_a_gradient_of_another_shape_is_refused():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\), but .* \(2,\)"):
        tg.graph(x * 2, np.ones(3))


def test_the_picture_has_the_nodes_edges_and_frames_of_the_graph():
    graph = batch_norm_graph()
    drawn = pygraphviz.AGraph(string=graph.to_dot().source)
    made = [node for node in graph.nodes if node.op]
    assert set(drawn.nodes()) == {f"n{n.id}" for n in graph.nodes} | {f"op{n.id}" for n in made}
    edges = {(f"op{n.id}", f"n{n.id}") for n in made}
    edges |= {(f"n{i}", f"op{n.id}") for n in made for i in n.inputs}
    assert set(drawn.edges()) == edges
    assert [frame.graph_attr["label"] for frame in drawn.subgraphs()] == ["batch_norm"]
    assert "x̂" in drawn.get_node(f"n{graph['x_hat'].id}").attr["label"]


@pytest.mark.parametrize(
    "name", ['"', "\\", "a\\nb", "<b>&amp;</b>", "{x|y}", "новое имя", "", "\\N", "x\ny", 'a"];b']
)
def test_any_name_can_be_drawn(name):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name=name)
    with tg.scope('sc"ope'):
        y = x * 2
    graph = tg.graph(y)
    drawn = pygraphviz.AGraph(string=graph.to_dot().source)
    assert len(drawn.nodes()) == len(graph) + 1
    assert render.rendered(graph.to_dot().source, "svg").startswith(b"<?xml")


@pytest.mark.parametrize(
    ("ending", "start"),
    [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"// The")],
)
def test_a_graph_is_saved_in_the_format_of_the_ending(tmp_path, capfd, ending, start):
    path = batch_norm_graph().save(tmp_path / f"picture.{ending}")
    assert path.read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert capfd.readouterr() == ("", "")


def test_another_ending_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"'picture.txt' must end in .dot, .svg"):
        batch_norm_graph().save(tmp_path / "picture.txt")
    assert list(tmp_path.iterdir()) == []


def test_without_an_engine_one_sentence_names_both_ways(monkeypatch):
    monkeypatch.setattr(render.shutil, "which", lambda name: None)
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"tinygrad-bn\[render\].*`dot`"):
        render.rendered("digraph {}", "svg")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "picture.dot"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        batch_norm_graph().save(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["picture.dot"]


def test_a_line_alone_on_its_height_stands_in_the_middle_in_every_font():
    """Graphviz gives rich text by its left end, which is right in the font it measured alone."""
    rows = "<B>name</B> <I>shape</I><BR/>value"
    svg = render.rendered(f"digraph {{ a [label=<{rows}>, shape=box] }}", "svg").decode()
    corners = re.search(r'<polygon fill="none"[^>]* points="([^"]*)"', svg)[1]
    xs = [float(point.split(",")[0]) for point in corners.split()]
    (middle,) = re.findall(r'text-anchor="middle" x="([^"]*)"[^>]*>value', svg)
    assert float(middle) == pytest.approx((min(xs) + max(xs)) / 2, abs=0.01)
    assert re.findall(r'text-anchor="start"[^>]*>(\w+)<', svg) == ["name", "shape"]  # side by side
