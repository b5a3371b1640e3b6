"""The explorer in a real browser: what a reader does, and what is shown then."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn.graph import closed_forms

from .waiting import wait_until

pytestmark = pytest.mark.browser


def batch_norm_graph(name="x"):
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(4, 2)), requires_grad=True, name=name)
    gamma = tg.Tensor([1.5, 0.5], requires_grad=True, name="gamma")
    beta = tg.Tensor([0.0, 1.0], requires_grad=True, name="beta")
    return tg.graph(tg.batch_norm(x, gamma, beta), rng.normal(size=(4, 2)))


def chain(length):
    rng = np.random.default_rng(1)
    out = tg.Tensor(rng.normal(size=4), requires_grad=True, name="x")
    for i in range(length - 1):
        out = tg.sin(out) if i % 2 else out + out
    return tg.graph(out, gradient=True)


def numbers_in(page, selector):
    """Read the exact numbers of a table, which its cells have as titles."""
    titles = page.locator(f"{selector} td").evaluate_all("cells => cells.map(c => c.title)")
    return [float(title.rpartition(" ")[2].replace("−", "-")) for title in titles]


def step_of(page):
    return int(page.locator("#where").inner_text().split(" / ")[0])


def formula_of(page, selector):
    return re.sub(r"\s", "", page.locator(f"{selector} .formula math").first.text_content())


def test_it_opens_from_disk_without_a_complaint_or_a_request(opened):
    page = opened(batch_norm_graph())
    assert page.locator(".node").count() == 14
    assert page.heard == []


def test_forward_each_step_shows_what_the_engine_computed(opened):
    graph = batch_norm_graph()
    page = opened(graph)
    for node in [node for node in graph.nodes if node.op]:
        page.keyboard.press("ArrowRight")
        assert page.locator(".node.now").get_attribute("data-node") == str(node.id)
        out = page.locator("#panel-body section.flow").last
        out.evaluate("section => section.id = 'out'")
        assert numbers_in(page, "#out") == node.value.ravel().tolist()
        lit = page.locator(".arrow.forward").count()
        assert lit >= len(set(node.inputs))


def test_backward_each_step_shows_the_parts_that_the_rule_gave(opened):
    graph = batch_norm_graph()
    page = opened(graph)
    operations = [node for node in graph.nodes if node.op]
    page.locator("#step").fill(str(len(operations) + 1))  # the upstream cotangent
    assert numbers_in(page, "#panel-body") == graph.nodes[-1].grad.ravel().tolist()
    for node in reversed(operations):
        page.keyboard.press("ArrowRight")
        parts = [part for part in node.parts if part is not None]
        rules = page.locator("section.rule.backward")
        assert rules.count() == len(parts)
        for k, part in enumerate(parts):
            rules.nth(k).evaluate(f"section => section.id = 'part{k}'")
            assert numbers_in(page, f"#part{k} > .tensor") == part.ravel().tolist()


def test_the_rule_stands_in_mathematics_with_the_numbers_put_in(opened):
    page = opened(batch_norm_graph(), "#step=7")
    assert formula_of(page, ".rule") == "x̂=x−μσ"
    assert formula_of(page, ".numbers-in") == "−0.3818=−0.25790.6754"
    page.get_by_role("button", name="[2, 1]").click()
    assert formula_of(page, ".numbers-in") == "0.1026=0.041230.4018"


def test_cotangents_that_meet_are_seen_to_add_up(opened):
    graph = batch_norm_graph()
    page = opened(graph, "#step=13")  # div gives the first of two parts to x_centered
    assert "1 of 2 there" in page.locator(".adding").first.inner_text()
    card = page.locator(f"[data-node='{graph['x_centered'].id}'] .grad")
    assert card.text_content() == "∇ 1 of 2 parts"
    page.locator("#step").fill("17")
    assert "2 of 2 there" in page.locator(".adding").inner_text()
    assert numbers_in(page, ".adding") == graph["x_centered"].grad.ravel().tolist()
    assert card.text_content().startswith("∇ −4.03 to")


def leaf(values, name=None):
    return tg.Tensor(values, requires_grad=True, name=name)


ODD = {
    "a leaf alone": lambda: leaf([1.0, 2.0]),
    "a number": lambda: leaf(2.0) * 3.0,
    "nothing": lambda: leaf(np.zeros((0, 3))) + 1.0,
    "not finite": lambda: tg.log(leaf([0.0, -1.0, np.inf])) * 2.0,
    "a wide matrix": lambda: leaf(np.ones((3, 40))) @ leaf(np.ones((40, 2))),
    "four axes": lambda: tg.batch_norm(leaf(np.arange(24.0).reshape(2, 3, 2, 2)), np.ones(3)),
    "vectors": lambda: leaf([1.0, 2.0]) @ leaf([3.0, 4.0]),
    "broadcasting": lambda: (leaf([[1.0], [2.0]]) * leaf([3.0, 4.0, 5.0])).sum(axis=0),
    "shapes": lambda: tg.concatenate([leaf([1.0, 2.0]).reshape(1, 2).T[0], leaf([3.0])]),
    "choices": lambda: tg.where([True, False], leaf([1.0, 2.0]), leaf(0.0)).max() + leaf([1.0]),
    "one value twice": lambda: (lambda x: x * x - x)(leaf([1.0, -2.0], "x")),
    "every reduction": lambda: leaf(np.eye(3)).mean(axis=(0, 1)) + leaf(np.eye(3)).sum(axis=1),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_any_graph_can_be_stepped_through_and_every_node_opened(opened, kind):
    with np.errstate(all="ignore"):
        out = ODD[kind]()
        page = opened(tg.graph(out, gradient=np.full(out.shape, 0.7)))
    page.evaluate("for (let i = 0; i < steps.length; i++) go(i)")
    page.evaluate("data.nodes.forEach((_, id) => select(id))")
    assert page.locator("#panel-title").inner_text() != ""


def test_without_a_gradient_it_says_so(opened):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    page = opened(tg.graph(x * x))
    assert page.locator(".grad").first.text_content() == "no gradient yet"
    page.keyboard.press("End")
    assert page.locator("#where").inner_text() == "1 / 1"


def test_the_last_panel_compares_the_graph_with_the_three_closed_forms(opened):
    graph = batch_norm_graph()
    page = opened(graph, "#step=20")
    assert page.locator(".verdict .agrees").count() == 1
    rows = page.locator(".comparison").first.locator("tbody tr")
    expected = closed_forms.comparisons(graph)
    assert rows.count() == 3
    for i, comparison in enumerate(expected):
        cells = rows.nth(i).locator("td").all_inner_texts()[:3]
        for cell, difference in zip(cells, comparison.differences.values(), strict=True):
            assert float(cell.replace("−", "-")) == pytest.approx(difference, rel=0.01)


def test_a_click_opens_a_node_and_escape_closes_it(opened):
    graph = batch_norm_graph()
    page = opened(graph, "#step=14")
    page.locator(f"[data-node='{graph['x_centered'].id}']").click()
    panel = page.locator("#panel").inner_text()
    for fact in ("x_centered", "sub(x, mu", "batch_norm", "(4, 2)", "float64"):
        assert fact in panel
    page.keyboard.press("Escape")
    assert page.locator("#panel-title").inner_text() == "Backward through sqrt"


def test_a_scope_folds_and_unfolds_by_click_and_by_key_and_keeps_the_focus(opened):
    page = opened(batch_norm_graph())
    page.locator(".handle").click()
    assert page.locator(".node").count() == 3
    scope = page.get_by_role("button", name="scope batch_norm")
    assert scope.get_attribute("aria-expanded") == "false"
    page.locator("#step").fill("4")
    assert "now" in page.locator(".scope").get_attribute("class")  # the step is in there
    scope.focus()
    page.keyboard.press("Enter")
    assert page.locator(".node").count() == 14
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"


def test_search_finds_by_name_and_opens_also_what_is_folded(opened):
    page = opened(batch_norm_graph())
    page.locator("#fold").click()
    page.keyboard.press("/")
    page.keyboard.type("x_cent")
    assert page.get_by_role("option").count() == 1
    page.keyboard.press("Enter")
    assert page.locator("#panel-title").inner_text() == "x − μ"
    assert page.locator(".node.selected").count() == 1


def test_search_puts_names_before_scopes(opened):
    page = opened(batch_norm_graph())
    page.keyboard.press("/")
    page.keyboard.type("be")
    assert page.locator(".hit").all_inner_texts()[0] == "β"


def test_the_keyboard_does_all(opened):
    page = opened(batch_norm_graph())
    for key, step in [
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 20),
        ("Home", 0),
    ]:
        page.keyboard.press(key)
        assert step_of(page) == step
    before = page.evaluate("camera.k")
    page.keyboard.press("+")
    assert page.evaluate("camera.k") == pytest.approx(1.25 * before)
    page.keyboard.press("-")
    assert page.evaluate("camera.k") == pytest.approx(before)
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="Pause").count() == 1
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="Play").count() == 1


def test_a_screen_reader_can_walk_the_graph_and_hears_the_steps(opened):
    page = opened(batch_norm_graph())
    for card in page.locator(".node").all():
        assert card.get_attribute("role") == "button"
        assert card.get_attribute("tabindex") in ("0", "-1")
        assert "shape" in card.get_attribute("aria-label")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("status").text_content() == "Step 1 of 20. Forward through mean"
    assert page.locator("#step").get_attribute("aria-valuetext") == "1 of 20: Forward through mean"
    page.locator("[data-node='2']").focus()
    page.keyboard.press("Enter")
    assert page.locator("#panel-title").inner_text() == "x − μ"


def test_the_graph_is_one_stop_of_the_tab_key_and_the_arrows_walk_it(opened):
    graph = batch_norm_graph()
    page = opened(graph)
    focused = "document.activeElement.dataset.node ?? document.activeElement.id"
    seen = []
    while seen[-1:] != ["play"] and len(seen) < 30:
        page.keyboard.press("Tab")
        seen.append(page.evaluate(focused))
    assert len(seen) <= 12
    assert page.locator("#drawing [tabindex='0']").count() == 1
    page.locator("#drawing [tabindex='0']").focus()
    walked = [page.evaluate(focused)]
    for _ in range(14):  # a frame is on the way
        page.keyboard.press("ArrowDown")
        walked.append(page.evaluate(focused))
    assert {str(node.id) for node in graph.nodes} <= set(walked)
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == walked[-2]
    page.keyboard.press("Enter")
    assert page.locator(".node.selected").count() == 1


def test_shift_and_an_arrow_move_the_drawing(opened):
    page = opened(batch_norm_graph())
    x, y = page.evaluate("[camera.x, camera.y]")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    assert page.evaluate("[camera.x, camera.y]") == [x + 80, y - 80]
    assert step_of(page) == 0


def test_a_cell_that_is_picked_keeps_the_focus(opened):
    page = opened(batch_norm_graph(), "#step=7")
    page.get_by_role("button", name="[2, 1]").focus()
    page.keyboard.press("Enter")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith("[2, 1]")
    assert page.evaluate("document.activeElement.isConnected")


def test_the_tour_has_ten_sentences_and_can_be_left(opened):
    page = opened(batch_norm_graph())
    page.get_by_role("button", name="A tour in 10 sentences").click()
    seen = []
    while page.locator("#tour").is_visible():
        seen.append(page.locator("#tour p").inner_text())
        page.keyboard.press("Enter")  # the next sentence has the focus
    assert len(set(seen)) == 10
    assert step_of(page) == 20
    page.keyboard.press("Home")
    page.get_by_role("button", name="A tour in").click()
    page.keyboard.press("Escape")
    assert page.locator("#tour").is_hidden()
    page.get_by_role("button", name="A tour in").click()
    page.get_by_role("button", name="Leave").click()
    assert page.locator("#tour").is_hidden()


def test_a_step_over_leaves_the_scope(opened):
    page = opened(batch_norm_graph(), "#step=3")
    assert page.locator("#panel-scope").inner_text().startswith("in batch_norm")
    page.keyboard.press("PageDown")
    assert page.locator("#panel-title").inner_text() == "The graph and the closed forms"
    page.keyboard.press("PageUp")
    assert page.locator("#panel-title").inner_text() == "Backward through mean"


def six_numbers():
    x = tg.Tensor([1.0, 4.0, 6.0, 8.0, 10.0, 9.0], requires_grad=True, name="x")
    gamma = tg.Tensor(1.5, requires_grad=True, name="gamma")
    beta = tg.Tensor(0.5, requires_grad=True, name="beta")
    dy = [0.1257, -0.1321, 0.6404, 0.1049, -0.5357, 0.3616]
    return tg.graph(tg.batch_norm(x, gamma, beta), dy)


OUTSIDE = """() => {
  const panel = document.getElementById("panel").getBoundingClientRect();
  const pieces = [...document.querySelectorAll("#panel .formula math, #panel td")];
  return pieces.filter((piece) => {
    if (piece.closest("[role=region]")) return false;
    const box = piece.getBoundingClientRect();
    return box.left < panel.left || box.right > panel.right ||
      piece.scrollWidth > piece.clientWidth + 1;
  }).map((piece) => piece.textContent);
}"""


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_no_number_of_a_sum_or_a_table_is_cut_off(opened, width):
    page = opened(six_numbers(), width=width)
    for step in range(21):
        page.evaluate(f"go({step})")
        assert page.evaluate(OUTSIDE) == [], f"step {step}"
    page.evaluate("go(steps.findIndex(([phase, id]) => phase === 'backward' && id === 11))")
    terms = page.locator(".lines").last.locator("math").all_text_contents()
    assert len(terms) == 7  # dgamma, and a term for each of six numbers


def test_of_a_wide_table_whole_columns_are_seen(opened):
    x = tg.Tensor(np.random.default_rng(0).normal(size=(3, 8)) / 3e4, requires_grad=True, name="x")
    page = opened(tg.graph(x * 2.0), "#node=x")
    frame = page.locator(".scroll[role=region]").first
    right = frame.bounding_box()["x"] + frame.bounding_box()["width"]
    for cell in frame.locator("tr").first.locator("td").all():
        box = cell.bounding_box()
        assert box["x"] >= right - 2 or box["x"] + box["width"] <= right + 1


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180), (1280, 800)])
def test_the_active_card_is_on_the_screen_in_every_step(opened, width, height):
    rng = np.random.default_rng(0)
    layers = [tg.nn.Linear(2, 3), tg.nn.BatchNorm(3), tg.nn.ReLU(), tg.nn.Linear(3, 2)]
    x = tg.Tensor(rng.normal(size=(4, 2)), requires_grad=True, name="x")
    page = opened(tg.graph(tg.nn.Sequential(*layers)(x), gradient=True), width=width, height=height)
    for unfold in ("", "foldAll(true)"):
        page.evaluate(unfold)
        away = page.evaluate(
            """() => steps.flatMap(([, id], step) => {
              go(step);
              const card = document.querySelector("#drawing .now .card")?.getBoundingClientRect();
              const room = document.querySelector(".graph").getBoundingClientRect();
              const isIn = card && card.left >= room.left && card.right <= room.right &&
                card.top >= room.top && card.bottom <= room.bottom;
              return id === null || isIn ? [] : [step];
            })"""
        )
        assert away == []


def test_a_resize_keeps_the_camera_where_the_reader_moved_it(opened):
    page = opened(batch_norm_graph())
    page.keyboard.press("+")
    before = page.evaluate("[camera.k, camera.x]")
    page.set_viewport_size({"width": 1282, "height": 800})
    wait_until(page, "camera.width !== 870")
    scale, x = page.evaluate("[camera.k, camera.x]")
    assert scale == before[0]
    assert abs(x - before[1]) <= 1


@pytest.mark.parametrize("direction", ["backward", "both"])
def test_the_backward_pass_as_a_graph_is_called_backward(opened, direction):
    graph = getattr(batch_norm_graph(), direction)
    page = opened(graph)
    page.keyboard.press("End")
    if page.locator("#panel-title").inner_text() == "The graph and the closed forms":
        page.keyboard.press("ArrowLeft")
    assert page.locator("#panel-title").inner_text() == "Backward pass: add"
    assert "Forward" not in page.locator("#panel").inner_text()
    assert page.locator(".arrow.rules").count() >= 1
    assert page.locator("#phase-forward").is_visible() == (direction == "both")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_has_the_whole_graph_in_text_that_can_be_read(opened, width, height):
    page = opened(six_numbers(), width=width, height=height)
    assert page.locator("#title").inner_text() == "How does a change of x reach y, and back?"
    room = page.locator(".graph").bounding_box()
    for card in page.locator("#drawing .card").all():
        box = card.bounding_box()
        assert box["x"] >= room["x"]
        assert box["x"] + box["width"] <= room["x"] + room["width"]
        assert box["y"] >= room["y"]
        assert box["y"] + box["height"] <= room["y"] + room["height"]
    sizes = page.locator("#drawing text").evaluate_all(
        "texts => texts.map(t => parseFloat(getComputedStyle(t).fontSize) * camera.k)"
    )
    assert min(sizes) >= 11


def test_a_link_leads_to_its_step_or_node(opened):
    page = opened(batch_norm_graph(), "#step=12")
    assert step_of(page) == 12
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("#step=13")
    page.evaluate("location.hash = '#panel-title'")  # as the link that skips the graph does
    assert step_of(page) == 13
    page.evaluate("location.hash = '#node=x_hat'")
    wait_until(page, "document.getElementById('panel-title').textContent === 'x̂'")


def test_light_and_dark_follow_the_reader_and_print_is_light(opened):
    page = opened(batch_norm_graph(), color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert dark == "rgb(20, 24, 28)"
    assert light == "rgb(247, 247, 245)"
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.locator("footer").is_hidden()


@pytest.mark.parametrize("width", [320, 390, 820, 1920])
def test_nothing_spills_over_the_side(opened, width):
    page = opened(batch_norm_graph(), "#step=13", width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator("header button, footer button").all():
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "</script><script>alert(1)//"])
def test_a_name_is_shown_as_the_text_that_it_is(opened, name):
    page = opened(batch_norm_graph(name))
    page.on("dialog", lambda dialog: page.heard.append(dialog.message))
    page.locator("[data-node='0']").click()
    assert page.locator("#panel-title").inner_text() == name
    page.keyboard.press("/")
    page.keyboard.type(name[:5])
    assert page.locator(".hit").first.inner_text() == name
    assert page.locator("img").count() == 0


def test_the_policy_stops_every_script_style_and_request_that_is_not_its_own(opened):
    page = opened(batch_norm_graph())
    stopped = page.evaluate(
        """async () => {
          const stopped = [];
          document.addEventListener("securitypolicyviolation",
            (event) => stopped.push(event.effectiveDirective));
          const add = (tag, set) =>
            document.body.append(Object.assign(document.createElement(tag), set));
          add("script", { textContent: "window.ran = 1" });
          add("style", { textContent: "body { display: none }" });
          add("img", { src: "https://example.org/a.png" });
          add("div", {}); document.body.lastChild.setAttribute("onclick", "window.ran = 1");
          document.body.lastChild.click();
          await fetch("https://example.org/").catch(() => 0);
          await new Promise((done) => setTimeout(done, 50));
          return [window.ran, stopped];
        }"""
    )
    assert stopped[0] is None
    assert set(stopped[1]) == {
        "script-src-elem",
        "script-src-attr",
        "style-src-elem",
        "img-src",
        "connect-src",
    }
    page.heard.clear()  # the complaints that were provoked


def test_a_large_tensor_shows_statistics_and_says_that_it_is_a_sample(opened):
    x = tg.Tensor(np.random.default_rng(3).normal(size=(2000, 4)), requires_grad=True, name="x")
    page = opened(tg.graph(tg.batch_norm(x), gradient=x.data), "#node=x")
    assert "8,000 numbers are too many for this page" in page.locator("#panel").inner_text()
    assert page.locator("svg.histogram").count() == 2


def test_a_middling_tensor_is_a_heatmap_with_exact_numbers_on_hover(opened):
    values = np.random.default_rng(4).normal(size=(12, 10))
    x = tg.Tensor(values, requires_grad=True, name="x")
    page = opened(tg.graph(x * 2.0, gradient=values), "#node=x")
    box = page.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + 1.5 * box["width"] / 10, box["y"] + 2.5 * box["height"] / 12)
    caption = page.locator(".heatmap figcaption").first.inner_text()
    assert caption == f"[2, 1] = {values[2, 1]}".replace("-", "−")


def test_the_wine_table_has_heatmaps_and_its_numbers_put_in(opened):
    x, dy = np.random.default_rng(5).normal(size=(2, 178, 2))
    gamma = tg.Tensor([1.5, 0.5], requires_grad=True, name="gamma")
    graph = tg.graph(tg.batch_norm(tg.Tensor(x, requires_grad=True, name="x"), gamma), dy)
    page = opened(graph)
    for step in range(1, page.evaluate("lastStep")):
        page.evaluate(f"go({step})")
        panel = page.locator("#panel").inner_text()
        assert "too many" not in panel
        if page.evaluate("steps[state.step][0]") != "seed":
            assert page.locator(".numbers-in").count() >= 1
    page.evaluate("go(steps.findIndex(([, id]) => data.nodes[id]?.name === 'x_hat'))")
    canvas = page.locator("canvas").last
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 2)  # the last block, its first row
    at = page.locator(".at").inner_text()
    row = int(at.removeprefix("at [").split(",")[0])
    assert 0 < row < 178
    assert at.endswith(", 1]")


PAN = """async () => {
  const box = drawing.getBoundingClientRect();
  const send = (kind, x, y) => drawing.dispatchEvent(new PointerEvent(kind,
    { pointerId: 1, clientX: box.left + x, clientY: box.top + y, bubbles: true }));
  send("pointerdown", 400, 300);
  const gaps = [];
  let last = await new Promise(requestAnimationFrame);
  for (let i = 1; i <= 60; i++) {
    send("pointermove", 400 + 60 * Math.sin(i / 6), 300 - 3 * i);
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - last);
    last = now;
  }
  send("pointerup", 0, 0);
  return gaps.sort((a, b) => a - b);
}"""


@pytest.mark.parametrize("view", ["read", "whole"])
def test_panning_a_thousand_nodes_keeps_sixty_frames_a_second(opened, view, record_property):
    page = opened(chain(1000))
    page.locator("#unfold").click()
    assert page.locator(".node").count() == 1000
    if view == "whole":
        page.keyboard.press("0")
    page.wait_for_timeout(300)
    gaps = min((page.evaluate(PAN) for _ in range(3)), key=lambda gaps: gaps[30])
    record_property("median_frame_ms", round(gaps[30], 1))
    print(f"\n1,000 nodes, {view}: frame median {gaps[30]:.1f} ms, 95 % {gaps[57]:.1f} ms")
    assert gaps[30] < 17.5  # a display's 60 Hz is 16.7 ms; of three runs the least disturbed


STEP = """async () => {
  const times = [];
  for (let i = 0; i < 60; i++) {
    const start = performance.now();
    go(100 + 3 * i);
    times.push(performance.now() - start);
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  }
  return times.sort((a, b) => a - b);
}"""


def test_a_step_in_a_thousand_nodes_takes_less_than_a_frame(opened, record_property):
    page = opened(chain(1000))
    page.locator("#unfold").click()
    page.wait_for_timeout(300)
    times = min((page.evaluate(STEP) for _ in range(3)), key=lambda times: times[30])
    record_property("median_step_ms", round(times[30], 1))
    print(f"\n1,000 nodes: step median {times[30]:.1f} ms, 95 % {times[57]:.1f} ms")
    assert times[30] < 16  # of three runs the least disturbed


def test_ten_thousand_nodes_open_folded(opened):
    page = opened(chain(10_000))
    assert page.locator(".node, .scope").count() <= 100
    page.locator("#step").fill("5000")
    assert page.locator(".scope.now").count() == 1
    page.keyboard.press("ArrowRight")
    assert step_of(page) == 5001
