"""The explorer's page as a file: its data are the Graph's, its policy fits it, it is small."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn.cli import main
from tinygrad_bn.graph import closed_forms, layout, live, mathml
from tinygrad_bn.nn import windows
from tinygrad_bn.primitives import TABLE

MANY = 40_000  # numbers, of which a page has a sample only


class Page(HTMLParser):
    """The parts of a page: tags with their attributes, and the text in each script and style."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.inside = [], {}, None
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style", "title"):
            self.inside = dict(attributes).get("type") or tag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, text):
        if self.inside:
            self.texts[self.inside] = self.texts.get(self.inside, "") + text


def batch_norm_graph(rows=8, columns=3, dtype=np.float64, name="x"):
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(rows, columns)).astype(dtype), requires_grad=True, name=name)
    gamma = tg.Tensor(rng.normal(size=columns).astype(dtype), requires_grad=True, name="gamma")
    beta = tg.Tensor(rng.normal(size=columns).astype(dtype), requires_grad=True, name="beta")
    return tg.graph(tg.batch_norm(x, gamma, beta), rng.normal(size=(rows, columns)).astype(dtype))


def page_of(graph, tmp_path):
    return Page(graph.save(tmp_path / "graph.html").read_text(encoding="utf-8"))


def data_of(graph, tmp_path):
    return json.loads(page_of(graph, tmp_path).texts["application/json"])


@pytest.mark.parametrize("rows", [6, 32, 64, 1000])
def test_the_page_of_a_batch_norm_is_under_300_kilobytes(tmp_path, rows):
    assert batch_norm_graph(rows, 4).save(tmp_path / "bn.html").stat().st_size < 300_000


def test_the_policy_names_the_hashes_of_the_page_s_own_script_and_style_and_nothing_else(tmp_path):
    page = page_of(batch_norm_graph(), tmp_path)
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.texts[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_nothing_in_the_page_is_fetched_or_handled_inline(tmp_path):
    page = page_of(batch_norm_graph(), tmp_path)
    for _, attributes in page.tags:
        assert not {"src", "style"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "http" not in page.texts["style"]


def test_a_name_that_closes_the_script_stays_data(tmp_path):
    name = "</script><img src=x onerror=alert(1)>"
    page = page_of(batch_norm_graph(name=name), tmp_path)
    assert "img" not in [tag for tag, _ in page.tags]
    assert json.loads(page.texts["application/json"])["nodes"][0]["name"] == name


def test_the_numbers_of_the_page_are_exactly_the_engine_s(tmp_path):
    graph = batch_norm_graph()
    data = data_of(graph, tmp_path)
    for node, shown in zip(graph.nodes, data["nodes"], strict=True):
        np.testing.assert_array_equal(np.reshape(shown["value"], node.shape), node.value)
        assert (shown["grad"] is None) == (node.grad is None)
        if node.grad is not None:
            np.testing.assert_array_equal(np.reshape(shown["grad"], node.shape), node.grad)


def test_a_large_tensor_carries_statistics_and_a_sample(tmp_path):
    graph = batch_norm_graph(1000, 4)
    value = data_of(graph, tmp_path)["nodes"][0]["value"]
    x = graph["x"].value
    assert value["size"] == 4000
    np.testing.assert_array_equal(value["sample"], x[:4, :4])
    np.testing.assert_allclose(value["facts"], [x.min(), x.max(), x.mean(), x.std()], rtol=1e-12)
    assert sum(value["counts"]) == 4000


@pytest.mark.parametrize(
    "values",
    [np.full(MANY, 3.0), np.r_[np.nan, np.inf, np.zeros(MANY - 2)],
     np.r_[[-1.7e308, 1.7e308] * (MANY // 2)], np.full(MANY, np.nan), np.full(MANY, 5e-324)],
)  # fmt: skip
def test_values_without_a_range_or_beyond_every_range_can_be_shown(tmp_path, values):
    x = tg.Tensor(values, requires_grad=True)
    with np.errstate(all="ignore"):
        data = data_of(tg.graph(x * 2.0, gradient=values), tmp_path)
    assert sum(data["nodes"][0]["value"]["counts"]) == np.isfinite(values).sum()


def test_every_formula_of_the_table_has_mathml():
    for primitive in TABLE.values():
        for latex in (primitive.math[1], *(rule for _, rule in primitive.rules)):
            tree = json.dumps(mathml.tree(latex))
            assert "\\\\" not in tree, f"{primitive}: {latex} has a command that was not understood"


def test_json_has_every_number_and_words_for_what_json_lacks(tmp_path):
    x = tg.Tensor([1.0, np.inf, np.nan], requires_grad=True, name="x")
    path = tg.graph(x[1:] * 2.0, gradient=True).save(tmp_path / "graph.json")
    nodes = json.loads(path.read_text())["nodes"]
    assert nodes[0]["value"] == [1.0, "Infinity", "NaN"]
    assert nodes[0]["grad"] == [0.0, 2.0, 2.0]
    assert nodes[1]["op"] == "getitem"


def test_options_of_a_picture_are_refused_for_a_page(tmp_path):
    with pytest.raises(
        TypeError, match=r"a \.html file takes the option direction alone, but focus came"
    ):
        batch_norm_graph().save(tmp_path / "graph.html", focus="x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_batch_norm_is_compared_with_its_closed_forms(dtype):
    graph = batch_norm_graph(dtype=dtype)
    found = closed_forms.comparisons(graph)
    assert [c.node.name for c in found] == ["x", "gamma", "beta"]
    assert all(c.agrees and len(c.in_closed_form) == 3 for c in found)


def test_a_wrong_gradient_does_not_agree(monkeypatch):
    graph = batch_norm_graph()
    monkeypatch.setitem(
        closed_forms.FORMS,
        "paper",
        lambda dy, cache: closed_forms.closed_form.backward_paper(1.001 * dy, cache),
    )
    assert not any(c.agrees for c in closed_forms.comparisons(graph))


def test_inside_a_network_only_what_the_batch_norm_gave_is_compared():
    rng = np.random.default_rng(2)
    x = tg.Tensor(rng.normal(size=(6, 2)), requires_grad=True, name="x")
    h = tg.batch_norm(x, np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    out = tg.batch_norm(tg.sin(h) + x)
    found = closed_forms.comparisons(tg.graph(out, rng.normal(size=(6, 2))))
    assert len({c.norm.scope for c in found}) == 2
    assert all(c.agrees for c in found)


def test_scopes_are_split_into_parts_before_they_hold_too_much():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    out = x
    for _ in range(1500):
        out = out + x
    where = layout.paths(tg.graph(out).nodes)
    held: dict[tuple[str, ...], set[object]] = {}
    for i, path in enumerate(where):
        for depth in range(len(path) + 1):
            held.setdefault(path[:depth], set()).add(path[depth] if depth < len(path) else i)
    assert max(map(len, held.values())) <= layout.MOST_ITEMS


def test_layouts_grow_with_the_scopes_and_not_with_the_ways_to_fold_them(tmp_path):
    h = tg.Tensor(np.random.default_rng(0).normal(size=(4, 2)), requires_grad=True)
    for _ in range(12):
        h = tg.batch_norm(h)
    data = data_of(tg.graph(h, gradient=True), tmp_path)
    assert len(data["layouts"]) == len(data["scopes"]) == 13


def test_both_passes_and_the_backward_pass_have_pages_too(tmp_path):
    graph = batch_norm_graph()
    for direction in ("backward", "both"):
        page = Page(graph.save(tmp_path / "g.html", direction=direction).read_text("utf-8"))
        nodes = json.loads(page.texts["application/json"])["nodes"]
        drawn = getattr(graph, direction).nodes
        assert [node["backward"] for node in nodes] == [node.backward for node in drawn]
    with pytest.raises(ValueError, match="direction is 'forward', 'backward' or 'both'"):
        graph.save(tmp_path / "g.html", direction="sideways")


def test_the_title_is_the_question_that_the_page_answers(tmp_path):
    graph = batch_norm_graph()
    title = page_of(graph, tmp_path).texts["title"]
    assert title == "How does a change of x reach y, and back?"
    assert page_of(graph.backward, tmp_path).texts["title"] == "How does dy become dx?"


def test_the_tolerance_is_the_one_that_the_terminal_prints(tmp_path, capsys):
    assert main(["run", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    path = tmp_path / "batch_norm.html"
    data = json.loads(Page(path.read_text("utf-8")).texts["application/json"])
    for name, comparison in zip(("dx", "dgamma", "dbeta"), data["comparisons"], strict=True):
        row = [
            line.split()
            for line in printed.splitlines()
            if line.startswith(f"{name} ") and line.endswith("agrees")
        ][-1]
        assert row[-2] == f"{comparison['tolerance']:.2g}"


def cnn(data):
    generator = np.random.default_rng(0)
    layers = [
        tg.nn.Conv2d(1, 2, 3), tg.nn.BatchNorm(2), tg.nn.ReLU(), tg.nn.Conv2d(2, 2, 3),
        tg.nn.BatchNorm(2), tg.nn.ReLU(), tg.nn.Flatten(), tg.nn.Linear(8, 2),
    ]  # fmt: skip
    out = tg.nn.Sequential(*layers)(data)
    return tg.graph(out, gradient=generator.normal(size=out.shape))


IMAGES = np.random.default_rng(1).normal(size=(3, 1, 6, 6))


@pytest.mark.parametrize("data", [IMAGES, tg.Tensor(IMAGES, requires_grad=True, name="x")])
def test_scopes_are_numbered_in_the_order_of_execution(data):
    graph = cnn(data)
    scopes = list(dict.fromkeys(node.scope.split("/")[1] for node in graph.nodes if node.op))
    assert scopes == [
        "Conv2d", "BatchNorm", "ReLU", "Conv2d_2", "BatchNorm_2", "ReLU_2", "Flatten", "Linear",
    ]  # fmt: skip


def test_a_network_called_on_plain_data_has_an_input(tmp_path):
    net = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.BatchNorm(3))
    x = np.random.default_rng(0).normal(size=(5, 2))
    for data in (x, tg.Tensor(x, name="x")):
        graph = tg.graph(net(data), gradient=True)
        (input,) = [node for node in graph.nodes if node.kind == "input"]
        np.testing.assert_array_equal(input.value, x)
        assert (input.scope, input.grad) == ("", None)
    inputs = [node for node in cnn(IMAGES).nodes if node.kind == "input"]
    assert len(inputs) == 1


def test_every_primitive_has_a_kernel_in_the_page_or_stands_among_those_without():
    assert TABLE["windows"] is windows.windows  # the rows of nn are there
    assert set(TABLE) - live.KERNELS == set(live.WITHOUT_KERNEL)


def live_part(y, gradient=True):
    graph = tg.graph(y, gradient=gradient)
    return live.program(graph, closed_forms.comparisons(graph))


def test_a_page_that_cannot_compute_says_why():
    x = tg.Tensor(np.random.default_rng(1).normal(size=(4, 3)), requires_grad=True, name="x")
    sort = live_part(np.take_along_axis(x, np.argsort(x, axis=0), axis=0))
    assert "equations" in sort  # the order was found outside of the graph, and stays
    long = tg.Tensor(np.zeros(live.MOST_GIVEN + 1), requires_grad=True)
    assert "a page holds 50,000" in live_part(long * 2.0)["not"]
    tall = tg.Tensor(np.zeros((1000, 40)), requires_grad=True)
    assert "40,000,000 multiplications" in live_part(tall @ tall.T, gradient=None)["not"]
    assert "numbers, and a page at most" in live_part((tall * np.ones((30, 1, 40))).sum())["not"]
    y = x * x
    x.data = x.data + 1.0
    assert (
        live_part(y * x)["not"] == "an input of mul was given another value since it was recorded"
    )


def test_a_primitive_without_a_kernel_keeps_the_page_as_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "KERNELS", live.KERNELS - {"sqrt"})
    data = data_of(batch_norm_graph(), tmp_path)
    assert data["live"] == {"not": "it has no kernel for the operation sqrt"}
