"""NumPy's own functions on Tensors: right, or refused by name, and never a gradient lost."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from conftest import (
    EPS,
    FLOATS,
    apart,
    arrays_of,
    assert_close,
    assert_gradients,
    cotangent,
    largest,
    leaves,
    rng_of,
)
from numpy_uses import USES

import tinygrad_bn as tg
from tinygrad_bn.numpy_functions import FUNCTIONS, PLAIN
from tinygrad_bn.primitives import TABLE

Use = Callable[..., Any]

M, ROW, CUBE = (2, 3), (3,), (2, 3, 2)

# Each supported function, a use of it, and the shapes of the inputs, whose values lie in [0.5, 2]
# and apart from each other and from 1.25. A function may stand here more than once.
SUPPORTED: list[tuple[Callable[..., Any], Use, Sequence[tuple[int, ...]]]] = [
    (np.add, lambda x, y: np.add(x, y), [M, ROW]),
    (np.add, lambda x: np.add.reduce(x, axis=1, keepdims=True), [M]),
    (np.add, lambda x: np.add.reduce(x), [M]),
    (np.subtract, lambda x, y: np.subtract(x, y), [ROW, M]),
    (np.multiply, lambda x, y: np.multiply(x, y), [M, ()]),
    (np.true_divide, lambda x, y: np.true_divide(x, y), [M, M]),
    (np.negative, lambda x: np.negative(x), [M]),
    (np.positive, lambda x: np.positive(x) * x, [M]),
    (np.power, lambda x, y: np.power(x, y), [M, ROW]),
    (np.power, lambda x: np.power(x, -2), [M]),
    (np.square, lambda x: np.square(x), [M]),
    (np.reciprocal, lambda x: np.reciprocal(x), [M]),
    (np.deg2rad, lambda x: np.deg2rad(x), [M]),
    (np.sqrt, lambda x: np.sqrt(x), [M]),
    (np.exp, lambda x: np.exp(x), [M]),
    (np.log, lambda x: np.log(x), [M]),
    (np.sin, lambda x: np.sin(x), [M]),
    (np.cos, lambda x: np.cos(x), [M]),
    (np.tanh, lambda x: np.tanh(x), [M]),
    (np.sign, lambda x: np.sign(x - 1.25) * x, [M]),
    (np.absolute, lambda x: np.abs(x - 1.25), [M]),
    (np.fabs, lambda x: np.fabs(x - 1.25), [M]),
    (np.maximum, lambda x, y: np.maximum(x, y), [M, ROW]),
    (np.maximum, lambda x: np.maximum.reduce(x, axis=1), [M]),
    (np.minimum, lambda x, y: np.minimum(x, y), [M, ROW]),
    (np.minimum, lambda x: np.minimum.reduce(x, axis=None), [M]),
    (np.where, lambda x, y: np.where(np.array([True, False, True]), x, y), [M, ()]),
    (np.where, lambda x, y: np.where(x > 1.25, x * x, y), [M, M]),
    (np.clip, lambda x: np.clip(x, 1.25, None), [M]),
    (np.clip, lambda x: np.clip(x, a_min=None, a_max=np.full((2, 1, 1), 1.25)), [M]),
    (np.clip, lambda x: np.clip(x, min=1.25), [M]),
    (np.clip, lambda x: np.clip(x, max=1.25), [M]),
    (np.sum, lambda x: np.sum(x, axis=(0, -1)), [CUBE]),
    (np.sum, lambda x: np.sum(x, 1, None, None, True), [CUBE]),
    (np.mean, lambda x: np.mean(x, axis=1, keepdims=True), [CUBE]),
    (np.mean, lambda x: np.mean(x), [CUBE]),
    (np.var, lambda x: np.var(x, axis=(0, 1), ddof=1), [CUBE]),
    (np.std, lambda x: np.std(x, axis=0, keepdims=True), [M]),
    (np.std, lambda x: np.std(x, ddof=1), [M]),
    (np.max, lambda x: np.max(x, axis=-1), [CUBE]),
    (np.min, lambda x: np.min(x, axis=0, keepdims=True), [CUBE]),
    (np.matmul, lambda x, y: np.matmul(x, y), [CUBE, (2, 3)]),
    (np.dot, lambda x, y: np.dot(x, y), [CUBE, (2, 3)]),
    (np.dot, lambda x, y: np.dot(x, y), [M, ROW]),
    (np.dot, lambda x, y: np.dot(x, y), [ROW, ROW]),
    (np.dot, lambda x, y: np.dot(x, y), [(), M]),
    (np.reshape, lambda x: np.reshape(x, (3, -1)), [M]),
    (np.ravel, lambda x: np.ravel(x), [M]),
    (np.transpose, lambda x: np.transpose(x, (1, 2, 0)), [CUBE]),
    (np.transpose, lambda x: np.transpose(x), [CUBE]),
    (np.broadcast_to, lambda x: np.broadcast_to(x, (2, 2, 3)), [ROW]),
    (np.expand_dims, lambda x: np.expand_dims(x, (0, -1)), [M]),
    (np.squeeze, lambda x: np.squeeze(x), [(1, 3, 1)]),
    (np.squeeze, lambda x: np.squeeze(x, axis=-1), [(1, 3, 1)]),
    (np.moveaxis, lambda x: np.moveaxis(x, 0, -1), [CUBE]),
    (np.moveaxis, lambda x: np.moveaxis(x, (0, 1), (2, 0)), [CUBE]),
    (np.swapaxes, lambda x: np.swapaxes(x, 0, -2), [CUBE]),
    (np.concatenate, lambda x, y: np.concatenate([x, y], axis=-1), [M, (2, 1)]),
    (np.concatenate, lambda x: np.concatenate((np.ones((1, 3)), x)), [M]),
    (np.stack, lambda x, y: np.stack((x, y), axis=-1), [M, M]),
    (np.full_like, lambda x, y: np.full_like(x, y), [M, ()]),
    (np.full_like, lambda x, y: np.full_like(x, y) * x, [M, ROW]),
    (np.copy, lambda x: np.copy(x), [M]),
    (np.take_along_axis, lambda x: np.take_along_axis(x, np.array([[2, 2], [0, 1]]), 1), [M]),
]


def name_of(function: Callable[..., Any]) -> str:
    return function.__name__


def assert_right(use: Use, xs: Sequence[np.ndarray]) -> None:
    """Assert that a function of arrays gives the same of Tensors, and its gradient as well."""
    expected = np.asarray(use(*xs))
    tensors = leaves(xs)
    y = use(*tensors)
    assert isinstance(y, tg.Tensor)
    # Where we compose what NumPy computes in one go (a variance, say), a few roundings differ.
    assert_close(y.data, expected, 8 * EPS * largest(expected))
    w = cotangent(rng_of(expected.shape), expected.shape)
    assert_gradients(use, xs, arrays_of(tg.grad(y, tensors, w)), w, analytic=False)


@pytest.mark.parametrize(
    ("use", "shapes"), [row[1:] for row in SUPPORTED], ids=[name_of(row[0]) for row in SUPPORTED]
)
def test_supported_function_gives_numpys_numbers_and_the_right_gradient(
    use: Use, shapes: Sequence[tuple[int, ...]]
) -> None:
    assert_right(use, apart(rng_of("numpy", shapes), shapes, 0.5, 2.0))


def test_no_supported_function_is_left_out() -> None:
    without_gradient = {row.numpy[0] for row in TABLE.values() if row.predicate}
    without_gradient |= {np.zeros_like, np.ones_like, np.empty_like, np.shape, np.ndim, np.size}
    without_gradient |= {np.result_type, np.can_cast}
    in_families = {use.function for use in USES}
    assert {row[0] for row in SUPPORTED} | in_families | without_gradient == set(FUNCTIONS)


QUESTIONS = {row.numpy[0] for row in TABLE.values() if row.predicate}
UFUNCS = [
    f
    for f in FUNCTIONS
    if isinstance(f, np.ufunc) and f.signature is None and f.nout == 1 and f not in QUESTIONS
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("ufunc", UFUNCS, ids=name_of)
def test_supported_ufunc_gives_numpys_dtype_and_special_values(ufunc: np.ufunc, dtype: Any) -> None:
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.0], dtype)
    arrays = np.meshgrid(special, special) if ufunc.nin == 2 else [special]
    with np.errstate(all="ignore"):
        y, expected = ufunc(*leaves(arrays)), ufunc(*arrays)
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y.data, expected, rtol=2 * np.finfo(dtype).eps)


# Plain NumPy functions, as somebody wrote them who has never heard of a Tensor


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def standardized(x: Any) -> Any:
    spread = np.std(x, axis=0)
    return np.where(spread > 0.01, (x - np.mean(x, axis=0)) / spread, 0.0)


def whitened(x: Any) -> Any:
    return (x - np.mean(x, (0, 2), keepdims=True)) / np.sqrt(
        np.var(x, (0, 2), keepdims=True) + 1e-5
    )


def distances(x: Any) -> Any:
    apart = np.expand_dims(x, 0) - np.expand_dims(x, 1)
    return np.sqrt(np.sum(np.square(apart), axis=-1) + np.eye(len(x)))


def network(x: Any, weights: Any, bias: Any) -> Any:
    hidden = np.maximum(np.dot(x, weights) + bias, 1.25)
    return np.tanh(np.concatenate([hidden, np.abs(x[:, :1])], axis=1))


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) / np.sqrt(np.shape(q)[-1])
    return np.moveaxis(np.matmul(softmax(scores), v), 0, -1)


def polynomial(x: Any) -> Any:
    powers = np.stack([x**n for n in range(4)], axis=-1)
    return powers @ np.array([1.0, -2.0, 0.5, 3.0])


def huber(x: Any) -> Any:
    size = np.abs(x - 1.25)
    return np.mean(np.where(size < 0.3, 0.5 * size**2, 0.3 * (size - 0.15)))


PLAIN_FUNCTIONS = [
    (softmax, [M]), (standardized, [(4, 3)]), (whitened, [(2, 3, 2)]), (distances, [(3, 2)]),
    (network, [M, (3, 2), (2,)]), (attention, [(2, 2, 2)] * 3), (polynomial, [M]), (huber, [M]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "shapes"), PLAIN_FUNCTIONS, ids=[name_of(f) for f, _ in PLAIN_FUNCTIONS]
)
def test_plain_numpy_function_differentiates_unchanged(
    function: Use, shapes: Sequence[tuple[int, ...]]
) -> None:
    xs = apart(rng_of("plain", function.__name__), shapes, 0.5, 2.0)
    expected = function(*xs)
    tensors = leaves(xs)
    y = function(*tensors)
    w = cotangent(rng_of(expected.shape), expected.shape)
    # A handful of operations, each of which may differ by a rounding of values near 1, divided
    # by spreads of 0.1 and more.
    assert_close(y.data, expected, 64 * EPS * max(1.0, largest(expected)))
    assert_gradients(function, xs, arrays_of(tg.grad(y, tensors, w)), w, analytic=False)


# Unusual calls


UNUSUAL: dict[str, Use] = {
    "concatenate along a NumPy integer": lambda x: np.concatenate([x, x], axis=np.int64(1)),
    "stack along a NumPy integer": lambda x: np.stack([x, x], axis=np.int64(-1)),
    "sum along a NumPy integer": lambda x: np.sum(x, axis=np.int64(1)),
    "full_like of a number": lambda x: np.full_like(x, 2.5),
    "full_like of another dtype": lambda x: np.full_like(x.astype(np.float32), x[0, 0]),
    "sum over no axis": lambda x: np.sum(x, axis=()),
    "var over no axis": lambda x: np.var(x, axis=()),
    "max of negated axes": lambda x: np.max(x, axis=(-1, -2)),
    "dot with a list": lambda x: np.dot([1.0, 2.0], x),
    "where of one argument": lambda x: np.where(x > 1.0)[0],
    "where with a recorded condition": lambda x: np.where(x - 1.0, x, -x),
    "clip with crossed bounds": lambda x: np.clip(x, 1.5, 1.0),
    "clip without bounds": lambda x: np.clip(x, None, None),
    "clip with integer bounds": lambda x: np.clip(x, 1, np.array([1, 2, 3])),
    "reshape to a number": lambda x: np.reshape(x, 6),
    "reshape to a list": lambda x: np.reshape(x, [3, 2]),
    "transpose by a list": lambda x: np.transpose(x, [1, 0]),
    "transpose by negative axes": lambda x: np.transpose(x, (-1, 0)),
    "swap with itself": lambda x: np.swapaxes(x, 1, -1),
    "broadcast to a number": lambda x: np.broadcast_to(x[0, 0], 3),
    "power of integers": lambda x: np.power(x, np.array([2, -1, 0])),
    "integer to a power": lambda x: np.power(2, x),
    "negative integer array to a power": lambda x: np.power(np.array([1, 2, 3]), x),
    "matmul of a list": lambda x: np.matmul([[1, 2]], x),
    "float32 scalar": lambda x: np.float32(0.1) * x,
    "NumPy integer": lambda x: np.int64(3) - x,
    "array over": lambda x: np.arange(3) / x,
    "boolean array": lambda x: np.array([True, False, True]) * x,
    "array method": lambda x: x.sum(0).dot(np.ones(3)),
    "shape and size": lambda x: np.ones(np.shape(x)) * np.size(x) * np.ndim(x) * x,
    "builtin sum": lambda x: sum(x),
    "builtin max": lambda x: max(x[0]),
    "builtin abs": lambda x: abs(x),
}


# Not supported for certain, nor refused for certain
DOUBTFUL: dict[str, Use] = {
    "concatenate flattened": lambda x: np.concatenate([x, x], axis=None),
    "stack on no axis": lambda x: np.stack([x, x], axis=None),
    "concatenate on two axes": lambda x: np.concatenate([x, x], axis=(1, 0)),
    "std with half a degree": lambda x: np.std(x, ddof=0.5),
    "dot of 3-D": lambda x: np.dot(np.stack([x, x]), np.stack([x.T, x.T])),
    "reshape to an array": lambda x: np.reshape(x, np.array([3, 2])),
    "amax": lambda x: np.amax(x),
    "round": lambda x: np.round(x),
    "builtin round": lambda x: round(x[0, 0]),
    "floor division": lambda x: x // 2.0,
    "modulo": lambda x: x % 2.0,
    "divmod": lambda x: divmod(x, 2.0)[0],
    "mean of a list": lambda x: np.mean([x, x]),
    "einsum": lambda x: np.einsum("ij->i", x),
    "cumsum": lambda x: np.cumsum(x),
    "flip": lambda x: np.flip(x),
    "unary plus": lambda x: +x,
    "where of numbers": lambda x: np.where(x > 1.0, 2.0, 3.0),
}


def numbers_of(use: Use, x: Any) -> np.ndarray | None:
    """Give the numbers that a function of x makes, or None if it is refused."""
    try:
        y = use(x)
    except (TypeError, ValueError):
        return None
    return y.data if isinstance(y, tg.Tensor) else np.asarray(y)


def assert_numbers_of_numpy(use: Use, *, or_refused: bool) -> None:
    array = np.array([[0.5, 1.25, 2.0], [1.75, 0.75, 1.5]])
    ours, numpys = numbers_of(use, leaves([array])[0]), numbers_of(use, array)
    if ours is None and or_refused:
        return
    assert ours is not None
    assert numpys is not None  # what NumPy refuses is to be refused here too
    assert_close(ours, numpys, 8 * EPS * largest(numpys))
    assert ours.dtype == numpys.dtype


@pytest.mark.parametrize("use", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_call_gives_numpys_numbers(use: Use) -> None:
    assert_numbers_of_numpy(use, or_refused=False)


@pytest.mark.parametrize("use", DOUBTFUL.values(), ids=DOUBTFUL)
def test_doubtful_call_gives_numpys_numbers_or_is_refused_but_never_gives_others(use: Use) -> None:
    assert_numbers_of_numpy(use, or_refused=True)


# What is not supported


def public_functions() -> Iterator[Any]:
    """Yield each public function of NumPy that asks its arguments for an answer of their own."""
    for module in (np, np.linalg, np.fft, np.emath, np.lib.stride_tricks):
        for name in dir(module):
            function = getattr(module, name)
            dispatches = hasattr(function, "_implementation") or isinstance(function, np.ufunc)
            if dispatches and function not in FUNCTIONS and function not in PLAIN:
                yield function


UNSUPPORTED = sorted({f.__name__: f for f in public_functions()}.items())


def required_arguments(function: Any, x: tg.Tensor) -> list[Any]:
    """Give a Tensor for each argument that must be given, but a path for a file."""
    if isinstance(function, np.ufunc):
        return [x] * function.nin
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # a builtin of NumPy before 2.4: its signature opens its docstring
        listed = function.__doc__.split("(", 1)[1].split(")", 1)[0].split(",")
        return [x for name in listed if "=" not in name and name.strip(" /*[")]
    required = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return [os.devnull if p.name in ("file", "fname") else x for p in required]


@pytest.mark.parametrize(("name", "function"), UNSUPPORTED, ids=[name for name, _ in UNSUPPORTED])
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # NumPy's own, before us
def test_unsupported_function_is_refused_by_name(name: str, function: Any) -> None:
    (x,) = leaves([np.array([[1.0, 2.0], [3.0, 4.0]])])
    for tensor in (x, x.detach()):  # a constant too: the answer must not hang on requires_grad
        with pytest.raises(TypeError, match=rf"np\.(\w+\.)*{name}\b.* not recorded"):
            function(*required_arguments(function, tensor))


def test_the_loop_over_numpys_functions_is_not_empty() -> None:
    names = {name for name, _ in UNSUPPORTED}
    assert len(names) > 120
    assert {"fft", "eig", "unique", "bitwise_and", "convolve", "put", "svd"} <= names


def assigned(array: np.ndarray, index: Any, value: Any) -> None:
    array[index] = value


WAYS_OUT: dict[str, Use] = {
    "asarray": np.asarray,
    "array": np.array,
    "asanyarray": np.asanyarray,
    "ascontiguousarray": np.ascontiguousarray,
    "asarray_chkfinite": np.asarray_chkfinite,
    "require": np.require,
    "asarray with a dtype": lambda x: np.asarray(x, dtype=np.float32),
    "array of a list": lambda x: np.array([x, x]),
    "array of values": lambda x: np.array(list(x)),
    "asarray of a result": lambda x: np.asarray(x * 2.0),
    "function of a list": lambda x: np.sum([x, x]),
    "ufunc of a list": lambda x: np.exp([x, x]),
    "stack of a nested list": lambda x: np.stack([[x, x]]),
    "assignment": lambda x: assigned(np.zeros(3), slice(None), x),
    "assignment of a value": lambda x: assigned(np.zeros(3), slice(None), x.sum()),
    "assignment to a row": lambda x: assigned(np.zeros((2, 3)), 0, x),
    "assignment to a mask": lambda x: assigned(np.zeros(3), np.array([True] * 3), x),
    "full": lambda x: np.full(3, x),
    "full_like an array": lambda x: np.full_like(np.zeros(3), x),
    "copyto": lambda x: np.copyto(np.zeros(3), x),
    "fill_diagonal": lambda x: np.fill_diagonal(np.zeros((3, 3)), x),
    "put": lambda x: np.put(np.zeros(3), [0, 1, 2], x),
    "putmask": lambda x: np.putmask(np.zeros(3), [True] * 3, x),
    "place": lambda x: np.place(np.zeros(3), [True] * 3, x),
    "insert": lambda x: np.insert(np.zeros(3), 0, x),
    "arange": lambda x: np.arange(x.sum()),
    "vectorize": lambda x: np.vectorize(float)(x),
    "r_": lambda x: np.r_[x, x],
    "broadcast": lambda x: np.broadcast(x, x),
    "ndenumerate": lambda x: np.ndenumerate(x),
    "array.dot": lambda x: np.ones(3).dot(x),
    "array.clip": lambda x: np.ones(3).clip(x, 5.0),
    "clip of an array": lambda x: np.clip(np.ones(3), x, 5.0),
    "add.at": lambda x: np.add.at(np.zeros(3), [0, 1, 2], x),
    "sum of an array into it": lambda x: np.sum(np.ones((2, 3)), axis=0, out=x),
    "add of arrays into it": lambda x: np.add(np.ones(3), 1.0, out=x),
    "random": lambda x: np.random.default_rng(0).normal(x),
    "masked array": lambda x: np.ma.array(x),
    "masked function": lambda x: np.ma.sqrt(x),
    "masked operator": lambda x: np.ma.ones(3) + x,
    "frompyfunc": lambda x: np.frompyfunc(float, 1, 1)(x),
    "slope of leaky_relu": lambda x: tg.leaky_relu(tg.Tensor([1.0]), x.sum()),
}


@pytest.mark.parametrize("way", WAYS_OUT.values(), ids=WAYS_OUT)
def test_no_way_into_a_plain_array_loses_a_gradient_silently(way: Use) -> None:
    with pytest.raises(TypeError, match=r"gradient|not recorded"):
        way(leaves([np.array([1.0, 2.0, 4.0])])[0])


def test_constants_and_tensors_inside_no_grad_turn_into_arrays() -> None:
    (x,) = leaves([np.array([1.0, 2.0])])
    with tg.no_grad():
        inside = np.asarray(x)
    for array in (inside, np.asarray(x.detach()), np.array(x.detach())):
        assert type(array) is np.ndarray
        assert array.tolist() == [1.0, 2.0]
    assert not np.asarray(x.detach()).flags.writeable  # no copy, so no writing
    mine = np.array(x.detach())
    mine[0] = 9.0
    assert x.data.tolist() == [1.0, 2.0]
    assert np.asarray(x.detach(), dtype=np.float32).dtype == np.float32


# Arguments that are not supported


TARGET = np.full((2, 2), 7.0)
REFUSED: dict[str, Use] = {
    "np.sum with out=": lambda x: np.sum(x, axis=0, out=TARGET[0]),
    "np.mean with out=": lambda x: np.mean(x, axis=0, out=TARGET[0]),
    "np.var with out=": lambda x: np.var(x, axis=0, out=TARGET[0]),
    "np.max with out=": lambda x: np.max(x, axis=0, out=TARGET[0]),
    "np.clip with out=": lambda x: np.clip(x, 0.0, 1.0, out=TARGET),
    "np.clip called like this: casting": lambda x: np.clip(x, 0.0, 1.0, casting="safe"),
    "np.concatenate with out=": lambda x: np.concatenate([x[:1], x[:1]], out=TARGET),
    "np.stack with out=": lambda x: np.stack([x[0], x[0]], out=TARGET),
    "np.dot with out=": lambda x: np.dot(x, x, out=TARGET),
    "np.full_like with a Tensor: dtype=": lambda x: np.full_like(x, x[0, 0], dtype=np.float32),
    "np.reshape with order='A'": lambda x: np.reshape(x, 4, order="A"),
    "np.ravel with order='K'": lambda x: np.ravel(x, order="K"),
    "np.prod with out=": lambda x: np.prod(x, axis=0, out=TARGET[0]),
    "np.cumsum with out=": lambda x: np.cumsum(x, axis=0, out=TARGET),
    "np.median with out=": lambda x: np.median(x, axis=0, out=TARGET[0]),
    "np.pad with mode='mean'": lambda x: np.pad(x, 1, mode="mean"),
    "np.linalg.norm of a matrix with ord=2": lambda x: np.linalg.norm(x, 2),
    "np.take with mode='clip'": lambda x: np.take(x, 5, mode="clip"),
    "np.quantile with method='lower'": lambda x: np.quantile(x, 0.5, method="lower"),
    "np.gradient with uneven steps": lambda x: np.gradient(x, [0.0, 1.0], axis=0),
    "np.copy called like this: order": lambda x: np.copy(x, order="F"),
    "np.broadcast_to called like this: subok": lambda x: np.broadcast_to(x, (2, 2), subok=True),
    "np.exp into an array": lambda x: np.exp(x, out=TARGET),
    "np.add into an array": lambda x: np.add(TARGET, x, TARGET),
    "np.isnan into an array": lambda x: np.isnan(x, out=np.zeros((2, 2), bool)),
    "np.exp with where=": lambda x: np.exp(x, where=x.data > 0),
    "np.exp with dtype=": lambda x: np.exp(x, dtype=np.float32),
    "np.add with casting=": lambda x: np.add(x, x, casting="unsafe"),
    "np.matmul with axes=": lambda x: np.matmul(x, x, axes=[(0, 1)] * 3),
    "np.add.reduce into an array": lambda x: np.add.reduce(x, out=TARGET[0]),
    "np.subtract.reduce": lambda x: np.subtract.reduce(x),
    "np.multiply.reduce into an array": lambda x: np.multiply.reduce(x, out=TARGET[0]),
    "np.add.reduceat": lambda x: np.add.reduceat(x, [0, 1]),
    "np.add.at": lambda x: np.add.at(TARGET, 0, x),
    "np.logical_and.reduce": lambda x: np.logical_and.reduce(x),
}


@pytest.mark.parametrize(("words", "use"), REFUSED.items(), ids=list(REFUSED))
def test_argument_that_is_not_supported_is_refused_by_name(words: str, use: Use) -> None:
    (x,) = leaves([np.array([[1.0, 2.0], [3.0, 4.0]])])
    with pytest.raises(TypeError) as caught:
        use(x)
    sentence = str(caught.value)
    for part in words.split(": "):
        assert part in sentence
    assert (TARGET == 7.0).all()


# What answers with plain arrays by intent


PLAIN_ARGUMENTS: dict[Any, Callable[[Any], tuple[Any, ...]]] = {
    np.full_like: lambda x: (x, 2.5),
    np.can_cast: lambda x: (x.dtype, np.float32),
    np.result_type: lambda x: (x, np.float32),
    np.shares_memory: lambda x: (x, x[0]),
    np.may_share_memory: lambda x: (x, x[0]),
}


@pytest.mark.parametrize("function", sorted(PLAIN, key=name_of), ids=name_of)
def test_function_without_a_gradient_answers_as_for_the_array(function: Any) -> None:
    (x,) = leaves([np.array([[1.0, 0.0], [np.nan, -4.0]])])
    count = function.nin if isinstance(function, np.ufunc) else 1
    binary = function in (np.isclose, np.allclose, np.array_equal)
    arguments = PLAIN_ARGUMENTS.get(function, lambda x: (x,) * (2 if binary else count))
    result, expected = function(*arguments(x)), function(*arguments(x.data))
    assert not isinstance(result, tg.Tensor)
    assert type(result) is type(expected)
    if function is np.empty_like:
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    else:
        np.testing.assert_array_equal(result, expected)
