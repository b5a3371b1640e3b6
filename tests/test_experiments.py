"""Each experiment finds, in its quick version and with its seeds fixed, what it claims to find.

The bounds leave room around what the quick versions measure (in the comments), since another
version of NumPy may round otherwise; the direction and the order of size must hold.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from examples import (  # noqa: E402
    bias_is_neutral,
    common,
    convolution,
    exploding_chain,
    learning_rates_and_initialisation,
    networks_within_networks,
    saturation,
    small_batches,
    smoothness,
    speed,
)


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield


def report_and_figure(experiment, result, tmp_path: Path) -> str:
    """Write the report and the figure, which must not be large or empty."""
    path = tmp_path / "figure.png"
    common.save(experiment.figure(result), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert 5_000 < path.stat().st_size < 150_000
    text: str = experiment.report(result)
    assert max(map(len, text.splitlines())) <= 120
    return text


def test_speed_batch_norm_needs_many_times_fewer_steps(tmp_path) -> None:
    result = speed.run(quick=True, seed=0)
    # 40 steps against 1080 and 710
    for rate in speed.rates_of(result):
        assert speed.median_steps(result, True, rate) <= 60
        assert speed.median_steps(result, False, rate) >= 500
    assert speed.best(result, False) / speed.best(result, True) > 8
    # the spread of the sigmoid's inputs is there from the start, without batch norm it is not
    with_bn, without = (result.trainings[bn, 0.5][0].percentiles for bn in (True, False))
    assert with_bn[9][2] - with_bn[9][0] > 1.5
    assert without[9][2] - without[9][0] < 0.2
    assert "times fewer steps" in report_and_figure(speed, result, tmp_path)


def test_learning_rates_batch_norm_learns_on_most_of_the_grid(tmp_path) -> None:
    result = learning_rates_and_initialisation.run(quick=True, seed=0)
    assert (result.accuracies[True] > 0.75).all()
    assert (result.accuracies[False] < 0.7).sum() >= 3
    text = report_and_figure(learning_rates_and_initialisation, result, tmp_path)
    assert "of the grid with batch norm" in text


def test_saturation_batch_norm_brings_the_inputs_to_where_the_sigmoid_bends(tmp_path) -> None:
    before, after = saturation.run(quick=True, seed=0)
    assert before.share(-8, -4) == pytest.approx(0.9545, abs=0.02)
    assert before.share(-2, 2) < 0.001
    assert after.share(-2, 2) == pytest.approx(0.9545, abs=0.02)
    # E sigma'(z): by numerical integration 0.00400 for N(-6, 1) and 0.20662 for N(0, 1)
    assert before.mean_derivative == pytest.approx(0.00400, rel=0.1)
    assert after.mean_derivative == pytest.approx(0.20662, rel=0.02)
    assert after.gradient / before.gradient > 20
    assert after.weight_gradient / before.weight_gradient > 15
    report_and_figure(saturation, saturation.Result(before, after), tmp_path)


def test_exploding_chain_only_batch_norm_keeps_the_gradients_word(tmp_path) -> None:
    result = exploding_chain.run(quick=True, seed=0)
    for depth in exploding_chain.depths_of(result):
        with_bn = [s.ratio for s in result.steps[True, depth]]
        np.testing.assert_allclose(with_bn, 1, atol=0.2)
    deep = exploding_chain.median(result, False, 15, "actual")
    assert deep > 50 * exploding_chain.median(result, False, 3, "actual")
    assert exploding_chain.median(result, True, 15, "actual") < 0.5
    report_and_figure(exploding_chain, result, tmp_path)


def test_exploding_chain_without_batch_norm_breaks_it_at_depth_30() -> None:
    data = common.wine()
    ratios = {
        bn: np.median(
            [
                exploding_chain.one_step(data.train_x, data.train_y, 30, bn, seed).ratio
                for seed in range(9)
            ]
        )
        for bn in (True, False)
    }
    assert ratios[True] == pytest.approx(1, abs=0.1)
    assert abs(ratios[False]) > 100


def test_networks_within_networks_batch_norm_keeps_their_inputs_in_place(tmp_path) -> None:
    result = networks_within_networks.run(quick=True, seed=0)
    for name in networks_within_networks.INNER:
        growth = {
            bn: inputs.mean_and_std[name][-1, 1] / inputs.mean_and_std[name][0, 1]
            for bn, inputs in result.inputs.items()
        }
        assert growth[True] == pytest.approx(1, abs=0.15)
        assert growth[False] > 1.3
        np.testing.assert_allclose(result.inputs[True].mean_and_std[name][:, 0], 0, atol=0.1)
    source = networks_within_networks.drawing(result.graph).source
    for frame in ("cluster_net3", "cluster_net2", "cluster_net1"):
        assert frame in source
    report_and_figure(networks_within_networks, result, tmp_path)


def test_small_batches_of_two_break_batch_norm_and_not_layer_norm(tmp_path) -> None:
    result = small_batches.run(quick=True, seed=0)
    for kind in ("batch norm, running", "batch norm, population"):
        assert small_batches.mean(result, kind, 2) < 0.7
        assert small_batches.mean(result, kind, 64) > small_batches.mean(result, "none", 64)
    for kind in ("layer norm", "none"):
        assert small_batches.mean(result, kind, 2) > 0.8
    report_and_figure(small_batches, result, tmp_path)


def test_smoothness_batch_norm_makes_the_loss_smoother_and_noise_does_not_hurt(tmp_path) -> None:
    result = smoothness.run(quick=True, seed=0)
    for of, factor in (("range", 4), ("gradient_change", 4), ("beta", 2)):
        with_bn, without = (np.median(smoothness.spread(result, bn, of)) for bn in (True, False))
        assert without > factor * with_bn
    final = {name: values[:, -1].mean() for name, values in result.accuracies.items()}
    assert final["batch norm, then noise"] == pytest.approx(final["with batch norm"], abs=0.03)
    assert final["batch norm, then noise"] > final["without"] + 0.5
    assert result.shifts["batch norm, then noise"] > 0.15
    assert result.shifts["with batch norm"] < 0.01
    report_and_figure(smoothness, result, tmp_path)


def test_convolution_folding_keeps_every_answer_and_batch_norm_learns_faster(tmp_path) -> None:
    result = convolution.run(quick=True, seed=0)
    folded = result.folded
    assert folded.same_answers
    assert folded.accuracies[0] == folded.accuracies[1]
    assert folded.largest_difference < 1e-13
    assert folded.layers == (10, 8)
    final = {kind: one.accuracies[:, -1].mean() for kind, one in result.trained.items()}
    assert final["per channel"] > final["per activation"] > final["none"] + 0.2
    report_and_figure(convolution, result, tmp_path)


def test_bias_is_neutral_to_the_last_digit(tmp_path) -> None:
    result = bias_is_neutral.run(quick=True, seed=0)
    kept, removed, plain = result
    assert (kept.bias_gradient < 1e-14 * kept.weight_gradient).all()
    assert (plain.bias_gradient > 1e-2 * plain.weight_gradient).all()
    assert bias_is_neutral.drift(result).max() < 1e-12
    assert kept.parameters - removed.parameters == 300
    report_and_figure(bias_is_neutral, result, tmp_path)


# The command line


def test_the_command_writes_table_and_figure(tmp_path) -> None:
    out = tmp_path / "saturation.svg"
    ended = subprocess.run(
        [sys.executable, "-m", "examples.saturation", "--quick", "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0
    assert "share of them in [-2, 2]" in ended.stdout
    assert out.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "figure.gif"], "must end in .png, .svg or .pdf"),
        (["--out", "no/such/place.png"], "there is no directory"),
        (["--seed", "-1"], "--seed must be at least 0"),
    ],
)
def test_bad_arguments_are_told_before_anything_is_computed(
    monkeypatch, capsys, arguments, message
) -> None:
    monkeypatch.setattr(sys, "argv", ["saturation", *arguments])
    with pytest.raises(SystemExit) as ended:
        common.main("saturation", "", pytest.fail, pytest.fail, pytest.fail)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_every_experiment_is_in_the_gallery_with_its_figure() -> None:
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "examples").glob("*.py")):
        if path.stem == "common":
            continue
        assert importlib.import_module(f"examples.{path.stem}").__doc__
        assert f"(figures/{path.stem}.png)" in gallery
        assert f"python -m examples.{path.stem} --out docs/figures/{path.stem}.png" in gallery
        assert (ROOT / "docs" / "figures" / f"{path.stem}.png").stat().st_size < 150_000
