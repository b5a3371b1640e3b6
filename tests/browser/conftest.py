"""Chromium, driven by Playwright: one browser for all tests, a new page for each.

The browser is the system's own (CHROMIUM names another program); nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil

import pytest

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright  # only these tests need it

    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Save a graph, open the file, and watch it: any complaint or request ends the test."""
    contexts = []

    def open_graph(graph, link="", width=1280, height=800, **context):
        path = graph.save(tmp_path / "graph.html")
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": height}, reduced_motion="reduce", **context
            )
        )
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.heard = []
        page.on("console", lambda message: page.heard.append(message.text))
        page.on("pageerror", lambda error: page.heard.append(str(error)))
        page.on("request", lambda request: page.heard.append(request.url))
        page.goto(f"{path.as_uri()}{link}")
        page.wait_for_selector("#panel-title:not(:empty)")
        assert page.heard.pop(0).startswith("file:")
        return page

    yield open_graph
    heard = [line for context in contexts for page in context.pages for line in page.heard]
    for context in contexts:
        context.close()
    assert heard == []
