"""The reverse pass: what grad and backward promise, whatever the operations are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from conftest import (
    EPS,
    FLOATS,
    arrays_of,
    assert_close,
    cotangent,
    leaves,
    rng_of,
    slope,
)
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn.primitives import Primitive
from tinygrad_bn.tensor import apply

W = np.array([3.0, -5.0])  # a cotangent for outputs of two values; sums of it are exact


def pair(*values: float, **options: Any) -> tg.Tensor:
    """Make a leaf of two values that needs a gradient."""
    return tg.Tensor(values or (2.0, 7.0), requires_grad=True, **options)


def grad_data(*args: Any, **options: Any) -> list[list[float]]:
    return [g.data.tolist() for g in tg.grad(*args, **options)]


# How gradients add up


def test_backward_adds_to_what_is_there_and_zero_grad_forgets_it() -> None:
    x = pair()
    y = x * 4.0
    y.backward(W)
    assert x.grad.tolist() == [12.0, -20.0]
    y.backward(2 * W)  # the same graph again: nothing was freed
    assert x.grad.tolist() == [36.0, -60.0]
    x.zero_grad()
    assert x.grad is None
    y.backward(W)
    assert x.grad.tolist() == [12.0, -20.0]


def test_paths_through_a_diamond_add_up() -> None:
    x = pair()
    left, right = x * 3.0, x * 5.0
    assert grad_data(left + left * right, x, W) == [(W * (3.0 + 30.0 * x.data)).tolist()]


def test_chain_of_diamonds_visits_each_operation_once() -> None:
    """Forty diamonds have 2^40 paths: only complete cotangents may travel on."""
    y = x = pair()
    for _ in range(40):
        y = y + y
    assert grad_data(y, x, W) == [(W * 2.0**40).tolist()]


@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (lambda x: x + x, lambda x: 2.0 + 0 * x),
        (lambda x: x - x, lambda x: 0.0 * x),
        (lambda x: x * x, lambda x: 2.0 * x),
        (lambda x: x / x, lambda x: 0.0 * x),
        (lambda x: x * x * x, lambda x: 3.0 * x * x),
        (lambda x: tg.stack([x, x]).sum(axis=0), lambda x: 2.0 + 0 * x),
        (lambda x: x @ x * np.ones(2), None),
    ],
    ids=["add", "sub", "mul", "div", "mul-mul", "stack", "matmul"],
)
def test_input_that_is_used_twice_in_one_operation_gets_both_parts(
    f: Callable[[Any], Any], derivative: Callable[[np.ndarray], np.ndarray] | None
) -> None:
    x = pair(2.0, 4.0)
    expected = W.sum() * 2 * x.data if derivative is None else W * derivative(x.data)
    assert grad_data(f(x), x, W) == [expected.tolist()]


def test_input_that_the_output_does_not_depend_on_gets_zeros_of_its_own_kind() -> None:
    x = pair()
    other = tg.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    for create_graph in (False, True):
        dx, d_other = tg.grad(x * 2.0, [x, other], W, create_graph=create_graph)
        assert dx.data.tolist() == (2 * W).tolist()
        np.testing.assert_array_equal(d_other.data, np.zeros((2, 3), np.float32), strict=True)
    (x * 2.0).backward(W)
    assert other.grad is None


def test_result_in_the_middle_can_be_asked_for_alone_or_beside_its_inputs() -> None:
    x = pair()
    middle = x * 2.0
    y = middle * middle * x
    assert grad_data(y, middle, W) == [(2 * W * middle.data * x.data).tolist()]
    d_middle, dx = grad_data(y, [middle, x], W)
    assert d_middle == (2 * W * middle.data * x.data).tolist()
    assert dx == (12 * W * x.data**2).tolist()


def test_inputs_come_back_in_their_order_also_if_one_is_asked_for_twice() -> None:
    x, y = pair(), pair(3.0, 4.0)
    assert grad_data(x * y, [y, x, y], W) == [
        (W * x.data).tolist(), (W * y.data).tolist(), (W * x.data).tolist()
    ]  # fmt: skip
    assert tg.grad(x * y, [], W) == ()


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradient_of_the_output_by_itself_is_the_cotangent(create_graph: bool) -> None:
    leaf = pair()
    for output in (leaf, leaf * 2.0):
        assert grad_data(output, output, W, create_graph=create_graph) == [W.tolist()]
    leaf.backward(W)
    assert leaf.grad.tolist() == W.tolist()


def test_output_of_one_value_needs_no_cotangent_whatever_its_shape() -> None:
    for shape in [(), (1,), (1, 1)]:
        x = tg.Tensor(np.full(shape, 3.0), requires_grad=True)
        (x * x).backward()
        np.testing.assert_array_equal(x.grad, np.full(shape, 6.0), strict=True)


# The cotangent that the caller gives


@pytest.mark.parametrize("kind", [list, np.asarray, tg.Tensor, lambda w: w.astype(np.float32)])
@pytest.mark.parametrize("by_grad", [True, False])
def test_cotangent_may_be_anything_array_like(kind: Callable[..., Any], by_grad: bool) -> None:
    x = pair()
    if by_grad:
        (g,) = arrays_of(tg.grad(x * x, x, kind(W)))
    else:
        (x * x).backward(kind(W))
        g = x.grad
    np.testing.assert_array_equal(g, W * 2 * x.data, strict=True)


def test_gradient_is_differentiable_by_the_cotangent() -> None:
    """J^T w is linear in w: its derivative by w, applied to c, is J c."""
    x = pair()
    w = tg.Tensor(W, requires_grad=True)
    (g,) = tg.grad(x**3, x, w, create_graph=True)
    c = np.array([0.25, 8.0])
    dw, dx = grad_data(g, [w, x], c)
    assert dw == (3 * x.data**2 * c).tolist()
    assert dx == (6 * x.data * W * c).tolist()


@pytest.mark.parametrize("recording", [True, False])
def test_cotangent_of_another_dtype_stays_connected(recording: bool) -> None:
    x = pair(dtype=np.float32)
    w = tg.Tensor(W, requires_grad=True)
    y = x * 3.0
    with tg.scope("recording") if recording else tg.no_grad():
        (g,) = tg.grad(y, x, w, create_graph=True)
    assert g.dtype == np.float32
    assert grad_data(g, w, [2.0, 4.0]) == [[6.0, 12.0]]


# Gradients of gradients


def test_create_graph_records_also_inside_no_grad() -> None:
    x = pair()
    y = (x**3).sum()
    with tg.no_grad():
        (g,) = tg.grad(y, x, create_graph=True)
        assert not (2 * x).requires_grad
    assert grad_data(g, x, W) == [(6 * x.data * W).tolist()]


def test_without_create_graph_the_gradient_is_a_constant() -> None:
    x = pair()
    (g,) = tg.grad(x**3, x, W)
    assert g.is_leaf
    assert not g.requires_grad


@pytest.mark.parametrize(
    "linear",
    [
        lambda x: 3.0 * x,
        lambda x: x + x[::-1],
        lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ x,
        lambda x: tg.stack([x, -x]).mean(axis=0),
        tg.relu,
        lambda x: x,
    ],
    ids=["mul", "add-getitem", "matmul", "stack-mean", "relu", "identity"],
)
def test_linear_function_differentiated_again_gives_zeros(linear: Callable[[Any], Any]) -> None:
    x = pair()
    (g,) = tg.grad(linear(x), x, W, create_graph=True)
    assert g.requires_grad
    for _ in range(2):
        (g,) = tg.grad(g, x, W, create_graph=True)
        assert g.data.tolist() == [0.0, 0.0]


def test_backward_of_a_gradient_reaches_the_leaves() -> None:
    """A gradient penalty, as it is written: the loss holds a gradient."""
    x, scale = pair(), pair(3.0, 4.0)
    (g,) = tg.grad(scale * x**3, x, W, create_graph=True)  # 3 W scale x^2
    (g * g).sum().backward()
    assert x.grad.tolist() == (36 * W**2 * scale.data**2 * x.data**3).tolist()
    assert scale.grad.tolist() == (18 * W**2 * scale.data * x.data**4).tolist()


# Dtypes


@pytest.mark.parametrize(
    "f",
    [lambda *xs: xs[0] * xs[1] + xs[2] / 2, lambda *xs: tg.concatenate(xs) * tg.stack(xs).sum()],
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradient_has_the_dtype_of_its_input(f: Callable[..., Any], create_graph: bool) -> None:
    for dtypes in product(FLOATS, repeat=3):
        xs = [tg.Tensor([1.5, 2.5], dtype=dtype, requires_grad=True) for dtype in dtypes]
        y = f(*xs)
        assert y.dtype == np.result_type(*dtypes)
        gradients = tg.grad(y.sum(), xs, create_graph=create_graph)
        assert [g.dtype for g in gradients] == list(dtypes)
        y.sum().backward()
        assert [x.grad.dtype for x in xs] == list(dtypes)


def test_change_of_dtype_passes_the_gradient_on() -> None:
    x = pair(1.5, 2.5, dtype=np.float16)
    y = (x.astype(np.float64) * 3.0).astype(np.float32)
    (g,) = tg.grad(y, x, W)
    np.testing.assert_array_equal(g.data, (3 * W).astype(np.float16), strict=True)


# Only what is needed


@dataclass
class Spy:
    """A product that counts how often each of its rules is run."""

    runs: list[int]

    def __call__(self, x: Any, y: Any) -> tg.Tensor:
        return apply(self.primitive, (x, y))

    def __post_init__(self) -> None:
        self.primitive = Primitive(
            "spy", np.multiply,
            vjps=(lambda g, out, x, y: self.run(0, g * y), lambda g, out, x, y: self.run(1, g * x)),
            math=("x y", "x y"), rules=(("g y", "g y"), ("g x", "g x")), example=("", ""),
        )  # fmt: skip

    def run(self, rule: int, g: Any) -> Any:
        self.runs[rule] += 1
        return g


@pytest.fixture
def spy() -> Spy:
    return Spy([0, 0])


def test_rule_of_a_constant_input_is_not_run(spy: Spy) -> None:
    spy(pair(), tg.Tensor([3.0, 4.0])).backward(W)
    assert spy.runs == [1, 0]
    spy(6.0, pair()).backward(W)
    assert spy.runs == [1, 1]


def test_rules_that_lead_to_no_wanted_input_are_not_run(spy: Spy) -> None:
    x, y, z = pair(), pair(), pair()
    out = spy(x, y) * z
    tg.grad(out, z, W)
    assert spy.runs == [0, 0]
    tg.grad(out, [z, y], W)
    assert spy.runs == [0, 1]


def test_pass_stops_at_the_wanted_result(spy: Spy) -> None:
    middle = spy(pair(), pair())
    tg.grad(middle * 2.0, middle, W)
    assert spy.runs == [0, 0]


def test_asking_for_no_input_runs_no_rule(spy: Spy) -> None:
    assert tg.grad(spy(pair(), pair()), [], W) == ()
    assert spy.runs == [0, 0]


def test_each_rule_is_run_once_however_often_its_result_is_used(spy: Spy) -> None:
    out = spy(pair(), pair())
    tg.add(out * out, out).backward(W)
    assert spy.runs == [1, 1]


def test_what_was_recorded_and_not_used_in_the_output_is_not_run(spy: Spy) -> None:
    x = pair()
    spy(x, x)
    (x * 2.0).backward(W)
    assert spy.runs == [0, 0]


# Whose arrays they are


def test_gradients_that_backward_leaves_are_writable_and_belong_to_one_leaf_alone() -> None:
    xs = [pair(), pair(), tg.Tensor(np.ones((3, 2)), requires_grad=True)]
    w = np.array(np.broadcast_to(W, (3, 2)))
    y = xs[0] + xs[1] + xs[2]
    for _ in range(2):  # the second time accumulates
        y.backward(w)
        for x in xs:
            assert x.grad.flags.writeable
            assert not np.shares_memory(x.grad, x.data)
            assert not np.shares_memory(x.grad, w)
        for a, b in product(xs, xs):
            assert a is b or not np.shares_memory(a.grad, b.grad)
    before = xs[1].grad.copy()
    w[...] = 0.0
    xs[0].grad *= 7.0
    assert xs[1].grad.tolist() == before.tolist()


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.T,
        lambda x: x[::-1],
        lambda x: x.reshape(1, 2, 2),
        lambda x: x.broadcast_to(3, 2, 2),
        lambda x: x + 0.0,
    ],
    ids=["itself", "transpose", "slice", "reshape", "broadcast", "sum"],
)
def test_cotangent_that_two_inputs_share_is_not_added_to_in_place(
    view: Callable[[Any], Any], swapped: bool
) -> None:
    """A sum hands its cotangent to both terms; x adds more to its own, and y must not see it."""
    x, y = leaves([np.eye(2), np.ones((2, 2))])
    terms = [(view(x) + y) * 2.0, x * 3.0]
    out = sum(terms[::-1] if swapped else terms)
    w = np.arange(out.size).reshape(out.shape) * 1.0
    total = w.reshape(-1, 2, 2).sum(axis=0)
    out.backward(w)
    assert y.grad.tolist() == (2 * total).tolist()
    back = view(tg.Tensor(total)).data.reshape(-1, 2, 2)[0]  # these views are their own adjoints
    assert x.grad.tolist() == (2 * back + 3 * total).tolist()


def test_accumulating_makes_a_new_array_and_leaves_the_old_one_to_the_caller() -> None:
    x = pair()
    x.backward(W)
    kept = x.grad
    x.backward(W)
    assert kept.tolist() == W.tolist()


def test_gradients_that_grad_returns_do_not_share_the_callers_cotangent() -> None:
    x, w = pair(), W.copy()
    (g,) = tg.grad(x + 1.0, x, w)
    w[...] = 0.0
    assert g.data.tolist() == W.tolist()
    assert not g.data.flags.writeable


def test_backward_fills_the_grad_of_leaves_alone_and_only_of_those_that_need_one() -> None:
    x, constant = pair(), tg.Tensor([3.0, 4.0])
    middle = x * constant
    out = middle * 2.0
    out.backward(W)
    assert x.grad.tolist() == (2 * W * constant.data).tolist()
    assert [t.grad for t in (constant, middle, out)] == [None, None, None]


def test_grad_touches_no_grad_of_a_leaf() -> None:
    x = pair()
    tg.grad(x * x, x, W)
    tg.grad(x * x, x, W, create_graph=True)
    assert x.grad is None


def test_error_in_the_middle_of_backward_leaves_every_gradient_as_it_was() -> None:
    def fails(g: Any, out: Any, x: Any) -> Any:
        raise ArithmeticError("this rule fails")

    failing = Primitive(
        "failing",
        np.positive,
        vjps=(fails,),
        math=("x", "x"),
        rules=(("g", "g"),),
        example=("", ""),
    )
    first, last, fresh = pair(), pair(), pair()
    (first * last).backward(W)
    kept = [first.grad.copy(), last.grad.copy()]
    out = apply(failing, (first * 2.0,)) + last + fresh
    with pytest.raises(ArithmeticError, match="this rule fails"):
        out.backward(W)
    assert [first.grad.tolist(), last.grad.tolist()] == [k.tolist() for k in kept]
    assert fresh.grad is None


# Random graphs

# Every operation maps [-1, 1] into itself and has partial derivatives of size at most 1 (in sum
# over an input's entries), so that nothing grows but the number of paths.
ONE: dict[str, Callable[..., Any]] = {
    "neg": np.negative,
    "sin": np.sin,
    "tanh": np.tanh,
    "cos": np.cos,
    "exp": lambda x: np.exp(x) / 3,
    "sqrt": lambda x: np.sqrt(x + 2) / 2,
    "div": lambda x: 1 / (x + 2),
    "pow": lambda x: x**3 / 3,
    "mean": lambda x: np.mean(x, axis=0, keepdims=True) if np.ndim(x) else x,
    "mean all": np.mean,
    "turn": lambda x: x[::-1] if np.ndim(x) else x,
    "pick": lambda x: x[np.array([2, 0, 2])] / 2 if np.shape(x)[:1] == (3,) else x,
    "transpose": np.transpose,
    "column": lambda x: np.expand_dims(x, -1) if np.ndim(x) == 1 else x,
}
TWO: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: (x + y) / 2,
    "sub": lambda x, y: (x - y) / 2,
    "mul": lambda x, y: x * y,
    "matmul": lambda x, y: (x @ y) / 3 if np.shape(x) == np.shape(y) == (3, 3) else x * y,
}
# These compute nothing: sums and views of whole numbers are exact, and so are their gradients. The
# cotangents are handed on as they are, and must not be added to in place while others hold them.
LINEAR_ONE: dict[str, Callable[..., Any]] = {
    "same": np.positive,
    "twice": lambda x: x + x,
    "turned": np.transpose,
    "reversed": lambda x: x[::-1] if np.ndim(x) else x,
    "first": lambda x: x[0] if np.ndim(x) else x,
    "picked": lambda x: x[np.array([2, 0, 2])] if np.shape(x)[:1] == (3,) else x,
    "spread": lambda x: np.broadcast_to(x, (3, 3)),
    "reshaped": lambda x: np.reshape(x, (1, 3)) if np.shape(x) == (3, 1) else x,
    "summed": lambda x: np.sum(x, axis=0, keepdims=True) if np.ndim(x) else x,
    "joined": lambda x: np.concatenate([x, x])[2:5] if np.shape(x)[:1] == (3,) else x,
    "stacked": lambda x: np.stack([x, x], axis=0)[1],
}
LINEAR_TWO: dict[str, Callable[..., Any]] = {
    "plus": lambda x, y: x + y,
    "minus": lambda x, y: x - y,
    "chosen": lambda x, y: np.where(np.eye(3, dtype=bool), x, y),
}
BOUNDED, LINEAR = [*ONE, *TWO], [*LINEAR_ONE, *LINEAR_TWO]
UNARY, BINARY = ONE | LINEAR_ONE, TWO | LINEAR_TWO
LEAF_SHAPES = [(3, 3), (3,), (1, 3), (3, 1), ()]

Program = list[tuple[str, int, int]]


@st.composite
def programs(draw: st.DrawFn, names: list[str]) -> Program:
    """Draw a sequence of operations, each on results of any before it."""
    program: Program = []
    for step in range(draw(st.integers(1, 12))):
        earlier = st.integers(0, len(LEAF_SHAPES) + step - 1)
        program.append((draw(st.sampled_from(names)), draw(earlier), draw(earlier)))
    return program


def run(program: Program, xs: Any) -> Any:
    """Run it on arrays, real or complex, or on Tensors: it is plain NumPy."""
    results = list(xs)
    for name, i, j in program:
        x, y = results[i], results[j]
        results.append(BINARY[name](x, y) if name in BINARY else UNARY[name](x))
    used = {i for name, *operands in program for i in operands[: 1 + (name in BINARY)]}
    ends = [result * ((i + 1) / 32) for i, result in enumerate(results) if i not in used]
    return sum(ends)  # no weight is above 1, nor is one rounded


def paths(program: Program) -> float:
    """Bound the sum of |products of partial derivatives| over all paths from leaves to the output.

    Each of these products is rounded a few times at each of its operations.
    """
    counts = [1.0] * len(LEAF_SHAPES)
    for name, i, j in program:
        counts.append(counts[i] + counts[j] if name in BINARY else counts[i])
    return sum(counts)


@given(program=programs(BOUNDED), seed=st.integers(0, 2**32 - 1))
def test_gradient_of_a_random_graph_is_its_directional_derivative(
    program: Program, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    xs = [rng.uniform(-1, 1, shape) for shape in LEAF_SHAPES]
    vs = [rng.uniform(-1, 1, shape) for shape in LEAF_SHAPES]
    jv, error = slope(lambda *xs: run(program, xs), xs, vs, analytic=True)
    w = cotangent(rng, jv.shape)

    tensors = leaves(xs)
    out = run(program, tensors)
    gradients = tg.grad(out, tensors, w)
    actual = sum(np.sum(v * g.data) for v, g in zip(vs, gradients, strict=True))
    rounding = 8 * EPS * len(program) * paths(program) * np.abs(w).sum()
    assert_close(actual, np.sum(jv * w), rounding + error * np.abs(w).sum())

    out.backward(w)
    for x, g in zip(tensors, gradients, strict=True):
        np.testing.assert_array_equal(x.grad, g.data)
    recorded = tg.grad(out, tensors, w, create_graph=True)
    for g, again in zip(gradients, recorded, strict=True):
        assert_close(again.data, g.data, rounding)  # broadcasting is undone in another order


@given(program=programs(BOUNDED), seed=st.integers(0, 2**32 - 1))
def test_hessian_of_a_random_graph_is_symmetric(program: Program, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tensors = leaves([rng.uniform(-1, 1, shape) for shape in LEAF_SHAPES])
    out = run(program, tensors)
    us, vs = ([rng.uniform(-1, 1, shape) for shape in LEAF_SHAPES] for _ in range(2))
    w = cotangent(rng, out.shape)
    gradients = tg.grad(out, tensors, w, create_graph=True)

    def bilinear(us: Any, vs: Any) -> float:
        along = sum((g * u).sum() for g, u in zip(gradients, us, strict=True))
        return sum(np.sum(h.data * v) for h, v in zip(tg.grad(along, tensors), vs, strict=True))

    # A second derivative sums over pairs of paths, which meet at one of the operations.
    rounding = 8 * EPS * len(program) ** 2 * paths(program) ** 2 * np.abs(w).sum()
    assert_close(bilinear(us, vs), bilinear(vs, us), rounding)


@given(program=programs(BOUNDED), seed=st.integers(0, 2**32 - 1))
def test_gradient_of_a_random_graph_is_linear_in_the_cotangent(program: Program, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tensors = leaves([rng.uniform(-1, 1, shape) for shape in LEAF_SHAPES])
    out = run(program, tensors)
    w1, w2 = cotangent(rng, out.shape), cotangent(rng, out.shape)
    g1, g2, both = (arrays_of(tg.grad(out, tensors, w)) for w in (w1, w2, 4.0 * w1 - w2))
    scale = np.abs(4.0 * w1).sum() + np.abs(w2).sum()
    rounding = 8 * EPS * len(program) * paths(program) * scale
    for a, b, c in zip(g1, g2, both, strict=True):
        assert_close(c, 4.0 * a - b, rounding)


@given(program=programs(LINEAR), seed=st.integers(0, 2**32 - 1))
def test_gradient_of_a_random_graph_of_sums_and_views_is_exact_and_nobody_elses(
    program: Program, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    xs, vs = ([rng.integers(-4, 5, shape) * 1.0 for shape in LEAF_SHAPES] for _ in range(2))
    tensors = leaves(xs)
    out = run(program, tensors)
    w = rng.integers(-4, 5, out.shape) * 1.0
    gradients = tg.grad(out, [*tensors, out], w)[:-1]
    difference = np.sum(w * run(program, vs))  # a linear function is its own derivative
    assert sum(np.sum(g.data * v) for g, v in zip(gradients, vs, strict=True)) == difference
    for times in (1.0, 2.0):
        out.backward(w)
        for x, g in zip(tensors, gradients, strict=True):
            assert x.grad.tolist() == (times * g.data).tolist()
    for a, b in combinations([w, out.data, *(x.grad for x in tensors)], 2):
        assert not np.shares_memory(a, b)
    assert out.data.tolist() == run(program, xs).tolist()  # and no value has changed


def test_every_operation_of_the_random_graphs_stays_in_the_unit_interval() -> None:
    """What the bound on rounding stands on."""
    rng = rng_of("unit")
    for shape in LEAF_SHAPES:
        x, y = rng.uniform(-1, 1, shape), rng.uniform(-1, 1, shape)
        for f in ONE.values():
            assert np.abs(f(x)).max() <= 1
        for f in TWO.values():
            assert np.abs(f(x, y)).max() <= 1


def test_float16_sums_over_what_was_broadcast_do_not_saturate() -> None:
    """In float16, 2048 + 1 is 2048: 100,000 small terms would add up to far too little."""
    bias = tg.Tensor(np.zeros(1), requires_grad=True, dtype=np.float16)
    y = bias + np.zeros((100_000, 1), np.float16)
    w = np.full(y.shape, 5e-4, np.float16)
    assert grad_data(y, bias, w) == [[pytest.approx(50, rel=2**-10)]]


def test_a_recorded_number_does_not_slip_into_a_plain_array_without_a_word() -> None:
    plain = np.zeros(2)
    (x,) = leaves([np.array(3.0)])
    with pytest.warns(UserWarning, match="loses the gradient"):
        plain[0] = x * 2.0
