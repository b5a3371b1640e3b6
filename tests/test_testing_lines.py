"""The line of a backward pass at which it goes wrong: the right one is named, or none."""

from __future__ import annotations

import os
import random
import re
import sys

import backward_styles as styles
import numpy as np
import pytest
import right_batch_norms as right
from line_mutants import REWRITERS, LineMutant, line_mutants, loaded, rewritten, source_of

from tinygrad_bn.testing import check_batch_norm
from tinygrad_bn.testing.conventions import Subject, layers, pair
from tinygrad_bn.testing.lines import Lines
from tinygrad_bn.testing.lines.locating import locate

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
EPS = 1e-5


def subject_of(implementation) -> Subject:
    if isinstance(implementation, tuple):
        return pair(*implementation, 2)
    return layers(implementation, 2)[0]


def lines_of(implementation) -> Lines:
    return Lines(subject_of(implementation), EPS)


def accused(implementation) -> set[int] | None:
    """Return the lines that are named for what is wrong; None if nothing is, or if it raises."""
    lines = lines_of(implementation)
    with np.errstate(all="ignore"):
        first, second = lines.trials()
        wrong = first.wrong & second.wrong
        if not wrong or first.results is None:
            return None
        named = set()
        for name in sorted(wrong):
            found = locate((first, second), name)
            if found.suspect:
                named |= {found.suspect.place.line, *(s.place.line for s in found.others)}
    return named


def measured(mutants: list[LineMutant], most: int | None) -> tuple[list[LineMutant], list, list]:
    """Return the mutants that are wrong and do not raise; those named right; those named wrong."""
    random.Random(0).shuffle(mutants)
    wrong, named, false = [], [], []
    for mutant in mutants:
        if len(wrong) == most:
            break
        try:
            lines = accused(mutant.load())
        except Exception:  # it raises in the forward, as a class without an attribute does
            continue
        if lines is None:
            continue
        wrong.append(mutant)
        # A sign can be wrong in either of two lines: then both are named.
        if mutant.line in lines and len(lines) <= 2:
            named.append(mutant)
        elif lines:
            false.append(mutant)
    return wrong, named, false


@pytest.mark.parametrize("style", styles.STYLES)
def test_the_line_of_a_single_wrong_token_is_named_and_no_other(style):
    mutants = list(line_mutants(style, *source_of(styles.STYLES[style])))
    wrong, named, false = measured(mutants, None if THOROUGH else 5)
    assert len(wrong) >= 5
    assert len(named) >= 0.95 * len(wrong), [(m.line, m.change) for m in wrong if m not in named]
    assert len(false) <= 0.01 * len(wrong), [(m.line, m.change) for m in false]


REWRITES = [(style, how) for style in styles.STYLES for how in REWRITERS]


def test_no_line_of_a_right_rewrite_is_accused():
    assert len(REWRITES) >= 50
    for style, how in REWRITES if THOROUGH else REWRITES[::4]:
        lines = lines_of(loaded(*rewritten(styles.STYLES[style], how)))
        for trial in lines.trials():
            assert not trial.wrong, (style, how)
        for name in ("dx", "dgamma", "dbeta"):
            assert locate(lines.trials(), name).suspect is None


@pytest.mark.parametrize(("style", "how"), REWRITES if THOROUGH else REWRITES[::11])
def test_names_are_not_needed(style, how):
    """In a rewrite without a name that means anything, too, the line is named, or a rival to it."""
    mutants = list(line_mutants(style, *rewritten(styles.STYLES[style], how)))
    wrong, named, _ = measured(mutants, 25 if THOROUGH else 2)
    assert len(named) >= (0.9 if THOROUGH else 1) * len(wrong)


# --- what is said -----------------------------------------------------------------------------


def line_said(implementation, name="dx"):
    report = check_batch_norm(implementation, examples=20)
    (line,) = [line for v in report.verdicts for line in v.lines if line.property == name]
    assert not line.passed
    return line.where


def mutated(style: str, old: str, new: str):
    source, names = source_of(styles.STYLES[style])
    assert source.count(old) == 1
    return loaded(source.replace(old, new), names), source[: source.index(old)].count("\n") + 1


def test_the_sentence_says_what_it_should_be_by_which_factor_and_what_is_right():
    implementation, line = mutated(
        "class", "dvar = 0.5 * dstd / self.std", "dvar = dstd / self.std"
    )
    where = line_said(implementation)
    assert where.line == line
    text = str(where)
    assert f"line {line}, `dvar = ...`: should be the gradient of line 10's self.var" in text
    assert "it is 2 times that" in text
    assert f"lines 16 to {line - 1} are right" in text
    np.testing.assert_allclose(where.got, 2 * where.expected)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dsqrtvar = -1.0 / (sqrtvar**2) * divar", "dsqrtvar = -1.0 / sqrtvar * divar",
         "it is s times that"),
        ("dsqrtvar = -1.0 / (sqrtvar**2) * divar", "dsqrtvar = 1.0 / (sqrtvar**2) * divar",
         "it has the wrong sign"),
        ("dsq = 1.0 / N * np.ones((N, D)) * dvar", "dsq = np.ones((N, D)) * dvar",
         "it is m times that"),
        ("dxhat = dgammax * gamma", "dxhat = dgammax", "it is 1/gamma times that"),
        ("dvar = 0.5 * 1.0", "dvar = 0 * 1.0", "it is 0"),
    ],
)  # fmt: skip
def test_the_factor_is_said_in_words(old, new, said):
    implementation, line = mutated("staged", old, new)
    where = line_said(implementation)
    assert where.line == line
    assert said in str(where).splitlines()[1]


def test_a_path_left_out_is_at_the_line_where_it_would_be_added():
    implementation, line = mutated("steps", "dx = dxc - dmu / m", "dx = dxc")
    assert line_said(implementation).line == line


def test_the_path_through_mu_in_the_variance_is_zero_and_may_be_left_out():
    implementation, line = mutated("equations", "-1.5, axis=0)", "-1, axis=0)")
    source, names = source_of(implementation)
    short = re.sub(r" \+ dvar \* np.sum\([^)]*\), axis=0\s*\) / m", "", source)
    assert short != source
    where = line_said(loaded(short, names))
    assert where.line == line


def test_two_lines_that_do_not_fit_together_are_both_named():
    implementation, line = mutated("steps", "dx = dxc - dmu / m", "dx = dxc + dmu / m")
    where = line_said(implementation)
    assert where.line == line
    assert f"or it is line {line - 1}, `dmu = ...`, that has the wrong sign" in str(where)


def test_a_value_of_the_cache_returned_in_the_place_of_dx_is_not_at_the_cache():
    source, names = source_of((right.buffered_forward, right.in_place_backward))
    source = source.replace("x_hat", "z").replace("return dx,", "return z,")
    where = line_said(loaded(source, names))
    assert where.line == 1 + source[: source.index("return z,")].count("\n")


def test_a_size_returned_in_the_place_of_dx_is_at_the_return():
    source, names = source_of(styles.STYLES["inverse"])
    mutant = next(m for m in line_mutants("inverse", source, names) if m.change == "dx -> N")
    assert accused(mutant.load()) == {mutant.line}


def test_helpers_and_methods_are_followed_and_the_other_layout_is_known():
    def spatial_backward(dout, cache):
        n, c, h, w = dout.shape
        rows = dout.transpose(0, 2, 3, 1).reshape(-1, c)
        dx, dgamma, dbeta = flat_backward(rows, cache)
        return dx.reshape(n, h, w, c).transpose(0, 3, 1, 2), dgamma, dbeta

    def flat_backward(dout, cache):
        xhat, gamma, xmu, ivar, *_ = cache
        dxhat = dout * gamma
        first = dxhat.mean(axis=0)
        second = (dxhat * xmu).mean(axis=0)  # for xhat
        return (dxhat - first - xhat * second) * ivar, (dout * xhat).sum(0), dout.sum(0)

    report = check_batch_norm((right.spatial_batchnorm_forward, spatial_backward), examples=20)
    (where,) = [line.where for line in report.verdicts[0].lines if not line.passed]
    assert where.file == __file__
    with open(__file__) as file:
        assert "for xhat" in file.read().splitlines()[where.line - 1]


def test_the_users_functions_and_the_profiler_are_as_before():
    forward, backward = mutated("staged", "dxhat = dgammax * gamma", "dxhat = dgammax")[0]
    before = forward.__code__, backward.__code__, dict(backward.__globals__)

    def profiler(*_):
        return None

    sys.setprofile(profiler)
    try:
        check_batch_norm((forward, backward), examples=20)
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert (forward.__code__, backward.__code__) == before[:2]
    assert backward.__globals__.keys() == before[2].keys()


def test_without_a_source_no_line_is_named():
    namespace = {"np": np}
    source, names = source_of(styles.STYLES["compact"])
    exec(compile(source.replace("m * dout - dbeta", "m * dout"), "<nowhere>", "exec"), namespace)
    assert line_said(tuple(namespace[name] for name in names)) is None
