"""tg.explore: the page in a notebook, with and without anywidget."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn.graph import notebook
from tinygrad_bn.graph.explorer import page

DY = np.array([1.0, -2.0, 0.5])


def graph(gradient=DY):
    x = tg.Tensor([1.0, 4.0, 6.0], requires_grad=True, name="x")
    return tg.graph(tg.batch_norm(x), gradient)


def test_a_widget_has_the_page_and_is_shown_as_a_widget():
    g = graph()
    widget = tg.explore(g, height=400)
    assert (widget.page, widget.height) == (page(g), 400)
    assert "application/vnd.jupyter.widget-view+json" in widget._repr_mimebundle_()[0]


def test_numbers_are_read_by_name_and_setting_them_reaches_the_page():
    widget = tg.explore(graph())
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "values")
    np.testing.assert_array_equal(widget["x"], [1.0, 4.0, 6.0])
    np.testing.assert_array_equal(widget.upstream, [1.0, -2.0, 0.5])
    widget["x"] = [1, np.inf, np.nan]
    widget.upstream = np.zeros(3)
    assert seen[-1] == {"0": [1.0, "Infinity", "NaN"], f"d{len(widget.graph) - 1}": [0.0, 0.0, 0.0]}
    widget.values = {"0": [2, 3, "-Infinity"]}  # as the page sends it
    np.testing.assert_array_equal(widget["x"], [2.0, 3.0, -np.inf])
    assert widget["x"].dtype == np.float64


def test_what_cannot_be_set_is_refused():
    widget = tg.explore(graph())
    with pytest.raises(ValueError, match="batch_norm/mu is the result of mean: only a leaf"):
        widget["mu"] = [1.0]
    with pytest.raises(ValueError, match=r"x has shape \(3,\), but \(2,\) came"):
        widget["x"] = [1.0, 2.0]
    with pytest.raises(ValueError, match="this graph has no gradient"):
        _ = tg.explore(graph(None)).upstream
    with pytest.raises(TypeError, match="a Graph is expected, not Tensor: make one of a Tensor y"):
        tg.explore(tg.Tensor([1.0]))


def test_without_anywidget_the_page_is_embedded_and_has_no_access_to_the_notebook(monkeypatch):
    monkeypatch.setattr(notebook, "find_spec", lambda name: None)
    g = graph()
    embedded = tg.explore(g)
    assert "shown in notebooks" in repr(embedded)
    shown = re.fullmatch(r'<iframe srcdoc="([^"]*)" (.*)></iframe>', embedded._repr_html_())
    assert html.unescape(shown[1]) == page(g)
    assert 'sandbox="allow-scripts"' in shown[2]
