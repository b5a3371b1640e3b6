"""Tensor: an immutable array with NumPy's manners."""

from __future__ import annotations

import copy
import operator
import pickle
from array import array as buffer
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import EPS, FLOATS, arrays_of, assert_close, cotangent, leaves, rng_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_bn as tg

UNARY = [
    "neg", "abs", "sign", "sqrt", "exp", "log", "sin", "cos", "tanh", "sigmoid", "relu",
    "leaky_relu",
]  # fmt: skip
REDUCTIONS = ["sum", "mean", "var", "max", "min"]

W = np.array([3.0, -5.0, 7.0])  # a cotangent for outputs of three values; sums of it are exact


def leaf(*values: float, **options: Any) -> tg.Tensor:
    """Make a leaf of three values that needs a gradient."""
    return tg.Tensor(values or (1.0, 2.0, 4.0), requires_grad=True, **options)


def gradient(y: Any, x: tg.Tensor, w: Any = W) -> list[float]:
    return tg.grad(y, x, w)[0].data.tolist()


# Dtypes


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        *((np.ones(2, dtype), dtype) for dtype in FLOATS),
        *((np.ones(2, dtype), np.float64) for dtype in (bool, np.int8, np.uint16, np.int64)),
        *((data, np.float64) for data in (1, 1.5, True, [1, 2], [[True]], (), range(3))),
        (np.float32(2.0), np.float32),
        (np.int8(2), np.float64),
        (np.ones(2, ">f4"), np.float32),
    ],
    ids=repr,
)
def test_floats_keep_their_type_and_everything_else_becomes_float64(data: Any, dtype: Any) -> None:
    x = tg.Tensor(data)
    assert x.dtype == dtype
    np.testing.assert_array_equal(x.data, np.array(data, dtype), strict=True)
    for wanted in FLOATS:
        assert tg.Tensor(data, dtype=wanted).dtype == wanted


ARITHMETIC = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
    np.maximum, np.minimum,
]  # fmt: skip
TYPES = [
    *FLOATS, np.bool_, np.int8, np.int16, np.int32, np.int64,
    np.uint8, np.uint16, np.uint32, np.uint64,
]  # fmt: skip


@st.composite
def operands(draw: st.DrawFn) -> Any:
    """Draw a Python number, a NumPy scalar, or an array, of small values."""
    value = draw(st.integers(1, 4))  # neither overflows float16 nor divides by zero
    python = st.sampled_from([int(value), float(value), True])
    scalar = st.sampled_from(TYPES).map(lambda dtype: dtype(value))
    shape = draw(st.sampled_from([(), (3,), (2, 1)]))
    array = st.sampled_from(TYPES).map(lambda dtype: np.full(shape, value).astype(dtype))
    return draw(python | scalar | array)


@given(
    op=st.sampled_from(ARITHMETIC),
    array=hnp.arrays(
        st.sampled_from(FLOATS),
        st.sampled_from([(), (3,)]),
        elements=st.sampled_from([1.0, 2.0, 3.0]),
    ),
    other=operands(),
    wrapped=st.booleans(),
    reflected=st.booleans(),
)
def test_dtypes_and_values_of_arithmetic_are_those_of_numpy(
    op: Callable[[Any, Any], Any], array: np.ndarray, other: Any, wrapped: bool, reflected: bool
) -> None:
    if wrapped and getattr(other, "dtype", None) in FLOATS:
        other = np.asarray(other)
        ours = (leaf_of(array), leaf_of(other))
    else:
        ours = (leaf_of(array), other)
    plain = (array, other)
    if reflected:
        ours, plain = ours[::-1], plain[::-1]
    y = op(*ours)
    assert isinstance(y, tg.Tensor)
    np.testing.assert_array_equal(y.data, np.asarray(op(*plain)), strict=True)
    x = ours[reflected]
    (g,) = tg.grad(y, x, np.ones(y.shape))
    assert (g.dtype, g.shape) == (x.dtype, x.shape)


def leaf_of(array: np.ndarray) -> tg.Tensor:
    return leaves([array])[0]


@pytest.mark.parametrize("dtype", FLOATS)
def test_python_numbers_keep_the_dtype_in_every_operator(dtype: Any) -> None:
    x = leaf(dtype=dtype)
    for number in (2, 0.5, True):
        for y in (x + number, number - x, x * number, number / x, x**number, number**x):
            assert y.dtype == dtype
        for y in (tg.maximum(x, number), tg.minimum(number, x), tg.where(W > 0, x, number)):
            assert y.dtype == dtype
        assert tg.clip(x, -number, number).dtype == dtype


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_operation_of_one_tensor_keeps_its_dtype(dtype: Any) -> None:
    x = tg.Tensor(np.array([[0.25, 0.5], [0.5, 0.75]]), dtype=dtype, requires_grad=True)
    for name in [*UNARY, *REDUCTIONS, "std", "clip", "transpose", "ravel"]:
        assert getattr(x, name)().dtype == dtype, name
    for y in (x[0], x @ x, x.reshape(4), x.broadcast_to(3, 2, 2), tg.stack([x, x]), np.square(x)):
        assert y.dtype == dtype


# What a Tensor does not hold

MASKED = np.ma.array([1.0, 2.0, 4.0], mask=[True, False, False])
NOT_REAL = {
    "complex array": (np.ones(3, complex), "complex128"),
    "complex number": (1j, "complex"),
    "objects": (np.array([1.0, None, 2.0]), "object"),
    "nothing": (None, "NoneType"),
    "string": ("1.0", "str"),
    "strings": (["a", "b", "c"], "list"),
    "bytes": (b"1", "bytes"),
    "long double": (np.ones(3, np.longdouble), str(np.dtype(np.longdouble))),
    "long double number": (np.longdouble(1), "longdouble"),
    "dates": (np.zeros(3, "M8[s]"), "datetime64"),
    "huge integer": ([10**30], "object"),
    "masked array": (MASKED, "mask"),
    "record": (np.zeros(3, [("a", float)]), "'a'"),
}


@pytest.mark.parametrize(("data", "word"), NOT_REAL.values(), ids=NOT_REAL)
def test_data_that_are_not_real_floats_are_refused_by_name(data: Any, word: str) -> None:
    with pytest.raises(TypeError, match=word):
        tg.Tensor(data)


@pytest.mark.parametrize(("data", "word"), NOT_REAL.values(), ids=NOT_REAL)
def test_operands_that_are_not_real_floats_are_refused_on_either_side(data: Any, word: str) -> None:
    x = leaf()
    for use in (lambda: x * data, lambda: tg.maximum(x, data), lambda: tg.where(W > 0, x, data)):
        with pytest.raises(TypeError, match=word):
            use()
    with pytest.raises(TypeError):  # Python or NumPy may be the one to say it
        data * x


@pytest.mark.parametrize("dtype", [int, complex, bool, np.longdouble, object, "U1"])
def test_dtypes_that_are_not_floats_are_refused(dtype: Any) -> None:
    for use in (lambda: tg.Tensor([1.0], dtype=dtype), lambda: leaf().astype(dtype)):
        with pytest.raises(TypeError, match=r"dtype .* use float16, float32 or float64"):
            use()


def test_tensor_of_a_recorded_tensor_is_refused_and_of_a_constant_is_a_copy() -> None:
    for data in (leaf(), [leaf(), leaf()], [leaf() * 2.0], leaf()[0]):
        with pytest.raises(TypeError, match="lose the gradient"):
            tg.Tensor(data)
    assert tg.Tensor(leaf().detach()).data.tolist() == [1.0, 2.0, 4.0]


# An immutable array


def test_data_are_copied_in_and_read_only_and_copied_out() -> None:
    array = np.array([1.0, 2.0, 4.0])
    x = tg.Tensor(array)
    array[0] = 100.0
    assert x.data.tolist() == [1.0, 2.0, 4.0]
    for data in (x.data, x.detach().data, (x * 2.0).data, x[1:].data, x.sum().data, x.T.data):
        assert isinstance(data, np.ndarray)
        with pytest.raises(ValueError, match="read-only"):
            data[...] = 0.0
    mine = x.numpy()
    mine[0] = 100.0
    assert x.data.tolist() == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "operate",
    [
        lambda x, a: x * a,
        lambda x, a: a * x,
        lambda x, a: a / x,
        lambda x, a: x**a,
        lambda x, a: np.maximum(a, x),
        lambda x, a: x @ a * np.ones(3),
        lambda x, a: tg.clip(x, a - 1, a + 1) * x,
        lambda x, a: tg.clip(x, a, None) * x,
        lambda x, a: tg.where(a > 1, x, a * x),
        lambda x, a: np.where(a, x, x * x),
        lambda x, a: x[a.astype(int) - 1] * x,
    ],
)
def test_operand_that_is_overwritten_after_the_forward_pass_does_no_harm(
    operate: Callable[[Any, Any], Any],
) -> None:
    fresh = np.array([1.0, 3.0, 2.0])
    doomed = fresh.copy()
    x = leaf()
    expected, y = operate(x, fresh), operate(x, doomed)
    doomed[...] = 1e9
    assert y.data.tolist() == expected.data.tolist()
    assert gradient(y, x) == gradient(expected, x)


@pytest.mark.parametrize(
    "kind", ["condition", "mask", "index", "nested", "list", "lower", "upper", "cotangent"]
)
def test_parameter_array_that_is_overwritten_does_no_harm(kind: str) -> None:
    x = leaf()
    choice, places, bound, w = W > 0, np.array([2, 0, 2]), np.array([0.0, 3.0, 0.0]), W.copy()
    listed = [2, 0, 2]
    y = {
        "condition": lambda: tg.where(choice, x, 0.0),
        "mask": lambda: tg.concatenate([x[choice], x[:1]]),
        "index": lambda: x[places],
        "nested": lambda: tg.stack([x, x])[(1, places)],
        "list": lambda: x[listed],
        "lower": lambda: x.clip(bound),
        "upper": lambda: x.clip(None, bound),
        "cotangent": lambda: x * 1.0,
    }[kind]()
    expected = gradient(y, x, w)
    choice[:], places[:], bound[:], listed[:] = False, 1, 9.0, [1, 1, 1]
    assert gradient(y, x, w) == expected
    (g,) = tg.grad(y, x, w)
    w[:] = 0.0
    assert g.data.tolist() == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (operator.iadd, [3.0, 4.0, 6.0]),
        (operator.isub, [-1.0, 0.0, 2.0]),
        (operator.imul, [2.0, 4.0, 8.0]),
        (operator.itruediv, [0.5, 1.0, 2.0]),
        (operator.ipow, [1.0, 4.0, 16.0]),
    ],
)
def test_in_place_operators_make_a_new_tensor(change: Any, expected: list[float]) -> None:
    x = leaf()
    y = change(x, 2.0)
    assert y is not x
    assert y.data.tolist() == expected
    assert x.data.tolist() == [1.0, 2.0, 4.0]
    assert y.inputs[0] is x
    z = change(change(x, 2.0), 1.0)  # and so a gradient sees every step
    assert gradient(z, x) == gradient(y, x)


def test_assigning_to_an_index_is_refused() -> None:
    with pytest.raises(TypeError, match=r"immutable.*where"):
        leaf()[0] = 1.0


def test_result_of_in_place_arithmetic_into_a_plain_array_is_refused() -> None:
    array = np.ones(3)
    for change in (operator.iadd, operator.imul, operator.itruediv):
        with pytest.raises(TypeError, match="keeps no gradient"):
            change(array, leaf())
    assert array.tolist() == [1.0, 1.0, 1.0]


# Replacing the value of a leaf


def test_value_of_a_leaf_can_be_replaced_by_a_copy() -> None:
    p = leaf()
    new = np.array([7.0, 8.0, 9.0])
    p.data = new
    new[...] = 0.0
    assert p.data.tolist() == [7.0, 8.0, 9.0]
    assert not p.data.flags.writeable
    p.data = [1, 2, 3]
    assert p.data.tolist() == [1.0, 2.0, 3.0]
    assert p.dtype == np.float64
    half = leaf(dtype=np.float16)
    half.data = [0.5, 1.5, 2.5]  # numbers have no dtype of their own
    assert half.dtype == np.float16


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (np.ones(2), ValueError, [r"\(2,\)", r"\(3,\)", "must match"]),
        (1.0, ValueError, [r"\(\)", r"\(3,\)", "must match"]),
        (np.ones((1, 3)), ValueError, [r"\(1, 3\)", r"\(3,\)"]),
        (np.ones(3, np.float32), ValueError, ["float32", "float64", "must match"]),
        (np.ones(3, complex), TypeError, ["complex128"]),
        (MASKED, TypeError, ["mask"]),
    ],
)
def test_value_of_another_shape_or_dtype_is_refused(
    value: Any, error: type[Exception], words: list[str]
) -> None:
    p = leaf()
    for word in words:
        with pytest.raises(error, match=word):
            p.data = value
    assert p.data.tolist() == [1.0, 2.0, 4.0]


def test_value_of_a_result_cannot_be_replaced() -> None:
    y = leaf() * 2.0
    with pytest.raises(ValueError, match=r"result of mul.*leaf"):
        y.data = np.ones(3)


def test_gradients_of_every_order_stay_at_the_value_that_was_used() -> None:
    """The graph is x^3 at the old value, to every order, whatever the leaf holds since then."""
    x = leaf()
    old = x.data
    y = x**3 * 2.0
    for new in ([-1.0, -1.0, -1.0], [9.0, 9.0, 9.0]):
        x.data = new
        (first,) = tg.grad(y, x, W, create_graph=True)
        x.data = [5.0, 5.0, 5.0]
        (second,) = tg.grad(first.sum(), x, create_graph=True)
        (third,) = tg.grad(second.sum(), x)
        assert first.data.tolist() == (6 * W * old**2).tolist()
        assert second.data.tolist() == (12 * W * old).tolist()
        assert third.data.tolist() == (12 * W).tolist()
    y.backward(W)
    assert x.grad.tolist() == (6 * W * old**2).tolist()


def test_graphs_recorded_before_and_after_a_replacement_each_keep_their_own_value() -> None:
    x = leaf()
    before = x * x
    x.data = [10.0, 20.0, 40.0]
    after = x * x
    (g,) = tg.grad(before + after, x, W, create_graph=True)
    assert g.data.tolist() == (2 * W * (np.array([1.0, 2.0, 4.0]) + x.data)).tolist()
    assert gradient(g, x) == (4 * W * W).tolist()


def test_training_step_that_replaces_the_data_is_seen_by_the_next_forward_pass() -> None:
    p = leaf()
    for _ in range(2):
        (p * p).sum().backward()
        p.data = p.data - 0.25 * p.grad
        p.zero_grad()
    assert p.data.tolist() == [0.25, 0.5, 1.0]


# Indexing


@st.composite
def indexed(draw: st.DrawFn) -> tuple[tuple[int, ...], Any]:
    """Draw a shape and an index for it: basic, integer arrays, or a mask."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    basic = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    masks = st.integers(1, len(shape)).flatmap(lambda n: hnp.arrays(bool, shape[:n]))
    kinds = basic | masks
    if 0 not in shape:
        kinds |= hnp.integer_array_indices(shape)
        kinds |= st.tuples(st.just(...), hnp.integer_array_indices(shape[-1:]).map(lambda i: i[0]))
    return shape, draw(kinds)


def assert_index_is_right(shape: tuple[int, ...], index: Any) -> None:
    """Compare with NumPy, and the gradient with a count of how often each place was taken."""
    size = int(np.prod(shape))
    places = np.arange(size).reshape(shape)
    (x,) = leaves([np.arange(size).reshape(shape) * 1.5])
    y = x[index]
    np.testing.assert_array_equal(y.data, np.asarray(x.data[index]), strict=True)
    w = cotangent(rng_of("index", shape), y.shape)
    taken = np.asarray(places[index]).ravel()
    expected, sizes = (
        np.bincount(taken, v.ravel(), minlength=size).reshape(shape) for v in (w, np.abs(w))
    )
    rounding = len(taken) * EPS * float(sizes.max(initial=0.0))
    upstream = tg.Tensor(w, requires_grad=True)
    (g,) = tg.grad(y, x, upstream, create_graph=True)
    assert_close(g.data, expected, rounding)
    c = cotangent(rng_of("again", shape), shape)
    (again,) = tg.grad(g, upstream, c)  # scatter's own gradient takes from the same places
    np.testing.assert_array_equal(again.data, c[index])


@given(indexed())
def test_index_gives_numpys_values_and_its_gradient_goes_back_to_their_places(
    drawn: tuple[tuple[int, ...], Any],
) -> None:
    assert_index_is_right(*drawn)


INDICES = {
    "integer": 1,
    "negative": (-1, -2),
    "numpy integer": np.int64(-1),
    "slice": slice(None, None, -2),
    "ellipsis": (..., 0),
    "newaxis": (None, 1, None),
    "list with a repeat": [0, 0, 2],
    "tuple of tuples with a repeat": ((0, 0, 2), (1, 1, 1)),
    "tuple in a tuple with a repeat": ((0, 0, 2),),
    "range": range(0, 3, 2),
    "range beside a slice": (slice(None), range(3, 0, -1)),
    "array and newaxis": (np.array([2, 2, 1]), None, slice(1, 3)),
    "arrays that broadcast": (np.array([[0], [0]]), np.array([1, 1, 3])),
    "arrays apart": (np.array([0, 0]), slice(None), np.array([1, 1])),
    "buffer of integers with a repeat": buffer("q", [0, 0, 2]),
    "mask": np.eye(3, 4, dtype=bool),
    "mask of rows": np.array([True, False, True]),
    "mask beside integers": (np.array([True, False, True]), [1, 1]),
    "true": True,
    "nothing": [],
    "empty tuple": (),
    "array of no integers": np.array([], int),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_index_of_each_kind_differentiates(index: Any) -> None:
    shape = (3, 4, 2) if isinstance(index, tuple) and len(index) > 2 else (3, 4)
    assert_index_is_right(shape, index)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_mask_without_entries_takes_nothing(shape: tuple[int, int]) -> None:
    assert_index_is_right(shape, np.zeros(shape, bool))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 2)])
def test_iteration_goes_along_the_first_axis_and_is_recorded(shape: tuple[int, ...]) -> None:
    (x,) = leaves([np.arange(np.prod(shape)).reshape(shape) * 1.0])
    parts = list(x)
    assert len(x) == len(parts) == shape[0]
    for i, part in enumerate(parts):
        assert part.data.tolist() == x.data[i].tolist()
        assert part.requires_grad
    if parts:
        first, *_ = x
        w = cotangent(rng_of("iter"), first.shape)
        expected = np.zeros(shape)
        expected[0] = w
        assert gradient(first, x, w) == expected.tolist()


def test_single_value_has_no_length_and_cannot_be_iterated() -> None:
    for use in (len, iter, list):
        with pytest.raises(TypeError, match="single value"):
            use(tg.Tensor(1.0))


# Comparisons and conversions


@pytest.mark.parametrize(
    "compare", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
)
def test_comparisons_give_the_boolean_arrays_of_numpy(compare: Any) -> None:
    x, other = leaf(), np.array([2.0, 2.0, 2.0])
    expected = compare(x.data, other)
    assert 0 < expected.sum() < 3
    for a, b in [
        (x, other),
        (x, tg.Tensor(other)),
        (x, 2.0),
        (x, [2, 2, 2]),
        (x.data, tg.Tensor(2.0)),
    ]:
        result = compare(a, b)
        assert type(result) is np.ndarray
        np.testing.assert_array_equal(result, expected, strict=True)
    np.testing.assert_array_equal(compare(other, x), compare(other, x.data), strict=True)


def test_tensors_are_keys_by_identity() -> None:
    x, twin = leaf(), leaf()
    assert len({x, twin, x}) == 2
    assert {x: "x"}[x] == "x"


def test_single_value_converts_to_a_python_number_whatever_its_shape() -> None:
    for shape in [(), (1,), (1, 1)]:
        x = tg.Tensor(np.full(shape, 2.5), requires_grad=True)
        assert (float(x), x.item(), int(x), bool(x)) == (2.5, 2.5, 2, True)
        assert type(float(x)) is type(x.item()) is float
        assert f"{x:.3f}" == "2.500"
        assert f"{x:>8.2e}" == "2.50e+00"
    assert not tg.Tensor(0.0)


@pytest.mark.parametrize("convert", [float, int, lambda x: x.item(), "{:.3f}".format])
def test_several_values_do_not_convert_to_one(convert: Any) -> None:
    with pytest.raises(ValueError, match=r"\(3,\) is not a single value"):
        convert(leaf())


def test_truth_of_several_values_is_refused_as_by_numpy() -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        bool(leaf())


X = leaf(1.0, 2.5, -3.0)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (tg.Tensor([1.0, 2.5]), "Tensor([1. , 2.5])"),
        (tg.Tensor(3), "Tensor(3.)"),
        (tg.Tensor([1.0], dtype=np.float32), "Tensor([1.], dtype=float32)"),
        (tg.Tensor([1.0], name="w"), "Tensor([1.], name='w')"),
        (X, "Tensor([ 1. ,  2.5, -3. ], requires_grad=True)"),
        (X * 2.0, "Tensor([ 2.,  5., -6.], op=mul)"),
        (X.detach(), "Tensor([ 1. ,  2.5, -3. ])"),
        (tg.Tensor([[1.0], [2.0]]), "Tensor([[1.],\n        [2.]])"),
        (tg.Tensor([]), "Tensor([])"),
    ],
)
def test_repr_shows_the_numbers_and_what_is_not_usual(x: tg.Tensor, text: str) -> None:
    assert repr(x) == str(x) == f"{x}" == text


def test_repr_of_many_values_is_short() -> None:
    assert len(repr(tg.Tensor(np.zeros(10**6)))) < 200


def test_attributes_describe_the_array_and_how_it_was_made() -> None:
    x = tg.Tensor(np.ones((2, 3), np.float32), requires_grad=True, name="x")
    assert (x.shape, x.ndim, x.size, x.dtype, x.name) == ((2, 3), 2, 6, np.float32, "x")
    assert (x.is_leaf, x.op, x.inputs, x.params, x.grad, x.scope) == (True, None, (), {}, None, "")
    y = x.sum(axis=-1)
    assert (y.is_leaf, y.op.name, y.inputs) == (False, "sum", (x,))
    assert y.params == {"axis": (1,), "keepdims": False}
    assert x.T.shape == (3, 2)


def test_detached_tensor_has_the_value_and_no_past() -> None:
    x = leaf()
    y = (x * 2.0).detach()
    assert y.is_leaf
    assert not y.requires_grad
    assert gradient(x * y, x) == (2 * W * x.data).tolist()


def test_result_of_constants_alone_remembers_nothing() -> None:
    y = tg.Tensor([1.0]) * tg.Tensor([2.0])
    assert (y.requires_grad, y.op, y.inputs) == (False, None, ())


# Copies


COPIES = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "oldest pickle": lambda x: pickle.loads(pickle.dumps(x, 0)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_leaf_survives_copying(duplicate: Any, dtype: Any) -> None:
    for data in ([1.0, 2.0], 3.0, np.zeros((0, 2))):
        for requires_grad in (True, False):
            x = tg.Tensor(data, requires_grad=requires_grad, name="x", dtype=dtype)
            y = duplicate(x)
            assert y is not x
            assert (y.requires_grad, y.name, y.grad) == (requires_grad, "x", None)
            np.testing.assert_array_equal(y.data, x.data, strict=True)
            assert not y.data.flags.writeable


def test_copy_and_original_live_apart() -> None:
    x = leaf()
    twin = copy.deepcopy({"a": x, "b": x})
    assert twin["a"] is twin["b"]
    (twin["a"] * 2.0).backward(W)
    assert x.grad is None
    twin["a"].data = [0.0, 0.0, 0.0]
    assert x.data.tolist() == [1.0, 2.0, 4.0]


class Named(tg.Tensor):
    """A subclass, as a layer's parameter is one."""

    __slots__ = ()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, COPIES["pickle"]])
def test_copy_of_a_subclass_is_of_that_class(duplicate: Any) -> None:
    assert type(duplicate(Named([1.0]))) is Named


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_result_cannot_be_copied_without_its_past(duplicate: Any) -> None:
    y = leaf() * 2.0
    with pytest.raises(TypeError, match=r"result of mul.*detach"):
        duplicate(y)
    np.testing.assert_array_equal(duplicate(y.detach()).data, y.data)


# Functions and methods are one thing

OTHER = [[1.5, 2.5], [3.5, 0.5]]
CALLS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(UNARY, ()),
    **dict.fromkeys(REDUCTIONS, (0,)),
    **dict.fromkeys(["add", "sub", "mul", "div", "pow", "maximum", "minimum", "matmul"], (OTHER,)),
    "clip": (0.5, 2.0),
    "reshape": ((4,),),
    "transpose": ((1, 0),),
    "broadcast_to": ((3, 2, 2),),
    "astype": (np.float32,),
}


@pytest.mark.parametrize(("name", "args"), CALLS.items(), ids=list(CALLS))
def test_function_and_method_of_one_name_do_the_same(name: str, args: tuple[Any, ...]) -> None:
    array = np.array([[1.0, 2.0], [4.0, 0.5]])
    (x,) = leaves([array])
    method, function = getattr(x, name)(*args), getattr(tg, name)(x, *args)
    assert method.params == function.params
    if method.requires_grad:
        assert method.op is function.op
    for y in (function, getattr(tg, name)(array, *args)):  # functions take anything array-like
        assert isinstance(y, tg.Tensor)
        np.testing.assert_array_equal(y.data, method.data, strict=True)


def test_operators_and_functions_do_the_same_on_either_side() -> None:
    a, b = np.array([[1.0, 2.0], [4.0, 0.5]]), np.array([[2.0, 1.0], [3.0, 1.5]])
    x, y = leaves([a, b])
    for op, name in [
        (operator.add, "add"), (operator.sub, "sub"), (operator.mul, "mul"), (operator.pow, "pow"),
        (operator.truediv, "div"), (operator.matmul, "matmul"),
    ]:  # fmt: skip
        for result in (op(x, y), op(x, b), op(a, y), op(a.tolist(), y)):
            assert result.op.name == name
            np.testing.assert_array_equal(result.data, op(a, b), strict=True)
    assert (-x).op.name == "neg"
    assert abs(x).op.name == "abs"


def test_methods_that_arrays_have_do_what_they_do_there() -> None:
    array = np.array([[[1.0, 2.0, 4.0]], [[3.0, 0.5, 2.5]]])
    (x,) = leaves([array])
    for use in (
        lambda a: a.std(), lambda a: a.std(axis=-1, ddof=1, keepdims=True), lambda a: a.ravel(),
        lambda a: a.flatten(), lambda a: a.squeeze(), lambda a: a.squeeze(1),
        lambda a: a.swapaxes(0, -1), lambda a: a[:, 0].dot(a[1, 0]), lambda a: a.copy(),
        lambda a: a.transpose(2, 0, 1), lambda a: a.reshape(3, -1), lambda a: a.T,
    ):  # fmt: skip
        y, expected = use(x), np.asarray(use(array))
        assert y.requires_grad
        assert_close(y.data, expected, 8 * EPS * np.abs(array).max())


@pytest.mark.parametrize("kind", [list, tuple, np.array, tg.Tensor, lambda c: np.array(c, bool)])
def test_condition_may_be_anything_that_holds_truth_values(kind: Callable[..., Any]) -> None:
    x = leaf()
    condition = kind([1.0, 0.0, 2.0])
    for y in (tg.where(condition, x, -x), x.where(condition, -x), np.where(condition, x, -x)):
        assert y.data.tolist() == [1.0, -2.0, 4.0]
        assert gradient(y, x) == [3.0, 5.0, 7.0]


def test_stack_and_concatenate_take_arrays_beside_tensors() -> None:
    x = leaf()
    for joined, places in ((tg.stack([x, W]), 0), (tg.concatenate([W, x]), slice(3, None))):
        w = cotangent(rng_of("joined"), joined.shape)
        assert gradient(joined, x, w) == w[places].tolist()
    assert arrays_of(tg.stack([x, x], axis=1))[0].tolist() == [1.0, 1.0]
