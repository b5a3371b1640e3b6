"""The drawing of the explorer in Chromium: arrows meet their cards, and nothing overlaps.

The graphs are random: operations on random earlier results, in scopes that nest at random. In each,
scopes are folded and unfolded at random.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tinygrad_bn as tg

pytestmark = pytest.mark.browser

FAULTS = (Path(__file__).parent / "drawing_faults.js").read_text()
GRAPHS, TOGETHER, FOLDINGS = 200, 5, 3
UNARY = (
    tg.sin, tg.tanh, tg.relu, tg.batch_norm, lambda x: x**2, lambda x: x + 1.5,
    lambda x: x.sum(axis=0, keepdims=True),
)  # fmt: skip
NAMES = ("h", "W", "a name that is much too long for any card", "wwwwwwwwwwwwwwww", "σ²")
SCOPES = ("block", "a scope with a name that is much too long for any frame", "net")


def random_graph(rng, several):
    """Record several random graphs side by side, and add their results up; some show both passes.

    Each has operations on earlier results, in scopes that nest up to three deep.
    """
    made = []

    def some():
        return made[-1 - min(int(rng.exponential(3)), len(made) - 1)]

    def block(depth):
        for _ in range(rng.integers(1, 7)):
            if depth < 3 and rng.random() < 0.35:
                with tg.scope(str(rng.choice(SCOPES))):
                    block(depth + 1)
                continue
            out = UNARY[rng.integers(len(UNARY))](some()) if rng.random() < 0.5 else some() * some()
            if rng.random() < 0.3:
                out.name = str(rng.choice(NAMES))
            made.append(out)

    total = 0.0
    for _ in range(several):
        sizes = 10.0 ** rng.integers(-9, 9, size=rng.integers(1, 4))
        made[:] = [tg.Tensor(rng.normal(size=(3, 2)) * s, requires_grad=True) for s in sizes]
        block(0)
        total = sum((x.sum() for x in made[-4:]), start=total + made[0].sum())
    graph = tg.graph(total, gradient=True)
    return graph.both if rng.random() < 0.2 else graph


def test_in_random_graphs_arrows_meet_their_cards_and_nothing_overlaps(opened, tmp_path):
    page = opened(tg.graph(tg.Tensor(1.0, requires_grad=True) * 2.0))
    for seed in range(GRAPHS // TOGETHER):
        rng = np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            path = random_graph(rng, TOGETHER).save(tmp_path / "random.html")
        page.goto(path.as_uri())
        page.heard.clear()  # the request for the page itself
        found = page.evaluate(FAULTS)
        for _ in range(FOLDINGS):
            scopes = page.evaluate("data.scopes.length")
            page.evaluate(
                """open => {
                  open.forEach((on, k) => k && (on ? unfolded.add(k) : unfolded.delete(k)));
                  draw();
                  go(Math.floor(steps.length * 0.8));
                }""",
                (rng.random(scopes) < 0.6).tolist(),
            )
            found += page.evaluate(FAULTS)
        assert found == [], f"seed {seed}"
