"""Waiting for a page; Playwright's own wait evaluates text there, which its policy forbids."""

from __future__ import annotations

import time

SECONDS = 20.0


def wait_until(page, expression: str) -> None:
    """Wait until an expression is true in a page or a frame; AssertionError if it never is."""
    end = time.monotonic() + SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"not within {SECONDS} s: {expression}"
        time.sleep(0.02)
