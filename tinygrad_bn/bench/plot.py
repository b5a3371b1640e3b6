"""The results as a picture (needs matplotlib): ratios by shape, and times by size of the graph."""

from __future__ import annotations

import io
from typing import Any

from . import batch_norms, rows
from .records import Record
from .report import GRAPHS, LABELS, busy


def svg(results: dict[str, Any]) -> bytes:
    """Draw the results as SVG. Raises RuntimeError if matplotlib is not installed."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise RuntimeError("the plot needs matplotlib: `pip install matplotlib`") from None
    times = [r for r in results["records"] if r["section"] == batch_norms.TIME]
    yardstick = "to_torch" if any(r["to_torch"] for r in times) else "to_copy"
    graphs = [r for r in results["records"] if r["section"] == rows.GRAPHS]
    figure = Figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(4, 3))

    _lines(left, [{**r, "value": r[yardstick]} for r in times], LABELS)
    unit = "PyTorch, op by op" if yardstick == "to_torch" else "one copy of x"
    left.set(yscale="log", xlabel="shape of x", title="Batch norm, forward and backward, float32")
    left.set_ylabel(f"median time / that of {unit}")

    _lines(right, [{**r, "value": r["value"] and 1e6 * r["value"]} for r in graphs], GRAPHS)
    right.set(xlabel="operations in the graph", title="Large graphs")
    right.set_ylabel("microseconds for each operation")
    right.set_ylim(bottom=0)
    left.yaxis.set_major_formatter("{x:g}")
    for axes in filter(lambda axes: axes.lines, (left, right)):
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))

    figure.suptitle(busy(results), color="darkred", fontsize=10)
    file = io.BytesIO()
    # With these settings, the same results make the same file.
    with matplotlib.rc_context({"svg.hashsalt": "tinygrad_bn", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _lines(axes: Any, records: list[Record], labels: dict[str, str]) -> None:
    cases = list(dict.fromkeys(record["case"] for record in records))
    for name, label in labels.items():
        points = [
            (cases.index(record["case"]), record["value"])
            for record in records
            if record["column"] == name and record["value"] is not None
        ]
        if points:
            bold = name in ("ours", *GRAPHS)
            style = {"linewidth": 2.5 if bold else 1.2, "zorder": 3 if bold else 2}
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=label, **style)
    axes.set_xticks(range(len(cases)), cases, fontsize=8)
    axes.grid(axis="y", alpha=0.3)
