"""The page inside another page: embedded as a frame, and as a widget that Python shares."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn.graph import notebook

from .waiting import wait_until

pytestmark = pytest.mark.browser

# A model as anywidget gives it to `render`; what is saved is what Python would hear.
HOST = """<!doctype html><meta charset="utf-8"><div id="el"></div><script type="module">
const state = STATE, heard = {};
window.saved = [];
window.model = {
  get: (key) => state[key],
  set: (key, value) => { state[key] = value; (heard["change:" + key] ?? []).forEach((f) => f()); },
  save_changes: () => saved.push(JSON.parse(JSON.stringify(state.values))),
  on: (name, f) => (heard[name] ??= []).push(f),
  off: (name, f) => (heard[name] = heard[name].filter((g) => g !== f)),
};
const widget = (await import(URL.createObjectURL(new Blob([MODULE], { type: "text/javascript" })))).default;
window.remove = widget.render({ model, el: document.getElementById("el") });
</script>"""  # noqa: E501


def graph():
    x = tg.Tensor([[1.0], [4.0], [6.0]], requires_grad=True, name="x")
    return tg.graph(tg.batch_norm(x, gamma=[2.0]), [[1.0], [-2.0], [0.5]])


@pytest.fixture
def shown(browser, tmp_path):
    """Open a page that holds another, and return both."""
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    heard = []

    def show(source):
        (tmp_path / "host.html").write_text(source, encoding="utf-8")
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.goto((tmp_path / "host.html").as_uri())
        page.wait_for_selector("iframe")
        frame = page.frames[1]
        frame.wait_for_selector("#panel-title:not(:empty)")
        return page, frame

    yield show
    context.close()
    assert heard == []


def test_an_embedded_page_computes_and_leaves_the_link_of_the_notebook_alone(shown, monkeypatch):
    monkeypatch.setattr(notebook, "find_spec", lambda name: None)
    embedded = tg.explore(graph())
    page, frame = shown(f"<!doctype html><meta charset='utf-8'>{embedded._repr_html_()}")
    address = page.url
    frame.locator("#next").click()
    frame.evaluate("tinygrad.set(0, [[1], [2], [6]])")
    frame.wait_for_timeout(400)
    assert frame.evaluate("tinygrad.value(1)") == [[3]]
    assert page.url == address


def test_the_widget_and_the_page_share_their_numbers_both_ways(shown):
    widget = tg.explore(graph())
    state = {"page": widget.page, "height": 500, "values": {"0": [[2.0], [4.0], [6.0]]}}
    source = HOST.replace("STATE", json.dumps(state).replace("<", "\\u003c"))
    page, frame = shown(source.replace("MODULE", json.dumps(widget._esm)))
    wait_until(frame, "tinygrad.value(0)[0][0] === 2")  # what Python had set before
    frame.evaluate("window.same = true")
    frame.evaluate("drawer.open = true")
    frame.locator("#try .cell[aria-label='x [1, 0]']").fill("NaN")
    wait_until(page, "saved.at(-1)?.[0]?.[1]?.[0] === 'NaN'")
    y = len(widget.graph) - 1
    frame.evaluate(f"tinygrad.set({y}, [[1], [1], [1]])")
    wait_until(page, f"saved.at(-1).d{y}?.[0][0] === 1")
    widget.values = page.evaluate("saved.at(-1)")
    np.testing.assert_array_equal(widget["x"], [[2.0], [np.nan], [6.0]])
    np.testing.assert_array_equal(widget.upstream, np.ones((3, 1)))
    saves = page.evaluate("saved.length")
    page.evaluate("model.set('values', {...model.get('values'), 0: [[1], [3], [8]]})")
    wait_until(frame, "tinygrad.value(1)[0][0] === 4")
    frame.wait_for_timeout(200)
    assert page.evaluate("saved.length") == saves  # what Python sets does not come back
    page.evaluate("model.set('height', 300)")
    assert page.locator("iframe").bounding_box()["height"] == 300
    assert frame.evaluate("window.same")  # the frame was not made anew
    page.evaluate("remove()")


def test_a_page_ignores_messages_that_are_not_from_the_page_around_it(opened):
    page = opened(graph())
    page.evaluate("window.postMessage({ tinygrad: { 0: [[0], [0], [0]] } }, '*')")
    page.wait_for_timeout(100)
    assert page.evaluate("tinygrad.value(0)") == [[1], [4], [6]]
