"""The accessibility of the explorer: axe-core finds nothing, and what is drawn has contrast.

axe-core does not see the contrast of SVG, so it is computed here, by the formula of WCAG 2.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np
import pytest

import tinygrad_bn as tg

pytestmark = pytest.mark.browser


@cache
def axe() -> str:
    """Return the script of axe-core, which only the extra `browser` brings."""
    script = resources.files("axe_playwright_python") / "axe.min.js"
    return script.read_text(encoding="utf-8")


PHASES = {"start": 0, "forward": 4, "backward": -4, "end": -1}


def network():
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(4, 6)), requires_grad=True, name="x")
    net = tg.nn.Sequential(tg.nn.Linear(6, 12), tg.nn.BatchNorm(12), tg.nn.ReLU())
    return tg.graph(net(x) * 1.5, gradient=rng.normal(size=(4, 12)))


def complaints(page):
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        f"{violation['id']}: {node['html'][:150]}"
        for violation in found
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("width", [390, 820, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_reports_nothing(opened, scheme, width):
    page = opened(network(), width=width, color_scheme=scheme)
    page.evaluate(axe())
    found = []
    for unfold in ("foldAll(false)", "foldAll(true)"):
        page.evaluate(unfold)
        for phase, step in PHASES.items():
            page.evaluate("step => go(step < 0 ? steps.length + step : step)", step)
            found += [f"{unfold}, {phase}: {c}" for c in complaints(page)]
        page.evaluate("select(0)")
        found += [f"{unfold}, a node: {c}" for c in complaints(page)]
    page.evaluate("guide(0)")
    found += [f"tour: {c}" for c in complaints(page)]
    page.keyboard.press("/")
    page.keyboard.type("a")
    found += [f"search: {c}" for c in complaints(page)]
    assert found == []


CONTRASTS = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const channels = (color) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255);
  };
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const weights = [0.2126, 0.7152, 0.0722];
  const light = (color) =>
    channels(color).reduce((sum, c, i) => sum + linear(c) * weights[i], 0.05);
  const contrast = (a, b) =>
    Math.max(light(a), light(b)) / Math.min(light(a), light(b));
  const style = (element) => getComputedStyle(element);
  const grounds = [style(document.body).backgroundColor,
    ...[...document.querySelectorAll(".area")].map((area) => style(area).fill)];
  const found = [];
  const add = (what, least, a, b) => found.push([what, contrast(a, b) / least]);
  for (const arrow of document.querySelectorAll(".arrow"))
    for (const ground of grounds) add("arrow", 3, style(arrow).stroke, ground);
  for (const item of document.querySelectorAll(".node, .scope")) {
    const card = style(item.querySelector(".card")).fill;
    if (Number(style(item).opacity) !== 1) found.push(["opacity", 0]);
    for (const text of item.querySelectorAll("text")) {
      const badge = text.closest(".badge")?.querySelector("rect");
      const under = badge && style(badge).fill !== "rgba(0, 0, 0, 0)" ? style(badge).fill : card;
      add(text.getAttribute("class") ?? "sign", 4.5, style(text).fill, under);
    }
  }
  for (const frame of document.querySelectorAll(".frame"))
    for (const text of frame.querySelectorAll("text"))
      add("label", 4.5, style(text).fill, style(frame.querySelector(".area")).fill);
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_arrows_and_the_text_of_cards_have_contrast(opened, scheme):
    page = opened(network(), color_scheme=scheme)
    for unfold in ("foldAll(false)", "foldAll(true)"):
        page.evaluate(unfold)
        for phase, step in PHASES.items():
            page.evaluate("step => go(step < 0 ? steps.length + step : step)", step)
            low = {(what, round(share, 2)) for what, share in page.evaluate(CONTRASTS) if share < 1}
            assert low == set(), f"{unfold}, {phase}"
