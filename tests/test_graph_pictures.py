"""What a picture must have: words, contrast, readable sizes, routes that can be followed."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path
from xml.etree import ElementTree

import graphviz
import numpy as np
import pytest
from conftest import cotangent, rng_of
from hypothesis import given
from test_graph_views import drawn_graphs, label, parsed

import tinygrad_bn as tg
from tinygrad_bn.graph import look, names, traced

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = sorted((DOCS / "pictures").glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"
README_WIDTH = 800  # pixels, of the column in which a README is shown


def batch_norm_graph():
    rng = rng_of("pictures")
    x = tg.Tensor(rng.normal(size=(6, 2)), requires_grad=True, name="x")
    gamma = tg.Tensor([1.0, 2.0], requires_grad=True, name="gamma")
    beta = tg.Tensor([0.5, -1.0], requires_grad=True, name="beta")
    return tg.graph(tg.batch_norm(x, gamma, beta), gradient=cotangent(rng, (6, 2)))


def pixels(length):
    return float(length.removesuffix("pt")) * 4 / 3


def text_sizes(picture):
    """Give the sizes of all texts, in pixels at the picture's own size."""
    return [float(text.get("font-size")) * 4 / 3 for text in picture.iter(f"{SVG}text")]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_of_the_docs_has_words_no_ground_and_text_of_10_pixels_in_a_readme(path):
    picture = ElementTree.parse(path).getroot()
    assert [child.tag for child in picture][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert all(picture.find(f"{SVG}{word}").text.strip() for word in ("title", "desc"))
    shown = min(1.0, README_WIDTH / pixels(picture.get("width")))
    assert min(text_sizes(picture)) * shown >= 10
    ground = [child for child in picture.find(f"{SVG}g") if child.tag == f"{SVG}polygon"]
    assert all(polygon.get("fill") in ("none", "transparent") for polygon in ground)


def test_no_picture_of_the_docs_shows_a_negative_zero():
    for path in PICTURES:
        texts = [text.text or "" for text in ElementTree.parse(path).iter(f"{SVG}text")]
        assert not [text for text in texts if re.search(r"-0(?![.\d])", text)]


def test_the_pictures_of_the_docs_are_what_the_program_draws():
    """That of the imports is left out, as it changes with every file that is added."""
    drawn = runpy.run_path(str(DOCS / "make_pictures.py"))["DRAWN"]
    assert {draw.__name__ for draw in drawn} == {path.stem for path in PICTURES}
    for draw in drawn:
        if draw.__name__ != "imports":
            made = draw()
            picture = tg.render(made.to_dot() if isinstance(made, tg.Graph) else made)
            stored = ElementTree.parse(DOCS / "pictures" / f"{draw.__name__}.svg").getroot()
            assert words(ElementTree.fromstring(picture)) == words(stored), draw.__name__


def words(picture):
    return sorted("".join(text.itertext()) for text in picture.iter() if len(text) == 0)


def test_both_passes_fit_on_a_slide_with_text_of_12_pixels():
    picture = ElementTree.parse(DOCS / "pictures" / "both_passes.svg").getroot()
    shown = min(1280 / pixels(picture.get("width")), 720 / pixels(picture.get("height")), 1.0)
    assert min(text_sizes(picture)) * shown >= 12


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(a, b):
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_lines_stand_out_from_light_and_dark_ground_and_texts_from_their_fills():
    """The thresholds of WCAG 2: 3 for lines, 4.5 for texts. Dark: the ground of dark websites."""
    colors = look.COLORS
    for line in (colors["line"], colors["backward"], *traced.COLORS):
        assert contrast(line, "#ffffff") >= 3
        assert contrast(line, "#0d1117") >= 3
    fills = ("input", "parameter", "constant", "result", "output", "scope", "box")
    for text in ("text", "quiet", "backward"):
        for fill in fills:
            assert contrast(colors[text], colors[fill]) >= 4.5, (text, fill)
    for fill in ("operation", "backward"):
        assert contrast("#ffffff", colors[fill]) >= 4.5
    assert all(contrast(color, "#ffffff") >= 4.5 for color in traced.COLORS)  # in the legend


def test_unnamed_results_are_called_by_their_formula():
    drawn = parsed(batch_norm_graph())
    texts = [label(drawn, f"n{node.id}") for node in batch_norm_graph().nodes]
    for formula in ("(x − μ)²", "σ² + ε", "γ x̂"):
        assert any(text.startswith(formula) for text in texts), formula


def test_formulas_have_the_parentheses_that_they_need():
    a, b, c = (
        tg.Tensor(v, requires_grad=True, name=n) for v, n in ((2.0, "a"), (3.0, "b"), (5.0, "c"))
    )
    for made, formula in [
        ((a + b) * c, "(a + b) c"), (a - (b - c), "a − (b − c)"), (a / (b * c), "a / (b c)"),
        ((a * b) ** 2, "(a b)²"), (-(a + b), "−(a + b)"), ((a - b) - c, "a − b − c"),
        (tg.sqrt(a) * 2.0, "2 √a"), (a ** -1.0, "a⁻¹"), (tg.exp(a + b), "exp(a + b)"),
        (a * -3.0, "(−3) a"), (a + b * c, "a + b c"), (a / b / c, "a / b / c"), (a ** b, "a^b"),
    ]:  # fmt: skip
        graph = tg.graph(made)
        assert names.Names(graph.nodes).formula[graph.nodes[-1].id] == formula


@given(drawn_graphs())
def test_names_are_short_and_a_number_that_a_formula_has_is_shown_at_its_value(graph):
    called = names.Names(graph.nodes)
    assert all(len(f) <= names.LONGEST_FORMULA for f in called.formula.values() if f is not None)
    drawn = parsed(graph)
    for number in called.numbered:
        assert f"#{number}" in label(drawn, f"n{number}")


@given(drawn_graphs())
def test_in_a_compact_picture_every_value_has_a_box_or_stands_in_one(graph):
    drawn = parsed(graph, compact=True)
    shown = {int(name[1:]) for name in drawn.nodes()}
    edges = {(int(a[1:]), int(b[1:])) for a, b in drawn.edges()}
    for node in graph.nodes:
        if node.id not in shown:  # unnamed, and used: its users, or those in which they stand, do
            assert node.name is None
            assert node.kind in ("result", "constant")
    reached = {b for _, b in edges}
    assert shown <= reached | {a for a, _ in edges} | {graph.nodes[-1].id}
    assert graph.nodes[-1].id in shown


def test_a_compact_picture_of_both_passes_has_an_arrow_back_for_each_part_of_a_gradient():
    graph = batch_norm_graph()
    drawn = parsed(graph, compact=True, direction="both")
    back = [edge for edge in drawn.edges() if edge.attr["dir"] == "back"]
    there = [edge for edge in drawn.edges() if edge.attr["dir"] != "back"]
    eps = f"n{graph['eps'].id}"
    assert sorted(back) == sorted(edge for edge in there if edge[0] != eps)
    assert "y = γ x̂ + β" in label(drawn, f"n{graph['y'].id}")
    assert len(drawn.nodes()) == 10  # x, mu, x - mu, var, eps, std, x_hat and y; gamma, beta
    with pytest.raises(ValueError, match="has no backward pass"):
        tg.graph(tg.Tensor([1.0], requires_grad=True) * 2).to_dot(compact=True, direction="both")


@pytest.mark.parametrize("compact", [False, True])
def test_routes_are_drawn_in_colours_line_styles_and_numbers_with_their_sums(compact):
    graph = batch_norm_graph()
    groups = graph.paths("x").split("var", "mu")
    drawn = parsed(graph, compact=compact, paths=groups)
    arrows = {}
    for edge in drawn.edges():
        if edge.attr["dir"] == "back":
            arrows.setdefault((edge.attr["color"], edge.attr["style"]), set()).add(tuple(edge))
            assert (
                ">1<" in edge.attr["label"]
                or ">2<" in edge.attr["label"]
                or ">3<" in edge.attr["label"]
            )
    assert len({color for color, _ in arrows}) == len({style for _, style in arrows}) == 3
    for hops in arrows.values():  # each group leads from y to x
        reached = {f"n{graph['x'].id}"}
        for _ in hops:
            reached |= {head for tail, head in hops if tail in reached}
        assert f"n{graph['y'].id}" in reached
    legend = drawn.graph_attr["label"]
    for text in ("directly", "through σ²", "through μ", "sum, at x"):
        assert text in legend


def test_routes_that_cannot_be_drawn_are_refused_with_the_reason():
    graph = batch_norm_graph()
    routes = graph.paths("x")
    with pytest.raises(ValueError, match="belongs to another graph"):
        batch_norm_graph().to_dot(paths=routes)
    with pytest.raises(ValueError, match="must lead to one node"):
        graph.to_dot(paths=[*routes, *graph.paths("gamma")])
    with pytest.raises(ValueError, match="the group 'none' has no route"):
        graph.to_dot(paths={"none": []})
    with pytest.raises(ValueError, match="drawn over the forward pass"):
        graph.to_dot(paths=routes, direction="both")
    y = tg.Tensor(2.0, requires_grad=True, name="x")
    for _ in range(4):
        y = y * y
    many = tg.graph(y, gradient=1.0)
    assert len(many.paths("x")) == 16
    with pytest.raises(ValueError, match=r"16 routes are too many .*put them into groups"):
        many.to_dot(paths=many.paths("x"))


def test_options_change_the_picture():
    graph = batch_norm_graph()
    drawn = parsed(graph, rankdir="LR", colors={"input": "gold", "backward": "#123456"},
                   labels={"x": "the batch", "batch_norm/mu": "mean of it"})  # fmt: skip
    assert drawn.graph_attr["rankdir"] == "LR"
    assert drawn.get_node("n0").attr["fillcolor"] == "gold"
    assert "#123456" in drawn.get_node("n0").attr["label"]
    assert label(drawn, "n0").startswith("the batch")
    named = names.Names(graph.nodes, {0: "the batch"})
    assert named.formula[graph["mu"].id] == "mean(the batch)"


@pytest.mark.parametrize(("options", "error", "words"), [
    ({"rankdir": "left"}, ValueError, "rankdir: 'left' is none of 'TB', 'LR'"),
    ({"colors": {"x": "red"}}, ValueError, "colors: 'x' is none of 'input'"),
    ({"colors": {"input": "rgb(1,2,3)"}}, ValueError, "no colour: give '#rrggbb'"),
    ({"labels": {"z": "w"}}, KeyError, "no node is named 'z'"),
    ({"show": "value"}, ValueError, "show: a collection of words is expected, not 'value'"),
    ({"colours": {}}, TypeError, "unexpected keyword argument 'colours'"),
])  # fmt: skip
def test_options_that_do_not_fit_are_refused_in_words(options, error, words, tmp_path):
    with pytest.raises(error, match=words):
        batch_norm_graph().save(tmp_path / "x.svg", **options)
    assert not list(tmp_path.iterdir())


def test_any_picture_of_graphviz_can_be_rendered_without_the_dot_program(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    picture = graphviz.Digraph("A <title> & more", comment="Words & <signs>.")
    picture.edge("a", "b", label="new")
    svg = ElementTree.fromstring(tg.render(picture))
    assert svg.find(f"{SVG}title").text == "A <title> & more"
    assert svg.find(f"{SVG}desc").text == "Words & <signs>."
    assert {"a", "b", "new"} <= {text.text for text in svg.iter(f"{SVG}text")}
    assert tg.render(picture, "png").startswith(b"\x89PNG")
    assert tg.render("graph { a -- b }", "pdf").startswith(b"%PDF")
    nameless = ElementTree.fromstring(tg.render(graphviz.Graph(), "svg"))
    assert nameless.find(f"{SVG}title") is None


def test_what_is_no_picture_is_refused_in_words():
    with pytest.raises(TypeError, match=r"not Graph \(of a Graph, give graph.to_dot\(\)\)"):
        tg.render(batch_norm_graph())
    with pytest.raises(ValueError, match="format is one of 'svg', 'png' and 'pdf', not 'gif'"):
        tg.render("digraph {}", "gif")
    with pytest.raises(RuntimeError, match="failed"):
        tg.render("this is no dot")


def test_a_png_has_a_transparent_ground(tmp_path):
    content = batch_norm_graph().save(tmp_path / "x.png").read_bytes()
    assert content[25] in (4, 6)  # the colour type of the header: with an alpha channel
