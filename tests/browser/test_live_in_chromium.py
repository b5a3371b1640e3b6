"""The saved page computes: what it shows after a change is what the engine computes then."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn.graph import closed_forms, live
from tinygrad_bn.testing.functions import functions

pytestmark = pytest.mark.browser

ROUNDING = {np.float64: 1e-12, np.float32: 1e-5}  # relative to the largest number


def batch_norm_graph(x, gamma, beta, dy, eps=1e-5):
    leaves = [
        tg.Tensor(value, requires_grad=True, name=name)
        for value, name in ((x, "x"), (gamma, "gamma"), (beta, "beta"))
    ]
    return tg.graph(tg.batch_norm(*leaves, eps=eps), dy)


def six_numbers(dtype=np.float64):
    x = np.array([[1.0], [4.0], [6.0], [8.0], [10.0], [9.0]], dtype)
    dy = np.array([[1.0], [-2.0], [0.5], [3.0], [-1.0], [0.0]], dtype)
    return x, np.array([2.0], dtype), np.array([10.0], dtype), dy


@pytest.fixture(scope="module")
def plain_page(browser, tmp_path_factory):
    path = tg.graph(tg.Tensor([1.0], requires_grad=True) * 2.0).save(
        tmp_path_factory.mktemp("page") / "graph.html"
    )
    page = browser.new_page()
    page.goto(path.as_uri())
    yield page
    page.close()


EVALUATE = """([program, changed, wanted]) => {
  const known = [];
  for (const [variable, shape, stored] of program.leaves)
    known[variable] = { shape, data: decoded(changed[variable] ?? stored) };
  evaluate(program.equations, known);
  return wanted.map((i) => [known[i].shape, Array.from(known[i].data, String)]);
}"""


def evaluated(page, program, changed, wanted):
    stored = {i: live.stored(np.asarray(value)) for i, value in changed.items()}
    found = page.evaluate(EVALUATE, json.loads(json.dumps([program, stored, wanted])))
    return [
        np.array([float(x.replace("Infinity", "inf")) for x in numbers]).reshape(shape)
        for shape, numbers in found
    ]


def assert_near(got, expected, dtype):
    assert got.shape == expected.shape
    largest = np.abs(expected, where=np.isfinite(expected), out=np.zeros(expected.shape)).max(
        initial=1e-300
    )
    np.testing.assert_allclose(got, expected, rtol=0, atol=ROUNDING[dtype] * largest)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_both_passes_of_a_random_function_are_those_of_the_engine_at_new_numbers(plain_page, dtype):
    @given(functions(), st.integers(2, 5))
    def check(f, m):
        example, new = f.inputs(m, dtype), f.inputs(m, dtype, seed=1)
        traced = tg.trace(f, *example)
        shape = np.shape(f(*example))
        dy = [np.random.default_rng(i).normal(size=shape).astype(dtype) for i in range(2)]
        saved = traced.graph(*example, gradient=dy[0])
        expected = traced.graph(*new, gradient=dy[1])
        program = live.program(saved, [])
        assert "not" not in program, program
        named = {node.name: node.id for node in saved.nodes if node.kind in ("input", "parameter")}
        changed = {
            named[x.name]: value for x, value in zip(traced.inputs, new, strict=True)
            if x.name in named
        }  # fmt: skip
        changed |= {leaf: dy[1] for _, leaf in program["upstream"]}
        pairs = [(node.id, node.value) for node in expected.nodes]
        pairs += [
            (i, node.grad)
            for node, i in zip(expected.nodes, program["grads"], strict=True)
            if i is not None
        ]
        pairs += [
            (i, part)
            for node, parts in zip(expected.nodes, program["parts"], strict=True)
            for i, part in zip(parts, node.parts, strict=False)
            if i is not None and part is not None
        ]
        found = evaluated(plain_page, program, changed, [i for i, _ in pairs])
        for got, (_, value) in zip(found, pairs, strict=True):
            assert_near(got, np.asarray(value, float), dtype)

    with np.errstate(all="ignore"):
        check()


def cell(page, label):
    """Find the field of a number in the drawer, which this opens."""
    page.evaluate("drawer.open = true")
    return page.locator(f"#try .cell[aria-label='{label}']")


def assert_shows(page, graph, dtype=np.float64):
    """Assert that the page has the values, gradients and comparisons of a graph."""
    for node in graph.nodes:
        value = np.asarray(page.evaluate(f"tinygrad.value({node.id})"), float)
        assert_near(value, np.asarray(node.value, float), dtype)
        grad = page.evaluate(f"tinygrad.grad({node.id})")
        assert (grad is None) == (node.grad is None)
        if node.grad is not None:
            assert_near(np.asarray(grad, float), np.asarray(node.grad, float), dtype)
    shown = page.evaluate(
        "data.comparisons.map((c) => [c.graph, c.forms.map((f) => f.value), c.tolerance])"
    )
    for (total, forms, tolerance), comparison in zip(
        shown, closed_forms.comparisons(graph), strict=True
    ):
        for form, expected in zip(forms, comparison.in_closed_form.values(), strict=True):
            assert_near(np.reshape(form, expected.shape), expected.astype(float), dtype)
        # it is the tolerance of a place where the differences of the page come closest to it
        allowed = comparison.tolerance.ravel()
        ratios = (
            np.max(np.abs(np.asarray(forms, float) - np.asarray(total, float)), axis=0) / allowed
        )
        closest = allowed[ratios >= 0.998 * ratios.max()]
        assert np.isclose(tolerance, closest, rtol=1e-3, atol=0.0).any()
    agrees = page.evaluate("data.comparisons.every((c) => c.agrees)")
    assert agrees == all(c.agrees for c in closed_forms.comparisons(graph))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_number_that_is_typed_changes_every_value_gradient_and_closed_form(opened, dtype):
    x, gamma, beta, dy = six_numbers(dtype)
    page = opened(batch_norm_graph(x, gamma, beta, dy), "#step=20")
    for label, array, place, text in [
        ("x [2, 0]", x, (2, 0), "-3.25"), ("γ [0]", gamma, (0,), "1e-1"),
        ("β [0]", beta, (0,), "0.3"), ("dy [5, 0]", dy, (5, 0), "7"),
    ]:  # fmt: skip
        cell(page, label).fill(text)
        array[place] = float(text)
        assert_shows(page, batch_norm_graph(x, gamma, beta, dy), dtype)
    eps = cell(page, "ε")
    eps.fill("0.5")
    assert_shows(page, batch_norm_graph(x, gamma, beta, dy, 0.5), dtype)
    assert page.locator("[data-node='0'] .value").text_content() == "−3.25 to 10"
    assert page.locator("#try .agrees").count() == 1


def test_the_formula_the_table_and_the_sum_follow_while_the_field_keeps_the_focus(opened):
    page = opened(batch_norm_graph(*six_numbers()), "#step=2")  # x - mu
    field = page.locator("#panel-body").get_by_label("x [0, 0]", exact=True)
    field.fill("-")
    assert field.get_attribute("aria-invalid") == "true"
    page.keyboard.type("11")
    assert page.locator(":focus").input_value() == "-11"
    numbers = page.locator(".numbers-in math").text_content()
    assert numbers == "−15.33=(−11)−4.333"
    page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("aria-label") == "x [1, 0]"


def test_arrow_keys_change_a_number_by_a_tenth_of_its_size_and_escape_takes_it_back(opened):
    page = opened(batch_norm_graph(*six_numbers()), "#step=5")
    x = cell(page, "x [3, 0]")
    x.focus()
    for key, expected in [("ArrowUp", 8.1), ("Shift+ArrowUp", 9.1), ("ArrowDown", 9.0),
                          ("Alt+ArrowUp", 9.01)]:  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate("tinygrad.value(0)[3][0]") == expected
    assert page.locator("#where").inner_text() == "5 / 20"  # no step was made
    page.keyboard.press("Escape")
    assert page.evaluate("tinygrad.value(0)[3][0]") == 8


def test_dragging_a_number_sideways_changes_it_and_is_undone_at_once(opened):
    page = opened(batch_norm_graph(*six_numbers()))
    box = cell(page, "x [4, 0]").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    for i in range(1, 13):
        page.mouse.move(box["x"] + 20 + 2 * i, box["y"] + 10)
    page.mouse.up()
    assert page.evaluate("tinygrad.value(0)[4][0]") == 16  # 24 pixels are 6 steps of 1
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate("tinygrad.value(0)[4][0]") == 10
    page.keyboard.press("Control+Shift+z")
    assert page.evaluate("tinygrad.value(0)[4][0]") == 16


def test_undo_and_reset_lead_back_to_the_numbers_that_were_saved(opened):
    graph = batch_norm_graph(*six_numbers())
    page = opened(graph)
    saved = page.evaluate("JSON.stringify(data.nodes.map((n) => [n.value, n.grad, n.parts]))")
    cell(page, "x [0, 0]").fill("3")
    cell(page, "x [1, 0]").fill("33")
    cell(page, "γ [0]").fill("-1")
    assert page.locator("#try summary").inner_text() == "Change the numbers 3 changed"
    for _ in range(3):
        page.get_by_role("button", name="Undo").click()
    assert page.evaluate("tinygrad.value(0)[0][0]") == 1
    assert page.evaluate("changes.done.length") == 0
    cell(page, "dy [0, 0]").fill("5")
    page.get_by_role("button", name="Reset").click()
    now = page.evaluate("JSON.stringify(data.nodes.map((n) => [n.value, n.grad, n.parts]))")
    assert now == saved


def test_the_link_has_the_changes_and_one_that_does_not_fit_is_said_to(opened):
    graph = batch_norm_graph(*six_numbers())
    page = opened(graph, "#step=4")
    cell(page, "x [0, 0]").fill("-1e22")
    cell(page, "dy [3, 0]").fill("0.1")
    page.wait_for_url("**&set=*")
    link = page.url[page.url.index("#") :]
    assert link == "#step=4&set=0:0:-1e22,14:3:0.1"
    again = opened(graph, link)
    assert again.evaluate("tinygrad.value(0)[0][0]") == -1e22
    assert again.evaluate("tinygrad.grad(13)[3][0]") == 0.1
    shown = "JSON.stringify(data.nodes.map((n) => [n.value, n.grad, n.parts]))"
    assert again.evaluate(shown) == page.evaluate(shown)
    for bad in ("0:6:1", "5:0:1", "0:0:x", "nonsense", "0:-1:2", "0:0:"):
        odd = opened(graph, f"#step=4&set={bad},0:1:5")
        assert "do not fit this graph" in odd.locator("#said").text_content()
        assert odd.evaluate("tinygrad.value(0)[1][0]") == 5


QUESTIONS = {
    "Shift x by 100": lambda x, dy: (x + 100, dy, 1e-5),
    "Scale x by 10": lambda x, dy: (x * 10, dy, 1e-5),
    "Make x constant": lambda x, dy: (0 * x + x[0], dy, 1e-5),
    "A batch of one": lambda x, dy: (0 * x + x[0], 0 * dy + dy[0], 1e-5),
    "Cotangent of ones": lambda x, dy: (x, 0 * dy + 1, 1e-5),
    "Make ε large": lambda x, dy: (x, dy, 1e4 * (x**2).max()),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_shows_what_the_engine_computes_and_measures_the_change(opened, question):
    x, gamma, beta, dy = six_numbers()
    before = batch_norm_graph(x, gamma, beta, dy)
    page = opened(before, "#step=20")
    page.evaluate("drawer.open = true")
    page.get_by_role("button", name=question).click()
    x, dy, eps = QUESTIONS[question](x, dy)
    after = batch_norm_graph(x, gamma, beta, dy, eps)
    for name in ("y", "x_hat"):
        found = page.evaluate(f"tinygrad.value({after[name].id})")
        np.testing.assert_allclose(found, after[name].value, rtol=0, atol=1e-12)
    dx = np.array(page.evaluate("tinygrad.grad(0)"))
    np.testing.assert_allclose(dx, after["x"].grad, rtol=1e-9, atol=1e-12)
    moved = np.abs(dx - before["x"].grad).max()
    words = page.locator("#try .answer").inner_text().replace("−", "-")
    assert float(words.split("dx by ")[1].split(". ")[0]) == pytest.approx(moved, rel=5e-3)
    if question in ("A batch of one", "Cotangent of ones"):
        assert np.abs(dx).max() < 1e-15
    assert page.locator("#try .agrees").count() == 1


def test_where_a_number_is_not_finite_the_verdict_is_open(opened):
    x, gamma, beta, dy = six_numbers()
    page = opened(batch_norm_graph(x, gamma, beta, dy, eps=0.0), "#step=20")
    page.evaluate("drawer.open = true")
    page.get_by_role("button", name="Make x constant").click()
    assert "divides 0 by 0" in page.locator(".answer").inner_text()
    assert "not finite" in page.locator(".verdict .open").inner_text()
    page.evaluate("for (let i = 0; i < steps.length; i++) go(i)")


def test_a_graph_with_an_operation_that_has_no_kernel_opens_and_says_so(opened, monkeypatch):
    monkeypatch.setattr(live, "KERNELS", live.KERNELS - {"sqrt"})
    page = opened(batch_norm_graph(*six_numbers()), "#step=20")
    page.locator("#try summary").click()
    assert "it has no kernel for the operation sqrt" in page.locator("#try").inner_text()
    assert page.locator(".cell").count() == 0
    assert page.evaluate("tinygrad.value(0)[1][0]") == 4
    assert "does not compute" in page.evaluate("try { tinygrad.set(0, 1) } catch (e) { e.message }")


def test_the_hooks_list_read_and_set_nodes(opened):
    page = opened(batch_norm_graph(*six_numbers()))
    nodes = page.evaluate("tinygrad.nodes()")
    assert [node["name"] for node in nodes if node["canBeSet"]] == [
        "x",
        "eps",
        "gamma",
        "beta",
        "y",
    ]
    page.evaluate("tinygrad.set(0, [[1], [2], [3], [4], [5], [6]])")
    page.evaluate("tinygrad.set(13, [1, 1, 1, 1, 1, 1])")
    assert page.evaluate("tinygrad.value(1)") == [[3.5]]
    assert np.abs(page.evaluate("tinygrad.grad(0)")).max() < 1e-15
    fails = "(id, x) => { try { tinygrad.set(id, x) } catch (e) { return e.message } }"
    for id_, x, message in [
        (0, [[1], [2], [3], [4], [5], [None]], "numbers are expected, but null came"),
        (0, "six numbers", 'numbers are expected, but "six numbers" came'),
        (0, [1], "node 0 has shape (6, 1), but 1 numbers came"),
        (1, [[1]], "node 1 is computed: only leaves, and the gradient of an output, can be set"),
    ]:
        assert page.evaluate(f"([id, x]) => ({fails})(id, x)", [id_, x]) == message


def test_a_table_of_some_thousands_of_numbers_is_shown_whole_and_can_be_changed(opened):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(178, 2))
    x = tg.Tensor(values, requires_grad=True, name="x")
    page = opened(tg.graph(tg.batch_norm(x), gradient=rng.normal(size=(178, 2))), "#node=x")
    assert "too many" not in page.locator("#panel").inner_text()
    place = page.get_by_label("place in x", exact=True)
    place.fill("[100, 1]")
    place.press("Enter")
    page.get_by_label("x [100, 1]", exact=True).fill("50")
    assert page.evaluate("tinygrad.value(0)[100][1]") == 50
    values[100, 1] = 50
    mu = page.evaluate("tinygrad.value(1)")
    np.testing.assert_allclose(mu, values.mean(0, keepdims=True), rtol=1e-12)


def test_a_network_with_a_convolution_a_pooling_and_a_loss_computes(opened):
    rng = np.random.default_rng(5)
    images = rng.normal(size=(3, 1, 6, 6)).astype(np.float32)

    net = tg.nn.Sequential(
        tg.nn.Conv2d(1, 2, 3, padding=1), tg.nn.BatchNorm(2), tg.nn.ReLU(),
        tg.nn.MaxPool2d(2), tg.nn.Flatten(), tg.nn.Linear(18, 4),
    )  # fmt: skip

    def graph(images):
        x = tg.Tensor(images, requires_grad=True, name="x")
        return tg.graph(tg.nn.cross_entropy(net(x), np.array([0, 3, 1])), gradient=True)

    page = opened(graph(images), "#node=x")
    images[1, 0, 2, 3] += 1.0
    expected = graph(images)
    page.evaluate(f"tinygrad.set({expected['x'].id}, {images.tolist()})")
    # The largest logit, which cross_entropy subtracts, is detached: the page keeps the old one.
    loss = np.asarray(page.evaluate(f"tinygrad.value({expected.nodes[-1].id})"))
    assert_near(loss, expected.nodes[-1].value.astype(float), np.float32)
    dx = np.asarray(page.evaluate(f"tinygrad.grad({expected['x'].id})"))
    assert_near(dx, expected["x"].grad.astype(float), np.float32)


def thousand_nodes():
    """Make a graph of 1,001 nodes of 100 numbers, in 50 blocks."""
    rng = np.random.default_rng(0)
    h = x = tg.Tensor(rng.normal(size=(20, 5)), requires_grad=True, name="x")
    for _ in range(50):
        with tg.scope("block"):
            for _ in range(5):
                h = tg.sin(tg.tanh(h) * x) + x
    return tg.graph(h, rng.normal(size=(20, 5)))


EDIT = """() => {
  const times = [];
  unfolded.clear(); data.scopes.forEach((_, k) => k && unfolded.add(k)); draw(); render();
  drawer.open = true;
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    tinygrad.set(0, values[0].data.map((x) => x + 0.01));
    document.body.getBoundingClientRect();  // the layout too
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}"""


@pytest.mark.parametrize(
    ("graph", "milliseconds"),
    [(lambda: batch_norm_graph(*six_numbers()), 16), (thousand_nodes, 100)],
    ids=["six numbers", "1,000 nodes of 100 numbers"],
)
def test_a_change_is_computed_and_shown_within_a_frame_or_a_tenth_of_a_second(
    opened, graph, milliseconds
):
    page = opened(graph(), "#step=20")
    times = page.evaluate(EDIT)
    assert times[5] < milliseconds, times  # the quartile: other processes disturb the rest
