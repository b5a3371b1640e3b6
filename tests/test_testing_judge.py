"""check_batch_norm: no false alarm, and a report that is true."""

from __future__ import annotations

import time

import numpy as np
import pytest
import right_batch_norms as right
from mutants import mutant

from tinygrad_bn.testing import Report, check_batch_norm
from tinygrad_bn.testing.calls import Caller
from tinygrad_bn.testing.catalogue import CATALOGUE
from tinygrad_bn.testing.conventions import NothingToJudgeError, find
from tinygrad_bn.testing.judge import check, judge
from tinygrad_bn.testing.report import Line

MISTAKES = {row.name: row for row in CATALOGUE}
IMPLEMENTATIONS = {
    **{pair[0].__name__: pair for pair in right.PAIRS},
    **{kind.__name__: kind for kind in right.CLASSES},
}


def wrong_lines(report: Report) -> dict[str, Line]:
    return {
        line.property: line
        for verdict in report.verdicts
        for line in verdict.lines
        if not line.passed
    }


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
def test_right_implementations_in_every_style_are_found_right(implementation):
    start = time.process_time()
    report = check_batch_norm(implementation, seed=1, examples=150)
    assert report.ok, report
    assert report.exit_code == 0
    assert time.process_time() - start < 10


def test_only_what_cannot_be_recorded_is_differentiated_numerically():
    numerical = {
        name
        for name, implementation in IMPLEMENTATIONS.items()
        if "numerically" in str(check_batch_norm(implementation, examples=1))
    }
    assert numerical == {"buffered_forward"}


def test_a_gradient_lost_without_an_error_is_noticed_and_taken_numerically():
    def forward(x, gamma, beta, eps=1e-5):
        mu = np.array([float(m) for m in x.mean(axis=0)])  # float() records nothing
        s = np.sqrt(((x - mu) ** 2).mean(axis=0) + eps)
        return gamma * (x - mu) / s + beta, ((x - mu) / s, s, gamma)

    report = check_batch_norm((forward, right.in_place_backward), examples=40)
    assert report.ok, report
    assert "float(x) would lose it" in str(report)


@pytest.mark.parametrize("eps", [1e-8, 1e-6, 1e-3, 0.1])
def test_the_eps_of_the_forward_is_found(eps):
    def forward(x, gamma, beta):
        return right.paper_forward(x, gamma, beta, eps)

    report = check_batch_norm((forward, right.paper_backward), examples=20)
    assert report.ok, report
    assert f"the transform, with eps = {eps:g}\n" in str(report)


def test_both_conventions_of_running_statistics_are_recognised():
    book = str(check_batch_norm(right.BatchNormalization, examples=5))
    pytorch = str(check_batch_norm(right.BatchNorm2d, examples=5))
    assert "keep 0.9 of the old, and take the biased variance" in book
    assert "keep 0.9 of the old, and take the unbiased variance" in pytorch


# One mistake of every kind that the judge looks at, and the property that it breaks.
KINDS = {
    "eps forgotten": "forward",
    "path through the variance dropped": "dx",
    "dgamma averaged": "dgamma",
    "dbeta with gamma": "dbeta",
    "dgamma kept dimensions": "shapes and dtypes",
    "x centred in place": "inputs unchanged",
    "dy overwritten by dx": "inputs unchanged",
    "stale: the latest batch": "its own cache",
    "cache spent: dy added up": "its own cache",
    "running variance corrected upside down": "running statistics",
    "test mode: batch statistics": "test mode",
    "reshaped without transposing": "forward",
    "batch size is N": "dx",
}


@pytest.mark.parametrize("name", KINDS)
def test_a_mistake_breaks_one_property_is_named_and_its_counterexample_reproduces(name):
    subject = mutant(MISTAKES[name])
    verdict = judge(subject, Caller(5, 60), 60, 0)
    wrong = [line for line in verdict.lines if not line.passed]
    assert [line.property for line in wrong] == [KINDS[name]], verdict
    assert wrong[0].mistake is MISTAKES[name]
    with pytest.raises(AssertionError), np.errstate(all="ignore"):
        exec(wrong[0].counterexample, dict(subject.things))


def test_counterexamples_are_small_and_of_round_numbers():
    verdict = judge(mutant(MISTAKES["sign of dvar"]), Caller(5, 60), 60, 0)
    code = next(line for line in verdict.lines if not line.passed).counterexample
    assert "x = np.array([[0.0], [1.0], [0.0]])" in code or "x = np.array([[0.0], [0.0]" in code
    assert "gamma = np.array([1.0])" in code


def test_mistakes_that_are_in_no_catalogue_are_found_but_not_named():
    def backward(dout, cache):
        dx, dgamma, dbeta = right.compact_backward(dout, cache)
        return dx * 1.001, dgamma, dbeta

    lines = wrong_lines(check_batch_norm((right.compact_forward, backward), examples=20))
    assert set(lines) == {"dx"}
    assert lines["dx"].mistake is None
    assert "no known mistake matches" in str(lines["dx"])


def test_two_mistakes_at_once_are_both_named():
    def backward(dout, cache):
        dx, dgamma, dbeta = right.compact_backward(dout, cache)
        return dx - cache["scale"] * 0, dgamma / len(dout), -dbeta

    lines = wrong_lines(check_batch_norm((right.compact_forward, backward), examples=20))
    assert {name: line.mistake.name for name, line in lines.items()} == {
        "dgamma": "dgamma averaged",
        "dbeta": "dbeta sign",
    }


def test_a_wrong_forward_with_the_backward_of_the_right_one_is_put_down_to_the_forward():
    def forward(x, gamma, beta, eps=1e-5):
        s = np.sqrt(x.var(axis=0, ddof=1) + eps)
        x_hat = (x - x.mean(axis=0)) / s
        return gamma * x_hat + beta, (x_hat, s, gamma)

    report = check_batch_norm((forward, right.einsum_backward), examples=20)
    lines = wrong_lines(report)
    assert set(lines) == {"forward"}
    assert lines["forward"].mistake.name == "unbiased variance"
    assert "note: dx does not fit this forward; put the forward right first" in str(report)


def test_next_to_a_wrong_forward_a_known_mistake_of_the_backward_is_certain():
    def forward(x, gamma, beta, eps=1e-5):
        s = np.sqrt(x.var(axis=0, ddof=1) + eps)
        x_hat = (x - x.mean(axis=0)) / s
        return gamma * x_hat + beta, (x_hat, s, gamma)

    def backward(dout, cache):
        dx, dgamma, dbeta = right.einsum_backward(dout, cache)
        return dx, dgamma, dbeta / len(dout)

    lines = wrong_lines(check_batch_norm((forward, backward), examples=20))
    assert set(lines) == {"forward", "dbeta"}
    assert lines["dbeta"].mistake.name == "dbeta averaged"


def test_a_mistake_of_the_forward_is_reported_once_for_all_backwards():
    def batchnorm_forward(x, gamma, beta, eps=1e-5):
        return gamma * x / np.sqrt(x.var(0) + eps) + beta, (x, gamma)

    def batchnorm_backward(dout, cache):
        return None

    def batchnorm_backward_alt(dout, cache):
        return None

    names = batchnorm_forward, batchnorm_backward, batchnorm_backward_alt
    found = find({f.__name__: f for f in names} | {"__name__": __name__})
    report = check(found, Caller(5, 60), 20, 0)
    assert str(report).count("WRONG") == 1
    assert str(report).count("wrong: forward (as reported above)") == 1
    assert [verdict.ok for verdict in report.verdicts] == [False, False]
    assert report.exit_code == 1


def test_expected_and_got_are_shown_with_enough_digits_to_differ():
    def backward(dout, cache):
        dx, dgamma, dbeta = right.compact_backward(dout, cache)
        return dx, dgamma, dbeta * (1 + 1e-9)

    line = wrong_lines(check_batch_norm((right.compact_forward, backward), examples=20))["dbeta"]
    expected, got = line.text.split("expected ")[1].split("got      ")
    assert expected.strip() != got.split("(")[0].strip()


def test_their_exception_is_told_with_their_line_and_our_call():
    def backward(dout, cache):
        return dout / undefined, None, None  # noqa: F821

    lines = wrong_lines(check_batch_norm((right.compact_forward, backward), examples=5))
    text = lines["dx"].text
    assert "your code raised NameError: name 'undefined' is not defined" in text
    assert "in backward: return dout / undefined" in text
    assert "called as: dx, dgamma, dbeta = backward(dout, cache)" in text


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        ((np.ones((9, 9)),) * 3, "dx has shape (9, 9)"),
        (([], [], []), "is of type list, not an array"),
        ((np.ones(1, int),) * 3, "has dtype int64, not a floating-point one"),
    ],
)
def test_results_of_the_wrong_kind_are_told(returned, sentence):
    report = check_batch_norm((right.compact_forward, lambda dout, cache: returned), examples=5)
    assert sentence in str(report)
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [((1, 2), "it returned 2 values"), (np.ones(3), "it returned ndarray of shape (3,)")],
)
def test_results_that_are_not_understood_are_not_called_wrong(returned, sentence):
    report = check_batch_norm((right.compact_forward, lambda dout, cache: returned), examples=5)
    assert sentence in str(report)
    assert "the gradients: cannot be judged" in str(report)
    assert "--adapter" in str(report)
    assert report.exit_code == 2


def test_a_loop_without_end_is_stopped_and_told():
    def backward(dout, cache):
        while True:
            pass

    start = time.monotonic()
    report = check_batch_norm((right.compact_forward, backward), seconds_per_call=0.2)
    assert time.monotonic() - start < 60  # without the limit, it would take longer
    assert report.exit_code == 2
    assert "did not return within 0.2 seconds: dx, dgamma, dbeta = backward" in str(report)
    assert "could not be judged" in str(report)


def test_the_limit_for_the_whole_holds():
    def slow_backward(dout, cache):
        time.sleep(0.05)
        return right.compact_backward(dout, cache)

    start = time.monotonic()
    report = check_batch_norm((right.compact_forward, slow_backward), seconds=0.5)
    assert time.monotonic() - start < 60  # without the limit, it would take longer
    assert report.exit_code == 2
    assert "the 0.5 seconds for the whole check were over" in str(report)


def test_what_their_code_prints_does_not_show(capsys):
    def backward(dout, cache):
        print("debugging", dout)
        return right.compact_backward(dout, cache)

    assert check_batch_norm((right.compact_forward, backward), examples=3)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("implementation", "sentence"),
    [
        (3, "give (forward, backward) or a class, not int"),
        (
            (lambda x, gamma, beta, bn_param, c: x, right.compact_backward),
            "also needs c, whose meaning the judge does not know",
        ),
        (int, "the class int has no method forward"),
    ],
)
def test_what_cannot_be_judged_is_a_sentence(implementation, sentence):
    with pytest.raises(ValueError, match="check_batch_norm") as error:
        check_batch_norm(implementation)
    assert sentence in str(error.value)


def test_every_backward_of_a_file_is_found_and_every_norm_is_judged_as_what_it_is():
    def forward(x, gamma, beta, bn_param):
        raise NotImplementedError

    def backward(dout, cache):
        raise NotImplementedError

    names = ["batchnorm", "layernorm", "spatial_batchnorm", "my_bn"]
    namespace = {f"{n}_{d.__name__}": d for n in names for d in (forward, backward)}
    namespace["batchnorm_backward_alt"] = backward
    found = [(", ".join(s.names), s.ndim, s.norm.name) for s in find(namespace).subjects]
    assert found == [
        ("batchnorm_forward, batchnorm_backward", 2, "batch norm"),
        ("batchnorm_forward, batchnorm_backward_alt", 2, "batch norm"),
        ("layernorm_forward, layernorm_backward", 2, "layer norm"),
        ("spatial_batchnorm_forward, spatial_batchnorm_backward", 4, "batch norm"),
        ("my_bn_forward, my_bn_backward", 2, "batch norm"),
    ]
    chosen = find(namespace, "batchnorm_backward_alt")
    assert [s.names[1] for s in chosen.subjects] == ["batchnorm_backward_alt"]
    assert "my_bn_forward, my_bn_backward" in chosen.others
    with pytest.raises(NothingToJudgeError, match="nothing is called 'other'"):
        find(namespace, "other")


# What is not written yet


def forward_of_a_course(x, gamma, beta, bn_param):
    out, cache = None, None
    if bn_param["mode"] == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        s = np.sqrt(var + bn_param.get("eps", 1e-5))
        x_hat = (x - mean) / s
        out, cache = gamma * x_hat + beta, (x_hat, gamma, s)
        for name, new in (("running_mean", mean), ("running_var", var)):
            bn_param[name] = (
                bn_param["momentum"] * bn_param[name] + (1 - bn_param["momentum"]) * new
            )
    return out, cache


def backward_of_a_course(dout, cache):
    x_hat, gamma, s = cache
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    return gamma / s * (dout - dbeta / len(dout) - x_hat * dgamma / len(dout)), dgamma, dbeta


def raises(dout, cache):
    raise NotImplementedError("your code here")


UNWRITTEN = {
    "None": lambda dout, cache: None,
    "a tuple of None": lambda dout, cache: (None, None, None),
    "one None": lambda dout, cache: (None, *backward_of_a_course(dout, cache)[1:]),
    "NotImplementedError": raises,
}


@pytest.mark.parametrize("backward", UNWRITTEN.values(), ids=UNWRITTEN)
def test_a_backward_that_is_not_written_yet_is_no_mistake_and_the_forward_is_judged(backward):
    report = check_batch_norm((forward_of_a_course, backward), examples=20)
    (verdict,) = report.verdicts
    assert report
    assert report.exit_code == 0
    assert {line.property for line in verdict.lines} >= {"forward", "running statistics"}
    assert not {line.property for line in verdict.lines} & {"dx", "dgamma", "dbeta", "test mode"}
    assert "the backward is not written yet" in str(report)
    assert "the test mode is not written yet" in str(report)
    assert "right, as far as it is written" in str(report)


@pytest.mark.parametrize(
    "forward",
    [
        lambda x, gamma, beta: None,
        lambda x, gamma, beta: (None, None),
        lambda x, gamma, beta: raises(x, gamma),
    ],
)
def test_where_nothing_is_written_nothing_is_right_or_wrong(forward):
    report = check_batch_norm((forward, UNWRITTEN["None"]), examples=20)
    assert report.exit_code == 2
    assert not report.verdicts[0].lines
    assert "not written yet" in str(report)


def test_a_mistake_in_a_forward_is_found_although_the_backward_is_missing():
    def unbiased(x, gamma, beta, eps):
        return gamma * (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + eps) + beta, ()

    def not_yet(dout, cache):
        return None

    report = check_batch_norm((unbiased, not_yet), examples=40)
    assert report.exit_code == 1
    assert [line.property for line in report.verdicts[0].lines if not line.passed] == ["forward"]


def test_a_class_whose_backward_is_missing_is_judged_by_its_forward():
    class Layer:
        def __init__(self, gamma, beta):
            self.gamma, self.beta = gamma, beta

        def forward(self, x):
            return self.gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + self.beta

        def backward(self, dout):
            pass

    report = check_batch_norm(Layer, ndim=2, examples=20)
    assert report
    assert "the backward is not written yet" in str(report)
