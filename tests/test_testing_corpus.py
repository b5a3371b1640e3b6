"""The corpus: implementations as people write them, right and wrong, are judged rightly, unaided.

The table says what each is. Mistakes are planted in the right ones. The truth does not come from
the judge: each label is also checked against derivatives by complex steps of the formulas.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from corpus_table import CORPUS, FILES, HELPERS, JUDGED, PLANTED, RIGHT

from tinygrad_bn.testing import judge, worker
from tinygrad_bn.testing.calls import Caller
from tinygrad_bn.testing.conventions import NothingToJudgeError, find
from tinygrad_bn.testing.loading import load, load_definitions


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    """Let what a file imports and changes be forgotten after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # The smallest failing case and the diagnosis are tested elsewhere.
    monkeypatch.setattr(judge.Court, "_smallest", lambda court, name, seed: court.failed[name])
    monkeypatch.setattr(judge.Court, "diagnosis", lambda court, name: None)
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        home = getattr(sys.modules[name], "__file__", None) or ""
        if not home.startswith(sys.prefix):
            del sys.modules[name]


def conclusions(path: Path, examples: int = 8) -> list[str]:
    answer = worker.answer(str(path), None, None, examples, 0, 60.0, 5.0, doing="/dev/null")
    text = answer.get("text", "")
    ends = [line.rpartition(" (")[0].strip() for line in text.splitlines() if "examples)" in line]
    return ends or [answer["error"]]


@pytest.mark.parametrize("name", FILES)
def test_every_implementation_is_judged_rightly(name):
    assert conclusions(CORPUS / name) == FILES[name]


def copy_with(tmp_path: Path, name: str, old: str, new: str) -> Path:
    """Copy the corpus's part with `name` in it, and plant a mistake."""
    top = name.partition("/")[0]
    if top != name:
        shutil.copytree(CORPUS / top, tmp_path / top)
    source = (CORPUS / name).read_text()
    assert old in source
    at = tmp_path / name
    at.write_text(
        source.replace(old, new, 1)
        if name != "course_complete.py"
        else new.join(source.rsplit(old, 1))
    )
    return tmp_path / JUDGED.get(name, name)


def wrong_of(conclusion: str) -> set[str]:
    return set(conclusion.removeprefix("wrong: ").split(", ")) if "wrong: " in conclusion else set()


@pytest.mark.parametrize(("name", "old", "new", "wrong"), PLANTED)
def test_every_planted_mistake_is_found_where_it_is(tmp_path, name, old, new, wrong):
    path = copy_with(tmp_path, name, old, new)
    found = set().union(*map(wrong_of, conclusions(path, 12)))
    assert found & {*wrong.split(", ")} == {*wrong.split(", ")}
    if wrong != "forward":
        assert found == {*wrong.split(", ")}


# The labels themselves


def normalized(x, gamma, beta, norm):
    """Compute each norm from its definition; also for complex x."""
    if norm.over == "group":
        groups = 2 - x.shape[1] % 2
        values, axis = x.reshape(x.shape[0], groups, -1), 2
    else:
        axis = (0, *range(2, x.ndim)) if norm.over == "batch" else 1
        values = x
    centred = values - values.mean(axis=axis, keepdims=True) * norm.centred
    hat = centred / np.sqrt((centred * centred).mean(axis=axis, keepdims=True))
    shape = (1, -1, *[1] * (x.ndim - 2))
    return gamma.reshape(shape) * hat.reshape(x.shape) + beta.reshape(shape) * norm.shifted


def by_complex_steps(function, arrays, w):
    gradients = []
    for i, array in enumerate(arrays):
        gradient = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            moved = [a.astype(complex) for a in arrays]
            moved[i][place] += 1e-30j
            gradient[place] = np.sum(w * function(*moved)).imag / 1e-30
        gradients.append(gradient)
    return gradients


def off(subject) -> set[str]:
    """Return which results of a subject differ from the definitions, where eps does not matter."""
    rng = np.random.default_rng(5)
    shape = {2: (5, 3), 4: (2, 4, 3, 2)}[subject.ndim]
    x, dy = rng.normal(50.0, 300.0, shape), rng.normal(size=shape)
    gamma, beta = rng.uniform(0.5, 2.0, shape[1]), rng.uniform(-2.0, -0.5, shape[1])
    running = np.zeros(shape[1]), np.ones(shape[1])

    def function(*inputs):
        return normalized(*inputs, subject.norm)

    expected = dict(
        zip(
            ("dx", "dgamma", "dbeta"), by_complex_steps(function, (x, gamma, beta), dy), strict=True
        )
    )
    expected["forward"] = function(x, gamma, beta)
    session = subject.session(Caller(5, 60), gamma, beta, running)
    got = {"forward": session.train(x)}
    if subject.has_backward:
        got |= session.backward(dy)
    return {
        name
        for name, value in got.items()
        if not np.allclose(
            value, expected[name], rtol=1e-4, atol=1e-5 * np.abs(expected[name]).max()
        )
    }


def subjects_of(path: Path):
    try:
        namespace = load(path).namespace
    except Exception:
        namespace = load_definitions(path).namespace
    return find(namespace).subjects


@pytest.mark.parametrize("name", [n for n, told in FILES.items() if told == [RIGHT] * len(told)])
def test_what_is_labelled_right_is_right_by_complex_steps(name):
    subjects = subjects_of(CORPUS / name)
    assert [off(subject) for subject in subjects] == [set()] * len(FILES[name])


@pytest.mark.parametrize(("name", "old", "new", "wrong"), PLANTED)
def test_what_is_labelled_wrong_is_wrong_by_complex_steps(tmp_path, name, old, new, wrong):
    found = set().union(*map(off, subjects_of(copy_with(tmp_path, name, old, new))))
    labels = {*wrong.split(", ")} & {"forward", "dx", "dgamma", "dbeta"}
    if "eps" in new and wrong == "forward":
        return  # an eps in the wrong place does not matter where eps does not matter
    assert labels <= found
    assert found == labels or "forward" in labels


@pytest.mark.parametrize("name", sorted(HELPERS))
def test_where_there_is_no_norm_it_is_said(name):
    (told,) = conclusions(CORPUS / name)
    if name == "affine_only.py":
        assert "no norm was recognised" in told
        assert "Affine is not a batch norm" in told
        assert "Relu is not a batch norm" in told
    else:
        assert "cannot be imported: ModuleNotFoundError: No module named 'framework_of" in told


def test_an_affine_layer_that_is_called_batch_norm_is_told_from_one():
    answer = worker.answer(
        str(CORPUS / "scale_and_shift_called_bn.py"), None, None, 8, 0, 60.0, 5.0, "/dev/null"
    )
    assert "not a batch norm: this is an affine layer" in answer["text"]


def test_an_affine_layer_of_another_name_is_said_to_be_one():
    class Scale:
        def __init__(self, n):
            self.gamma, self.beta = np.ones(n), np.zeros(n)

        def forward(self, x):
            return self.gamma * x + self.beta

        def backward(self, dout):
            return self.gamma * dout

    with pytest.raises(NothingToJudgeError, match="Scale is an affine layer"):
        find({"Scale": Scale})


def test_the_corpus_is_large_enough():
    implementations = sum(map(len, FILES.values())) + len(PLANTED)
    assert implementations >= 60
