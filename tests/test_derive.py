"""derive finds the closed forms of the textbooks, and proves what is equal to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_bn as tg
from tinygrad_bn import closed_form
from tinygrad_bn.cli import main
from tinygrad_bn.rewrite import Derivation
from tinygrad_bn.testing.strategies import ComposedFunction, functions

RNG = np.random.default_rng(0)
X, G, B = RNG.normal(size=(6, 3)), RNG.normal(size=3), RNG.normal(size=3)
IMAGES = RNG.normal(size=(5, 3, 2, 4))
LABELS = np.array([0, 2, 1, 1, 0, 2])


def rms_norm(x: Any, g: Any) -> Any:
    r = np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-6)
    return x / r * g


def by_hand(x: Any, g: Any, b: Any) -> Any:
    mu = x.mean(axis=0)
    v = ((x - mu) ** 2).mean(axis=0)
    xh = (x - mu) / np.sqrt(v + 1e-5)
    return g * xh + b


def with_inverse_std(x: Any, g: Any, b: Any) -> Any:
    xc = x - np.mean(x, axis=0)
    istd = 1 / np.sqrt(np.mean(xc**2, axis=0) + 1e-5)
    return g * (xc * istd) + b


def in_one_line(x: Any, g: Any) -> Any:
    return g * (x - np.mean(x, axis=0)) * (np.var(x, axis=0) + 1e-5) ** -0.5


def cross_entropy(z: Any, t: Any) -> Any:
    return tg.nn.cross_entropy(z, t)


def softmax_cross_entropy(z: Any, t: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -(t * np.log(p)).sum() / z.shape[0]


def log_sum_exp_loss(z: Any, t: Any) -> Any:
    largest = z.max(axis=1)
    shifted = z - largest[:, None]
    total = np.log(np.exp(shifted).sum(axis=1)) + largest
    return (total - (t * z).sum(axis=1)).mean()


def stable_loss_of_a_free_target(z: Any, t: Any) -> Any:
    shifted = z - z.max(axis=1, keepdims=True)
    return (np.log(np.exp(shifted).sum(axis=1)) - (t * shifted).sum(axis=1)).mean()


def binary_cross_entropy(z: Any, t: Any) -> Any:
    p = tg.sigmoid(z)
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()


def attention(q: Any, k: Any, v: Any) -> Any:
    e = np.exp(q @ k.T)
    return (e / e.sum(axis=1, keepdims=True)) @ v


def linear_mse(x: Any, w: Any, t: Any) -> Any:
    r = x @ w - t
    return (r**2).mean()


def l2_normalized(x: Any) -> Any:
    return x / np.sqrt((x**2).sum(axis=1, keepdims=True))


def standardized(x: Any, mu: Any, v: Any) -> Any:
    return (x - mu) / np.sqrt(v + 1e-5)


def group_norm(x: Any) -> Any:
    m, c, length = x.shape
    z = x.reshape(m, 2, c // 2 * length)
    mu = z.mean(axis=2, keepdims=True)
    v = ((z - mu) ** 2).mean(axis=2, keepdims=True)
    return ((z - mu) / np.sqrt(v + 1e-5)).reshape(x.shape)


COMPACT = "gamma / (m std) (m dy - Σ[dy] - x_hat Σ[dy x_hat])"
FORMULAS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = {
    "batch norm, x": (tg.batch_norm, (X, G, B), {}, COMPACT),
    "batch norm, gamma": (tg.batch_norm, (X, G, B), {"wrt": "gamma"}, "Σ[dy x_hat]"),
    "batch norm, beta": (tg.batch_norm, (X, G, B), {"wrt": 2}, "Σ[dy]"),
    "batch norm of images": (
        tg.batch_norm, (IMAGES, G, B), {},
        "gamma / (m h w std) (m h w dy - Σ[dy] - x_hat Σ[dy x_hat])",
    ),
    "batch norm, double backward by dy": (
        tg.batch_norm, (X, G, B), {"wrt": "dy", "order": 2},
        "gamma / (m std) (m ddx - Σ[ddx] - x_hat Σ[ddx x_hat])",
    ),
    "batch norm, double backward by x": (
        tg.batch_norm, (X, G, B), {"order": 2},
        "gamma / (m^2 std^2) (Σ[dy] Σ[ddx x_hat] + Σ[ddx] Σ[dy x_hat] + x_hat Σ[dy] Σ[ddx] "
        "+ 3 x_hat Σ[dy x_hat] Σ[ddx x_hat] - m dy Σ[ddx x_hat] - m ddx Σ[dy x_hat] "
        "- m x_hat Σ[dy ddx])",
    ),
    "layer norm": (
        tg.layer_norm, (X, G, B), {},
        "1 / (n std) (n gamma dy - Σ[gamma dy] - x_hat Σ[gamma dy x_hat])",
    ),
    "RMS norm": (rms_norm, (X, G), {}, "1 / (n r) (n g dy - x_hat Σ[g dy x_hat])"),
    "batch norm by hand": (
        by_hand, (X, G, B), {}, "g / (m s) (m dy - Σ[dy] - xh Σ[dy xh])",
    ),
    "batch norm with an inverse std": (
        with_inverse_std, (X, G, B), {}, "g / (m s) (m dy - Σ[dy] - x_hat Σ[dy x_hat])",
    ),
    "standardizing with population statistics": (
        standardized, (X, B, G**2), {}, "dy / s",
    ),
    "cross entropy": (cross_entropy, (X, LABELS), {}, "dloss / m (p - onehot(t))"),
    "softmax and cross entropy": (
        softmax_cross_entropy, (X, np.abs(X)), {}, "dy / m (p Σ[t] - t)",
    ),
    "log-sum-exp, a free target": (log_sum_exp_loss, (X, np.abs(X)), {}, "dy / m (p - t)"),
    # the largest logit is subtracted: (Σ t - 1) is left there, shared by those that are largest
    "stable cross entropy, a free target": (
        stable_loss_of_a_free_target, (X, np.abs(X)), {},
        "dy / (m sum_2) (sum_2 p + [z - max = 0] Σ[t] - [z - max = 0] - sum_2 t)",
    ),
    "attention": (
        attention, (X, X[:4] + 1, X[:4, :2]), {},
        "Σm2[k v_2 Σn2[v dy]] - Σm2[v_2 Σn2[v dy]] Σm2[k v_2]",
    ),
    "binary cross entropy": (
        binary_cross_entropy, (X[:, 0], np.abs(X[:, 0]) / 4), {}, "dy / m (p - t)",
    ),
    "mean squared error, x": (
        linear_mse, (X, X[:3, :2], X[:, :2]), {}, "2 dy Σ[w r] / (m n2)",
    ),
    "mean squared error, w": (
        linear_mse, (X, X[:3, :2], X[:, :2]), {"wrt": "w"}, "2 dy Σ[x r] / (m n2)",
    ),
    "L2 normalization": (l2_normalized, (X,), {}, "1 / s (dy - x_hat Σ[dy x_hat])"),
    "group norm": (
        group_norm, (RNG.normal(size=(3, 4, 5)),), {},
        "1 / (c l s) (c l dy - 2 Σ[dy] - 2 x_hat Σ[dy x_hat])",
    ),
}  # fmt: skip


def derived(name: str) -> Derivation:
    f, args, options, _ = FORMULAS[name]
    return tg.derive(f, *args, **options)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_formula_is_that_of_the_textbooks(name: str) -> None:
    found = derived(name)
    assert found.formula == FORMULAS[name][-1]
    assert found.steps[-1].formula == found.formula
    assert found.steps[-1].name == found.name


@pytest.mark.parametrize("name", FORMULAS)
def test_both_sides_of_each_step_agree(name: str) -> None:
    found = derived(name)
    assert all(step.law and step.formula and step.latex for step in found.steps)
    assert max(step.error for step in found.steps) <= 1e-12


def rows_of(x: Any, m: int, rng: np.random.Generator) -> Any:
    """Draw an array like `x`, with m examples in place of its own."""
    shape = (m, *x.shape[1:])
    if x.dtype.kind == "i":
        return rng.integers(0, 3, shape)
    return np.asarray(rng.uniform(0.2, 1.2, shape) if (x >= 0).all() else rng.normal(size=shape))


BATCHED = {"x", "z", "t", "q", "dy", "ddx", "y"}


@pytest.mark.parametrize("name", FORMULAS)
@settings(max_examples=settings.default.max_examples // 5)  # of each of 18 functions
@given(m=st.integers(2, 9), seed=st.integers(0, 2**32 - 1))
def test_the_program_computes_the_gradient_of_other_batches(name: str, m: int, seed: int) -> None:
    if name not in DERIVED:
        DERIVED[name] = derived(name)
    found, rng = DERIVED[name], np.random.default_rng(seed)
    inputs = []
    for x, example in zip(found.recorded.inputs, found.recorded.examples, strict=True):
        batched = x.name in BATCHED and np.ndim(example) > 0
        drawn = rows_of(np.asarray(example), m, rng) if batched else rng.uniform(0.2, 2, x.shape)
        inputs.append(np.asarray(drawn, x.dtype))
    expected, got = found.recorded(*inputs), found.program(*inputs)
    assert got.shape == expected.shape
    largest = np.max(np.abs(expected), initial=1.0) + np.max(np.abs(inputs[-1]), initial=0)
    # about 40 roundings a number on either side, in sums of at most 9 x 8 terms, at std > 0.003
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10 * largest)


DERIVED: dict[str, Derivation] = {}


@given(f=functions())
def test_any_function_has_a_derivation_that_computes_its_gradient(f: ComposedFunction) -> None:
    args = f.inputs(6)
    program = tg.trace(f, *args)
    found = tg.derive(f, *args)
    dy = np.random.default_rng(1).normal(size=program(*args).shape)
    expected, got = found.recorded(*args, dy), found.program(*args, dy)
    assert got.shape == expected.shape
    largest = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * largest)
    assert found.proves(found.recorded).verdict != "not equal"


@settings(max_examples=settings.default.max_examples // 3)
@given(
    m=st.integers(2, 12), d=st.integers(1, 4), offset=st.sampled_from([0.0, 1.0, 1e3]),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_the_program_keeps_the_bound_of_the_closed_form(
    m: int, d: int, offset: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, dy = offset + rng.normal(size=(m, d)), rng.normal(size=(m, d))
    gamma, beta = rng.normal(size=d), rng.normal(size=d)
    found = tg.derive(tg.batch_norm, x, gamma, beta)
    _, cache = closed_form.forward(x, gamma, beta)
    difference = np.abs(found.program(x, gamma, beta, dy) - found.recorded(x, gamma, beta, dy))
    assert (difference <= 2 * closed_form.error_bound(dy, cache).dx).all()


# --- proofs ---------------------------------------------------------------------------------

ALL_THREE = ("paper", "steps", "compact")


@pytest.mark.parametrize("which", ALL_THREE)
@pytest.mark.parametrize("wrt", ["x", "gamma", "beta"])
def test_the_closed_forms_are_proved(which: str, wrt: str) -> None:
    backward = getattr(closed_form, f"backward_{which}")

    def g(x: Any, gamma: Any, beta: Any, dy: Any) -> Any:
        return backward(dy, closed_form.forward(x, gamma, beta)[1])

    proof = tg.derive(tg.batch_norm, X, G, B, wrt=wrt).proves(g)
    assert proof
    assert proof.difference == "0"


def test_the_double_backward_in_closed_form_is_proved() -> None:
    def g(*inputs: Any) -> Any:
        x, gamma, beta, dy, ddx = inputs
        return closed_form.double_backward(ddx, dy, closed_form.forward(x, gamma, beta)[1])

    assert tg.derive(tg.batch_norm, X, G, B, order=2).proves(lambda *a: g(*a).dx)
    assert tg.derive(tg.batch_norm, X, G, B, order=2, wrt="dy").proves(lambda *a: g(*a).ddy)


@given(m=st.integers(2, 9), d=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_the_double_backward_is_the_gradient_of_the_gradient(m: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, dy, ddx = rng.normal(size=(3, m, d))
    gamma, beta = rng.normal(size=(2, d))
    leaves = [tg.Tensor(v, requires_grad=True) for v in (x, gamma, dy)]
    y = tg.batch_norm(leaves[0], leaves[1], beta)
    (dx,) = tg.grad(y, leaves[:1], leaves[2], create_graph=True)
    expected = tg.grad((dx * ddx).sum(), leaves)
    _, cache = closed_form.forward(x, gamma, beta)
    found = closed_form.double_backward(ddx, dy, cache)
    std = float(cache.std.min())
    size = (1 + np.abs(gamma).max()) * (1 + np.abs(dy).max()) * (1 + np.abs(ddx).max())
    for got, want in zip(found, expected, strict=True):
        # each is a sum of fewer than 8 terms of at most m^2 `size` / std^2
        tolerance = 64 * m * np.finfo(float).eps * size * m**2 / min(std, 1) ** 2
        np.testing.assert_allclose(got, want.data, rtol=0, atol=tolerance)


def rewritten(x: Any, gamma: Any, dy: Any) -> Any:
    v = (x**2).mean(axis=0) - x.mean(axis=0) ** 2
    s = (v + 1e-5) ** -0.5
    c = x - x.mean(axis=0)
    return gamma * s * (dy - dy.mean(axis=0) - c * s**2 * (dy * c).mean(axis=0))


def with_a_different_order(dy: Any, x: Any, gamma: Any) -> Any:
    xc = x - np.sum(x, axis=0) / x.shape[0]
    var = np.sum(xc * xc, axis=0) / x.shape[0] + 1e-5
    weighted = np.sum(xc * dy, axis=0)
    return (gamma * dy - gamma * dy.sum(0) / len(x)) / np.sqrt(var) - (
        gamma * xc * weighted / len(x) / var**1.5
    )


def test_what_looks_different_is_proved_all_the_same() -> None:
    found = tg.derive(tg.batch_norm, X, G, B)
    assert found.proves(rewritten).only == ""
    # len(x) is a plain number, so that the function is made for this batch size
    assert str(found.proves(with_a_different_order)).startswith("equal for m = 6: ")


# The closed form as a sum of three terms, each of which can be wrong.
TERMS = {
    "dy": (lambda v: v["dy"], "gamma dy / std"),
    "mean": (lambda v: -v["dy"].mean(axis=0), "-gamma Σ[dy] / (m std)"),
    "x_hat": (
        lambda v: -v["xh"] * (v["dy"] * v["xh"]).mean(axis=0),
        "-gamma x_hat Σ[dy x_hat] / (m std)",
    ),
}
SLIPS: dict[str, tuple[Callable[[Any, dict[str, Any]], Any], Callable[[str], str] | None]] = {
    "left out": (lambda term, v: 0 * term, None),
    "negated": (lambda term, v: -term, lambda t: t[1:] if t[0] == "-" else f"-{t}"),
    "doubled": (lambda term, v: 2 * term, lambda t: re.sub(r"^(-?)", r"\g<1>2 ", t)),
    "times m": (lambda term, v: term * v["m"], None),
    "times std": (lambda term, v: term * v["std"], None),
    "over std": (lambda term, v: term / v["std"], None),
    "without gamma": (lambda term, v: term / v["gamma"], None),
    "with gamma twice": (lambda term, v: term * v["gamma"], None),
    "times x_hat": (lambda term, v: term * v["xh"], None),
    "summed": (lambda term, v: (term + 0 * v["dy"]).sum(axis=0), None),
}
WRONG = [(term, slip) for term in TERMS for slip in SLIPS]


@pytest.mark.parametrize(("term", "slip"), WRONG)
def test_a_wrong_closed_form_is_refuted_with_its_term(term: str, slip: str) -> None:
    def g(x: Any, gamma: Any, dy: Any) -> Any:
        mu, std = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-5)
        values = {"dy": dy, "std": std, "xh": (x - mu) / std, "m": x.shape[0], "gamma": gamma}
        terms = {name: f(values) for name, (f, _) in TERMS.items()}
        terms[term] = SLIPS[slip][0](terms[term], values)
        return gamma / std * sum(terms.values())

    proof = tg.derive(tg.batch_norm, X, G, B).proves(g)
    right = TERMS[term][1]
    if (term, slip) == ("mean", "summed"):  # a sum over what is the same for all: m times it
        assert proof.extra == ("-gamma Σ[dy] / std",)
    assert proof.verdict == "not equal"
    assert proof.missing == (right,)
    assert str(proof).startswith("not equal: ")
    assert right in str(proof)
    if slip == "left out" or (term, slip) == ("x_hat", "summed"):  # for Σ x_hat is 0
        assert proof.extra == ()
    elif SLIPS[slip][1] is not None:
        assert proof.extra == (SLIPS[slip][1](right),)
    else:
        assert len(proof.extra) == 1


@pytest.mark.parametrize(
    ("g", "words"),
    [
        (lambda x, gamma, dy: gamma * (x * 0 + dy), "it has gamma dy in place of"),
        (
            lambda x, gamma, beta, dy: (
                closed_form.backward_compact(dy, closed_form.forward(x, gamma, beta)[1]).dx * 3
            ),
            "it is the closed form times 3",
        ),
        (
            lambda x, gamma, beta, dy: closed_form.backward_compact(
                dy, closed_form.forward(x, gamma, beta, eps=1e-4)[1]
            ),
            "where s = sqrt(var + 0.0001)",
        ),
    ],
)
def test_a_refutation_says_what_differs(g: Callable[..., Any], words: str) -> None:
    proof = tg.derive(tg.batch_norm, X, G, B).proves(g)
    assert not proof
    assert words in str(proof)


def test_half_a_batch_rounded_down_is_not_half_a_batch() -> None:
    found = tg.derive(lambda x: x / (x.shape[0] // 2), X)
    assert not found.proves(lambda x, dy: 2 * dy / x.shape[0])
    assert found.proves(lambda x, dy: dy / (x.shape[0] // 2))


def test_a_condition_of_numbers_is_read_as_numpy_does() -> None:
    found = tg.derive(lambda x: np.where(x, 2 * x, x), X)
    assert not found.proves(lambda x, dy: dy * (1 + x))
    assert found.proves(lambda x, dy: np.where(x != 0, 2 * dy, dy))


def test_a_network_has_a_derivation_within_a_second() -> None:
    net = tg.nn.Sequential(
        tg.nn.Linear(3, 4), tg.nn.BatchNorm(4), tg.nn.Sigmoid(), tg.nn.Linear(4, 4),
        tg.nn.BatchNorm(4), tg.nn.ReLU(), tg.nn.Linear(4, 2),
    )  # fmt: skip
    found = tg.derive(net, X)
    dy = RNG.normal(size=(6, 2))
    np.testing.assert_allclose(found.program(X, dy), found.recorded(X, dy), rtol=0, atol=1e-10)


def test_equal_for_this_batch_alone_is_no_proof() -> None:
    centering = np.eye(6) - 1 / 6

    def with_a_matrix(x: Any, gamma: Any, dy: Any) -> Any:
        c = centering @ x
        s = np.sqrt((c * c).mean(axis=0) + 1e-5)
        return gamma / s * (centering @ dy - c / s * (dy * (c / s)).mean(axis=0))

    proof = tg.derive(tg.batch_norm, X, G, B).proves(with_a_matrix)
    assert proof.verdict == "cannot tell"
    assert "but on random numbers both agree" in str(proof)


# --- what it says of what it cannot do ------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tg.derive(tg.batch_norm, X, G, B, order=3), "order is 1 or 2, not 3"),
        (lambda: tg.derive(tg.batch_norm, X, G, B, wrt="w"), "no input 'w'"),
        (lambda: tg.derive(tg.batch_norm, X, G, B, wrt="dy"), "no input 'dy'"),
        (lambda: tg.derive(tg.batch_norm, X, G, B, wrt=7), "no input 7"),
        (lambda: derived("batch norm, x").save("dx.txt"), "saved as .html"),
        (
            lambda: derived("batch norm, x").proves(lambda x, dy: dy.sum(axis=0)),
            r"returns an array of shape \(3,\), but dx has shape \(6, 3\)",
        ),
        (lambda: derived("batch norm, x").proves(lambda a, b: a), "takes a, b; the inputs for dx"),
        (lambda: derived("batch norm, x").proves(lambda dy: (dy, dy)), "return dx alone"),
    ],
)
def test_bad_input_gets_one_sentence(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("f", [lambda x, b: x + b, lambda x, b: 0 * x + b, lambda x, b: x[::-1]])
def test_gradients_without_anything_to_derive(f: Callable[..., Any]) -> None:
    found = tg.derive(f, X, B)
    np.testing.assert_allclose(found.program(X, B, X), found.recorded(X, B, X))


def test_a_length_that_equals_a_constant_is_not_taken_for_it() -> None:
    found = tg.derive(lambda x: (x / 6).mean(axis=0), X)
    assert found.formula == "dy / (6 m)"


# --- how it is shown ------------------------------------------------------------------------


def test_a_derivation_is_printed_and_saved(tmp_path: Any) -> None:
    found = derived("batch norm, x")
    text = str(found)
    assert "Σ[x_hat] = 0" in text
    assert "std = sqrt(var + 1e-05)" in text
    assert text.count("the chain rule") == 6
    found.save(tmp_path / "dx.html")
    page = (tmp_path / "dx.html").read_text(encoding="utf-8")
    assert page.count("<math") > 40
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=", page)
    assert "<script" not in page


def test_names_of_users_are_text_in_the_page(tmp_path: Any) -> None:
    def f(x: Any) -> Any:
        y = x * x
        y.name = "<b>&"
        return y

    found = tg.derive(f, X)
    found.save(tmp_path / "dx.html")
    assert "<b>" not in (tmp_path / "dx.html").read_text(encoding="utf-8")


def test_a_notebook_shows_mathematics() -> None:
    latex = derived("batch norm, x")._repr_latex_()
    assert latex.startswith(r"$$\begin{aligned}")
    assert latex.count(r"\text{linearity of the sum") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], COMPACT),
        (["--wrt", "gamma"], "dgamma = Σ[dy x_hat]"),
        (["--order", "2", "--wrt", "dy"], "d2dy = gamma ddx_hat"),
        (["layer_norm"], "Σ[gamma dy x_hat]"),
        (["--latex"], r"\frac{\gamma}{m\,s}"),
    ],
)
def test_the_command_prints_it(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["derive", *arguments]) == 0
    assert words in capsys.readouterr().out


def test_the_command_refuses_what_is_no_gradient(
    capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    assert main(["derive", "--wrt", "dy"]) == 2
    assert "add --order 2" in capsys.readouterr().err
    assert main(["derive", "--html", str(tmp_path / "dx.pdf")]) == 2
    assert "saved as .html" in capsys.readouterr().err
