"""The benchmark: what is wrong is not timed, what is absent is said, and the results are whole.

No test here looks at how long anything took.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn import closed_form
from tinygrad_bn.bench import (
    batch_norms,
    checks,
    command,
    inside,
    measure,
    network,
    peers,
    plot,
    report,
    rows,
)
from tinygrad_bn.bench.peers import COLUMNS, Column, make_batch
from tinygrad_bn.bench.records import ABSENT, MEASURED, UNSEEN, WRONG
from tinygrad_bn.bench.timing import interleaved
from tinygrad_bn.primitives import TABLE
from tinygrad_bn.tables import InputError

FOREIGN = ("torch", "mygrad", "autograd", "jax")
NEEDED_NOTHING = {name: c for name, c in COLUMNS.items() if c.package is None}


def right(batch):
    return list(peers.numpy_by_hand(batch)())


def unbiased_variance(batch):
    m = batch.x.size // batch.x.shape[1]
    _, cache = closed_form.forward(*batch[:3], eps=peers.EPS)
    std = np.sqrt(cache.std**2 * m / (m - 1)).astype(np.float32)
    cache = cache._replace(std=std, x_hat=cache.x_centered / std)
    return [cache.x_hat * cache.gamma + batch.beta, *closed_form.backward_compact(batch.dy, cache)]


def another_eps(batch):
    y, cache = closed_form.forward(*batch[:3], eps=1e-3)
    return [y, *closed_form.backward_compact(batch.dy, cache)]


def cotangent_of_ones(batch):
    return right(batch._replace(dy=np.ones_like(batch.dy)))


def without_the_way_through_the_mean(batch):
    y, dx, dgamma, dbeta = right(batch)
    std = np.sqrt(batch.x.var(0) + peers.EPS)
    return [y, dx + batch.gamma / std * dbeta / len(dx), dgamma, dbeta]


def without_the_way_through_the_variance(batch):
    std = np.sqrt(batch.x.var(0) + peers.EPS)
    y, _, dgamma, dbeta = right(batch)
    return [y, batch.gamma / std * (batch.dy - batch.dy.mean(0)), dgamma, dbeta]


def without_gamma(batch):
    y, dx, *others = right(batch)
    return [y, dx / batch.gamma, *others]


def with_a_nan(batch):
    y, dx, *others = right(batch)
    dx[0, 0] = np.nan
    return [y, dx, *others]


def in_float64(batch):
    return [array.astype(np.float64) for array in right(batch)]


def of_another_shape(batch):
    y, dx, dgamma, dbeta = right(batch)
    return [y, dx, dgamma[None], dbeta]


def with_one_missing(batch):
    return [*right(batch)[:3], None]


def raising(batch):
    raise ZeroDivisionError("as a peer may")


WRONGS = [unbiased_variance, another_eps, cotangent_of_ones, without_the_way_through_the_mean,
          without_the_way_through_the_variance, without_gamma, with_a_nan, in_float64,
          of_another_shape, with_one_missing, raising]  # fmt: skip


@pytest.mark.parametrize("shape", [(6, 1), (32, 64)])
@pytest.mark.parametrize("wrong", WRONGS, ids=lambda function: function.__name__)
def test_a_peer_that_computes_something_else_is_reported_and_not_timed(wrong, shape):
    columns = {"peer": Column("a peer", None, lambda batch: lambda: wrong(batch))}
    (record,) = batch_norms.times(shape, 1, 1e-6, columns)
    assert record["status"] == WRONG
    assert record["note"]
    assert record["value"] is None


@pytest.mark.parametrize("shape", [*measure.SMALL_SHAPES, (256, 1024)])
def test_our_own_columns_are_right_so_they_are_timed(shape):
    steps, others = batch_norms.checked_steps(make_batch(shape), NEEDED_NOTHING)
    assert set(steps) == {"ours", "numpy", "copy"}
    assert not others


def test_float32_results_are_far_inside_the_tolerance_and_it_is_small():
    batch = make_batch((32, 64))
    expected, tolerances = checks.reference(batch)
    for result, value, tolerance in zip(right(batch), expected, tolerances, strict=True):
        assert np.max(np.abs(result - value) / tolerance) < 0.5
        assert np.max(tolerance) < 1e-2 * np.max(np.abs(value))


@pytest.mark.parametrize("package", FOREIGN)
def test_a_peer_that_is_not_installed_is_absent_and_no_error(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    columns = {name: c for name, c in COLUMNS.items() if c.package == package}
    steps, others = batch_norms.checked_steps(make_batch((6, 1)), columns)
    assert not steps
    assert others == dict.fromkeys(columns, (ABSENT, f"{package} is not installed"))


def test_a_peer_that_is_broken_is_absent_with_its_error(monkeypatch, tmp_path):
    (tmp_path / "brokenpeer.py").write_text("raise OSError('libpeer.so: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(peers.AbsentError, match="brokenpeer cannot be imported: libpeer"):
        peers.load("brokenpeer")


def test_every_round_times_every_function():
    calls = []
    functions = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    found = interleaved(functions, rounds=4, at_least=0.0)
    assert set(found) == set("abc")
    rounds = calls[-4 * 6 :]  # in each, a call that warms up and one that counts
    for start in range(0, len(rounds), 6):
        assert Counter(rounds[start : start + 6]) == {"a": 2, "b": 2, "c": 2}


@pytest.mark.parametrize("temporaries", [0, 2, 5])
def test_the_peak_is_what_is_held_beyond_the_results(temporaries):
    batch = make_batch((64, 1024))

    def step():
        held = [np.ones_like(batch.x) for _ in range(temporaries)]
        result = np.ones_like(batch.x)
        del held
        return (result,)

    assert batch_norms.peak_beyond_results(step, batch) == pytest.approx(temporaries, abs=0.02)


def test_a_wrong_gradient_of_a_large_graph_is_reported(monkeypatch):
    monkeypatch.setattr(rows, "SLOPES", {"chain": (rows.fan, rows.SLOPES["chain"][1])})
    walked = [r for r in rows.graphs([10], 1) if r["column"] == "backward_chain"]
    assert [record["status"] for record in walked] == [WRONG]


def test_the_network_learns():
    step = network.ours(network.make_task(np.float32))
    losses = [float(step()[0].data) for _ in range(20)]
    assert losses[-1] < losses[0]


# --- the command ----------------------------------------------------------------------------


def arguments(*given):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(given)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Run --quick where no peer can be imported, whatever is installed."""
    directory = tmp_path_factory.mktemp("bench")
    blocked = directory / "blocked"
    blocked.mkdir()
    for package in FOREIGN:
        (blocked / f"{package}.py").write_text("raise ModuleNotFoundError(name=__name__)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(blocked))
        status = command.run(arguments("--quick", "--out", str(directory / "out")))
    return status, directory / "out"


def test_quick_runs_without_peers_and_writes_its_three_files(quick):
    status, out = quick
    assert status == 0
    assert sorted(os.listdir(out)) == ["results.json", "results.svg", "results.txt"]
    assert (out / "results.svg").read_text().startswith("<?xml")


def test_the_json_has_one_whole_record_for_every_cell(quick):
    results = json.loads((quick[1] / "results.json").read_text())
    shapes = [str(shape) for shape in measure.SMALL_SHAPES]
    expected = {
        batch_norms.TIME: (shapes, COLUMNS),
        batch_norms.MEMORY: (shapes[-1:], [name for name in COLUMNS if name != "copy"]),
        inside.INSIDE: (shapes, inside.LABELS),
        rows.SCALAR: (["a * b"], rows.SCALARS),
        network.STEP: ([network.CASE], network.STEPS),
        rows.IMPORT: (["import"], rows.MODULES),
        rows.GRAPHS: (["1,000", "10,000"], report.GRAPHS),
    }
    cells = Counter((r["section"], r["case"], r["column"]) for r in results["records"])
    assert cells == Counter(
        (section, case, column)
        for section, (cases, columns) in expected.items()
        for case in cases
        for column in columns
    )
    for record in results["records"]:
        foreign = record["column"].split("_")[0] in FOREIGN
        assert record["status"] in ((ABSENT, UNSEEN) if foreign else (MEASURED,))
        if foreign:
            assert record["value"] is None
            assert record["note"]
        else:
            assert 0 < record["low"] <= record["value"] <= record["high"]
            assert record["unit"] in ("s", "inputs")
        if record["column"] == "copy":
            assert record["to_copy"] == 1


@pytest.mark.parametrize("shape", [(6, 1), (32, 64), (4, 3, 5, 5)])
def test_the_parts_of_a_step_make_up_the_whole(shape):
    table = {name: (row.compute, row.pull) for name, row in TABLE.items()}
    leaves = [tg.Tensor(a, requires_grad=True) for a in make_batch(shape)[:3]]
    seconds = inside._one_step(leaves, tg.Tensor(make_batch(shape).dy))
    assert set(seconds) == set(inside.LABELS)
    for way in ("forward", "backward"):
        parts = {part: value for part, value in seconds.items() if part.startswith(way)}
        whole = parts.pop(f"{way}: all")
        assert min(parts.values()) > 0
        assert sum(parts.values()) == pytest.approx(whole)
    assert table == {name: (row.compute, row.pull) for name, row in TABLE.items()}, (
        "all is put back"
    )


def test_the_json_describes_the_machine_and_the_threads_and_tells_no_path(quick):
    text = (quick[1] / "results.json").read_text()
    results = json.loads(text)
    machine = results["machine"]
    assert all(machine[key] for key in ("cpu", "cores", "system", "python", "blas"))
    assert machine["packages"]["numpy"] == np.__version__
    assert set(results["threads"]["environment"].values()) == {"2"}
    assert results["date"]
    assert "load_before" in results
    assert results["options"]["quick"]
    assert not [p for p in (sys.prefix, str(Path.home()), str(Path.cwd())) if f"{p}/" in text]


def test_the_table_fits_100_columns_and_says_who_is_absent(quick):
    lines = (quick[1] / "results.txt").read_text().splitlines()
    assert max(map(len, lines)) <= 100
    for package in FOREIGN:
        assert f"{package} is not installed" in lines


def stored(status, column="ours"):
    record = {"section": batch_norms.TIME, "case": "(6, 1)", "column": column, "status": status,
              "value": None, "note": "dx is off by up to 1", "to_torch": None,
              "to_copy": None}  # fmt: skip
    return {"version": "", "date": "", "load_before": None, "threads": {"asked": 2},
            "records": [record], "options": {"quick": False, "rounds": 1},
            "machine": {"cpu": "", "cores": 1, "system": "", "python": "", "blas": "",
                        "packages": {}}}  # fmt: skip


@pytest.mark.parametrize(("column", "status"), [("ours", 1), ("backward_fan", 1), ("torch", 0)])
def test_only_our_own_fault_makes_the_exit_status_1(column, status, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "_measured", lambda args: stored(WRONG, column))
    assert command.run(arguments("--out", str(tmp_path))) == status
    assert "dx is off by up to 1" in capsys.readouterr().out


@pytest.mark.parametrize(("load", "said"), [(None, False), (0.1, False), (0.5, True), (9, True)])
def test_a_busy_machine_is_said_in_the_table_and_in_the_picture(load, said):
    results = {**stored(ABSENT, "torch"), "load_before": load}  # it has one core
    assert ("THE MACHINE WAS BUSY" in report.tables(results)) == said
    assert (b"THE MACHINE WAS BUSY" in plot.svg(results)) == said


def test_without_matplotlib_the_rest_is_written_and_it_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(command, "_measured", lambda args: stored(ABSENT, "torch"))
    assert command.run(arguments("--out", str(tmp_path))) == 0
    assert "pip install matplotlib" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["results.json", "results.txt"]


@pytest.mark.parametrize(
    "given", [["--rounds", "0"], ["--threads", "x"], ["--columns", "ours,tf"], ["--only", ""]]
)
def test_bad_arguments_are_refused_in_a_sentence(given, capsys):
    with pytest.raises(SystemExit) as stop:
        arguments(*given)
    assert stop.value.code == 2
    assert repr(given[1].split(",")[-1]) in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_measured(
    monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(command, "_measured", lambda args: pytest.fail("measured"))
    with pytest.raises(InputError, match=r"--out .*file"):
        command.run(arguments("--out", str(tmp_path / "file")))
