"""Photograph the explorer, light and dark: ``python docs/pictures/photograph.py``.

Needs the extras ``render`` and ``browser`` and a Chromium (CHROMIUM names another program).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

import tinygrad_bn as tg

HERE = Path(__file__).parent
STEP = 13  # backward through the division: two parts, one of them the first of a sum


def six_numbers() -> tg.Graph:
    """Return the graph of the batch norm of 1, 4, 6, 8, 10, 9, with an upstream gradient."""
    x = tg.Tensor([[1.0], [4.0], [6.0], [8.0], [10.0], [9.0]], requires_grad=True, name="x")
    gamma = tg.Tensor([2.0], requires_grad=True, name="gamma")
    beta = tg.Tensor([10.0], requires_grad=True, name="beta")
    y = tg.batch_norm(x, gamma, beta)
    return tg.graph(y, gradient=np.array([[1.0], [0.5], [-1.0], [2.0], [0.0], [-0.5]]))


def main() -> None:
    """Photograph one step in both schemes."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = six_numbers().save(Path(folder) / "batch_norm.html")
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": 1280, "height": 940},
                color_scheme=scheme,
                reduced_motion="reduce",
            )
            page.goto(f"{page_file.as_uri()}#step={STEP}")
            page.wait_for_selector(".node.now")
            page.keyboard.press("0")  # the whole graph
            page.wait_for_timeout(400)
            page.screenshot(path=HERE / f"explorer_{scheme}.png")
            print(f"Wrote explorer_{scheme}.png")
        browser.close()


if __name__ == "__main__":
    main()
