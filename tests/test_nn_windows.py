"""Windows, convolution and pooling against loops, and as primitives that differentiate twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_bn as tg
from tinygrad_bn import nn
from tinygrad_bn.nn.windows import overlap_add, places, windows

EPS = np.finfo(float).eps


@st.composite
def settings_of_windows(draw: st.DrawFn) -> dict:
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    return {
        "kernel": kernel,
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": padding,
        "size": tuple(
            draw(st.integers(max(1, k - 2 * p), 6)) for k, p in zip(kernel, padding, strict=True)
        ),
    }


def counts(kernel, stride, padding, size):
    return tuple(map(places, size, kernel, stride, padding))


def convolved(x, weight, bias, stride, padding, groups):
    """A convolution as its definition: six loops."""
    (n, _, *size), (c_out, per_group, *kernel) = x.shape, weight.shape
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    rows, columns = counts(tuple(kernel), stride, padding, size)
    y = np.zeros((n, c_out, rows, columns))
    for image, o, r, c in np.ndindex(y.shape):
        first = o // (c_out // groups) * per_group
        top, left = r * stride[0], c * stride[1]
        seen = x[image, first : first + per_group, top : top + kernel[0], left : left + kernel[1]]
        y[image, o, r, c] = (seen * weight[o]).sum() + bias[o]
    return y


@given(settings_of_windows(), st.integers(0, 2**32 - 1))
def test_overlap_add_is_the_adjoint_of_windows(case, seed) -> None:
    rng = np.random.default_rng(seed)
    kernel, stride, padding, size = case.values()
    x = rng.normal(size=(2, 3, *size))
    cut = windows(x, kernel=kernel, stride=stride, padding=padding, fill=0.0)
    assert cut.shape == (3, *kernel, 2, *counts(kernel, stride, padding, size))
    w = rng.normal(size=cut.shape)
    back = overlap_add(w, size=size, stride=stride, padding=padding)
    # <windows(x), w> = <x, overlap_add(w)>: the same products, summed in another order
    error = cut.size * EPS * float(np.abs(cut * w).sum())
    assert float((cut * w).sum()) == pytest.approx(float((x * back).sum()), rel=0, abs=error)


@pytest.mark.parametrize("row", [windows, overlap_add])
def test_the_example_in_the_table_shows_what_it_says(row) -> None:
    call, shown = row.example
    assert repr(eval(call, {"tg": tg})) == shown


@given(settings_of_windows(), st.sampled_from([(1, 2, 3), (2, 4, 2), (3, 3, 6)]), st.booleans())
def test_conv2d_is_its_definition_for_every_shape(case, channels, has_bias) -> None:
    groups, c_in, c_out = channels
    rng = np.random.default_rng(0)
    kernel, stride, padding, size = case.values()
    layer = nn.Conv2d(
        c_in, c_out, kernel, stride, padding, groups=groups, bias=has_bias, generator=rng
    )
    x = rng.normal(size=(2, layer.in_channels, *size))
    bias = layer.bias.data if has_bias else np.zeros(layer.out_channels)
    expected = convolved(x, layer.weight.data, bias, stride, padding, groups)
    np.testing.assert_allclose(layer(x).data, expected, rtol=0, atol=100 * EPS * np.abs(x).max())


@given(settings_of_windows())
def test_pooling_is_its_definition_for_every_shape(case) -> None:
    kernel, stride, padding, size = case.values()
    x = np.random.default_rng(1).normal(size=(2, 3, *size))
    for layer, fill, reduce in (
        (nn.MaxPool2d(kernel, stride, padding), -np.inf, np.max),
        (nn.AvgPool2d(kernel, stride, padding), 0.0, np.mean),
    ):
        y = layer(x).data
        padded = np.pad(
            x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill
        )
        for r, c in np.ndindex(y.shape[2:]):
            top, left = r * stride[0], c * stride[1]
            seen = padded[:, :, top : top + kernel[0], left : left + kernel[1]]
            np.testing.assert_allclose(y[:, :, r, c], reduce(seen, axis=(2, 3)), atol=1e-15)


def test_the_gradient_of_a_convolution_differentiates_again() -> None:
    # f(x) = |A x|^2 / 2 has the gradient A^T A x and the Hessian A^T A, for A the convolution
    rng = np.random.default_rng(2)
    layer = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False, generator=rng)
    x, v = (
        tg.Tensor(rng.normal(size=(2, 2, 5, 6)), requires_grad=True),
        rng.normal(size=(2, 2, 5, 6)),
    )
    (dx,) = tg.grad((layer(x) ** 2).sum() / 2, x, create_graph=True)
    (hv,) = tg.grad((dx * v).sum(), x)

    u = tg.Tensor(v, requires_grad=True)
    y = layer(u)
    (expected,) = tg.grad(y, u, grad_output=y.data)
    np.testing.assert_allclose(hv.data, expected.data, rtol=0, atol=1e3 * EPS)


def test_pooling_and_convolution_differentiate_a_third_time() -> None:
    # along v, f(x + t v) = s(t)^3 with s linear (no maximum changes hands near t = 0), so that
    # the third derivative is 6 s'(0)^3
    rng = np.random.default_rng(3)
    x = tg.Tensor(rng.normal(size=(1, 1, 6, 6)), requires_grad=True)
    v, w = rng.normal(size=(1, 1, 6, 6)), rng.normal(size=(1, 2, 2, 2))
    conv = nn.Conv2d(1, 2, 3, bias=False, generator=rng)

    def s(x):
        return (nn.MaxPool2d(2)(conv(x)) * w).sum()

    f = s(x) ** 3
    for _ in range(3):
        (d,) = tg.grad(f, x, create_graph=True)
        f = (d * v).sum()
    (ds,) = tg.grad(s(x), x)
    assert f.item() == pytest.approx(6 * float((ds.data * v).sum()) ** 3, rel=1e-11)


def test_a_maximum_shared_in_a_window_shares_its_gradient() -> None:
    x = tg.Tensor([[[[2.0, 2.0], [1.0, 2.0]]]], requires_grad=True)
    nn.MaxPool2d(2)(x).backward([[[[6.0]]]])
    np.testing.assert_allclose(x.grad, [[[[2.0, 2.0], [0.0, 2.0]]]], rtol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "groups=2 must divide in_channels=3"),
        (lambda: nn.Conv2d(3, 4, 0), "kernel_size must be an integer of at least 1"),
        (lambda: nn.Conv2d(3, 4, (1, 2, 3)), "or a pair of them"),
        (lambda: nn.Conv2d(3, 4, 3, stride=0), "stride must be an integer of at least 1"),
        (lambda: nn.Conv2d(3, 4, 3, padding=-1), "padding must be an integer of at least 0"),
        (lambda: nn.Conv2d(0, 4, 3), "in_channels must be an integer of at least 1"),
        (lambda: nn.MaxPool2d(2, padding=2), "more than half of the kernel"),
        (lambda: nn.Conv2d(3, 4, 3)(np.ones((2, 4, 5, 5))), r"\(N, 3, H, W\), not \(2, 4, 5, 5\)"),
        (lambda: nn.Conv2d(3, 4, 3)(np.ones((2, 3, 2, 5))), "does not fit into images"),
        (lambda: nn.AvgPool2d(2)(np.ones((2, 3))), r"\(N, C, H, W\), not \(2, 3\)"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_no_images_give_no_results() -> None:
    for layer in (nn.Conv2d(3, 4, 2), nn.MaxPool2d(2), nn.AvgPool2d(2)):
        assert layer(np.zeros((0, 3, 4, 4))).shape[0] == 0
