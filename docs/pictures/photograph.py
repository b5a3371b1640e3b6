"""Photograph the explorer, light and dark: ``python docs/pictures/photograph.py``.

Needs the extras ``render`` and ``browser`` and a Chromium (CHROMIUM names another program).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from draw import HERE, six_numbers
from playwright.sync_api import sync_playwright

STEP = 13  # backward through the division: two parts, one of them the first of a sum


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
