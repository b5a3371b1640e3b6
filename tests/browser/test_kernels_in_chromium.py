"""Each kernel of the page computes what NumPy computes, on arrays that hypothesis draws."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_bn as tg
from tinygrad_bn.graph import jsonable, live
from tinygrad_bn.nn import windows
from tinygrad_bn.recording import within
from tinygrad_bn.table import TABLE
from tinygrad_bn.tensor import apply

EPS = float(np.finfo(np.float64).eps)

pytestmark = pytest.mark.browser

UNARY = (
    "neg", "sqrt", "exp", "log", "sin", "cos", "tanh", "sigmoid", "relu", "sign", "abs",
    "logical_not", "isnan", "isinf", "isfinite", "signbit", "detach",
)  # fmt: skip
BINARY = (
    "add", "sub", "mul", "div", "pow", "maximum", "minimum", "less", "less_equal", "greater",
    "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_xor",
)  # fmt: skip
MOVING = (
    "reshape", "transpose", "broadcast_to", "concatenate", "stack", "getitem", "scatter",
    "take_along_axis", "add_along_axis", "argmax", "argmin",
)  # fmt: skip
REDUCING = (
    "sum", "mean", "max", "min", "any", "all", "count_nonzero",
)  # fmt: skip

lengths = st.integers(0, 4)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ordinary = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))
special = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 1e-300, -1e300])


def arrays(shape, elements=ordinary | special):
    return hnp.arrays(np.float64, shape, elements=elements, fill=st.nothing())


# Strategies for one case of a primitive: its operands and its parameters.


@st.composite
def elementwise(draw, op):
    if op == "astype":
        x = draw(arrays(draw(shapes), ordinary))
        return [x], {"dtype": np.dtype(draw(st.sampled_from(["f8", "i8", "?"])))}
    if op == "leaky_relu":
        return [draw(arrays(draw(shapes)))], {"negative_slope": draw(ordinary)}
    count = 1 if op in UNARY else 3 if op in ("where", "clip") else 2
    given_shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, min_side=0, max_dims=3))
    xs = [draw(arrays(shape)) for shape in given_shapes.input_shapes]
    if op == "where":
        xs[0] = xs[0] > 0
    return xs, {}


@st.composite
def reducing(draw, op):
    low = 1 if op in ("max", "min", "mean", "var") else 0
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=low, max_side=4))
    axis = draw(st.sets(st.integers(0, len(shape) - 1), min_size=1).map(sorted).map(tuple))
    elements = ordinary | special if op != "var" else ordinary
    params = {"axis": axis, "keepdims": draw(st.booleans())}
    if op == "var":
        params["ddof"] = 0
    return [draw(arrays(shape, elements))], params


@st.composite
def matrices(draw, op):
    n, k, m = draw(st.tuples(lengths, lengths, lengths))
    batches = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=2))
    left, right = batches.input_shapes
    x = draw(st.sampled_from([(*left, n, k), (k,)]))
    y = draw(st.sampled_from([(*right, k, m), (k,)]))
    return [draw(arrays(x, ordinary)), draw(arrays(y, ordinary))], {}


@st.composite
def moving(draw, op):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    x = draw(arrays(shape))
    axis = draw(st.integers(0, len(shape) - 1))
    if op == "reshape":
        return [x], {"shape": tuple(draw(st.permutations(shape)))}
    if op == "transpose":
        return [x], {"axes": tuple(draw(st.permutations(range(len(shape)))))}
    if op == "broadcast_to":
        narrow = tuple(draw(st.sampled_from([1, n])) for n in shape)[draw(st.integers(0, 1)) :]
        return [draw(arrays(narrow))], {"shape": shape}
    if op in ("concatenate", "stack"):
        longer = (
            (*shape[:axis], draw(lengths), *shape[axis + 1 :]) if op == "concatenate" else shape
        )
        return [x, draw(arrays(longer)), x], {"axis": axis}
    if op in ("argmax", "argmin"):
        return [x], {"axis": draw(st.none() | st.just(axis))}
    if op in ("getitem", "scatter"):
        index = draw(
            hnp.basic_indices(shape, allow_newaxis=True) | hnp.integer_array_indices(shape)
        )
        if op == "getitem":
            return [x], {"index": index}
        whole = draw(arrays(np.zeros(shape)[index].shape))
        return [whole], {"index": index, "shape": shape}
    bounds = st.integers(-shape[axis], shape[axis] - 1)
    longer = (*shape[:axis], draw(lengths), *shape[axis + 1 :])
    indices = draw(hnp.arrays(np.int64, longer, elements=bounds))
    if op == "take_along_axis":
        return [x, indices], {"axis": axis}
    return [draw(arrays(longer)), indices], {"axis": axis, "shape": shape}


@st.composite
def images(draw, op):
    two = st.tuples(st.integers(1, 2), st.integers(1, 2))
    padding = draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
    kernel, stride = draw(two), draw(two)
    shape = draw(hnp.array_shapes(min_dims=4, max_dims=4, min_side=2, max_side=4))
    x = draw(arrays(shape, ordinary))
    params = {"kernel": kernel, "stride": stride, "padding": padding}
    fill = draw(st.sampled_from([0.0, -np.inf]))
    if op == "windows":
        return [x], {**params, "fill": fill}
    cut = windows.windows(x, **params, fill=0.0)
    del params["kernel"]
    return [draw(arrays(cut.shape, ordinary))], {**params, "size": shape[2:]}


STRATEGIES = {
    **dict.fromkeys([*UNARY, *BINARY, "where", "clip", "leaky_relu", "astype"], elementwise),
    **dict.fromkeys([*REDUCING, "var"], reducing),
    **dict.fromkeys(MOVING, moving),
    **dict.fromkeys(["windows", "overlap_add"], images),
    "matmul": matrices,
}


def rounding_of(op, xs, params):
    """Bound what the order of a sum may change: some eps of the sum of the absolute values."""
    sizes = [np.abs(x.astype(float)) for x in xs]
    if op == "var":
        return 64 * EPS * np.mean(sizes[0] ** 2, axis=params["axis"], keepdims=params["keepdims"])
    if op in ("sum", "mean", "matmul", "overlap_add", "scatter", "add_along_axis"):
        whole = TABLE[op](*sizes[:1], *([sizes[1]] if op == "matmul" else xs[1:]), **params)
        return 64 * EPS * np.where(np.isfinite(whole), whole, 0.0)
    return 0.0


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """Open one page, whose kernels all examples call."""
    path = tg.graph(tg.Tensor([1.0], requires_grad=True) * 2.0).save(
        tmp_path_factory.mktemp("page") / "graph.html"
    )
    page = browser.new_page()
    page.goto(path.as_uri())
    yield page
    page.close()


CALL = """([op, xs, params]) => {
  const read = ([shape, numbers]) => ({ shape, data: Float64Array.from(numbers, Number) });
  const out = kernels[op](xs.map(read), params);
  return [out.shape, Array.from(out.data, String)];
}"""


def in_page(page, op, xs, params):
    """Compute in the page, with the parameters as a page stores them."""
    tensors = [leaf(x) for x in xs]
    with within(everything=True, recording=True), np.errstate(all="ignore"):
        out = apply(TABLE[op], tensors, params)
    graph = tg.graph(out)
    node = graph.nodes[-1]
    inputs = [graph.nodes[i] for i in node.inputs]
    stored = live._params(node, inputs, {i for i in node.inputs if graph.nodes[i].op is None})
    listed = [[list(x.shape), jsonable.numbers(x.astype(float).ravel())] for x in xs]
    shape, numbers = page.evaluate(CALL, json.loads(json.dumps([op, listed, stored])))
    return np.array([float(x.replace("Infinity", "inf")) for x in numbers]).reshape(shape), out.data


def leaf(x):
    tensor = tg.Tensor(0.0)
    tensor._value = np.array(x)
    tensor._value.setflags(write=False)
    return tensor


@pytest.mark.parametrize("op", sorted(live.KERNELS))
def test_a_kernel_computes_what_numpy_computes(page, op):
    @settings(max_examples=max(25, settings().max_examples // 3))
    @given(STRATEGIES[op](op))
    def check(case):
        xs, params = case
        got, expected = in_page(page, op, xs, params)
        assert got.shape == expected.shape
        expected = expected.astype(float)
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        with np.errstate(all="ignore"):
            near = np.abs(got - expected) <= 1e-12 * np.abs(expected) + rounding_of(op, xs, params)
        assert (same | (near & np.isfinite(expected))).all(), (got, expected)

    check()


def test_every_primitive_has_a_kernel_or_stands_among_those_without(page):
    in_page = set(page.evaluate("Object.keys(kernels)"))
    assert in_page == live.KERNELS
    assert set(TABLE) - in_page == set(live.WITHOUT_KERNEL)
