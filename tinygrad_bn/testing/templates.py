"""The text of the tests that ``tinygrad-bn write`` writes.

NAME is the function under test, X its first argument, REST the others, AXES what a batch norm
averages over.
"""

from __future__ import annotations

HEAD = '''"""Property tests of FILE, written by `tinygrad-bn write` to be kept and edited.

Run them with `pytest`. Each test draws inputs; if one fails, the smallest that fails is shown.
"""

STANDARD
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_bn.testing import USED

IMPORTS

SIZES = {"seed": st.integers(0, 2**32 - 1), "m": st.integers(3, 6), "d": st.integers(1, 4)}
property_test = settings(deadline=None, max_examples=30)  # more examples find rarer mistakes


def apart(rng, shape):
    size = int(np.prod(shape))
    return (rng.permutation(size) + rng.uniform(-0.25, 0.25, size)).reshape(shape) - size / 2


def values(rng, shape):
    return np.asarray(rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape))


def close(a, b, tolerance=1e-3):  # relative to the largest value
    return np.abs(np.subtract(a, b)).max() <= tolerance * max(1.0, np.abs(b).max())


'''

GRADIENT = '''
@property_test
@given(**SIZES)
def test_the_gradients_of_NAME_are_right(seed, m, d):
    """The backward pass is the derivative of the forward pass."""
    arrays = NAME_inputs(seed, m, d)
    gradcheck(NAME, *arrays, vjp=NAME_gradients, seed=seed).raise_if_wrong()
'''

KEEPS_SHAPE = """
@property_test
@given(**SIZES, dtype=st.sampled_from([np.float32, np.float64]))
def test_NAME_keeps_shapes_and_leaves_its_inputs_alone(seed, m, d, dtype):
    arrays = [a.astype(dtype) for a in NAME_inputs(seed, m, d)]
    kept = [a.copy() for a in arrays]
    out = NAME(*arrays)
    assert out.shape == arrays[0].shape
    for gradient, a in zip(NAME_gradients(np.ones_like(out), *arrays), arrays):
        assert gradient.shape == a.shape
    for a, before in zip(arrays, kept):
        assert np.array_equal(a, before)
"""

SHAPES_OF = """
@property_test
@given(**SIZES)
def test_the_gradients_of_NAME_have_the_shapes_of_its_inputs(seed, m, d):
    arrays = NAME_inputs(seed, m, d)
    kept = [a.copy() for a in arrays]
    out = NAME(*arrays)
    for gradient, a, before in zip(NAME_gradients(np.ones_like(out), *arrays), arrays, kept):
        assert np.shape(gradient) == a.shape
        assert np.array_equal(a, before)
"""

NORMALIZED = """
@property_test
@given(**SIZES)
def test_NAME_gives_each_feature_the_mean_beta_and_the_deviation_gamma(seed, m, d):
    X, REST = NAME_inputs(seed, m, d)
    out = NAME(100 * X, REST)  # beside this variance, eps is small
    assert close(out.mean(axis=AXES), beta)
    assert close(out.std(axis=AXES), np.abs(gamma))
"""

INVARIANCES = {
    "shift": """
@property_test
@given(**SIZES)
def test_NAME_does_not_change_when_X_is_shifted(seed, m, d):
    X, REST = NAME_inputs(seed, m, d)
    assert close(NAME(X + 3.0, REST), NAME(X, REST))
""",
    "scale": """
@property_test
@given(**SIZES)
def test_NAME_does_not_change_when_X_is_scaled(seed, m, d):
    X, REST = NAME_inputs(seed, m, d)
    assert close(NAME(200 * X, REST), NAME(100 * X, REST))
""",
    "order": """
@property_test
@given(**SIZES)
def test_NAME_of_a_batch_in_another_order_is_its_result_in_that_order(seed, m, d):
    X, REST = NAME_inputs(seed, m, d)
    order = np.random.default_rng(seed).permutation(m)
    assert close(NAME(X[order], REST), NAME(X, REST)[order])
""",
}

INFERENCE = """
@property_test
@given(**SIZES)
def test_NAME_in_inference_agrees_with_training_where_the_statistics_do(seed, m, d):
    X, REST = NAME_inputs(seed, m, d)
    out = NAME_inference(X, REST, X.mean(axis=AXES), X.var(axis=AXES))
    assert close(out, NAME(X, REST))
"""

JUDGED = '''
def test_NAME_passes_the_judge():
    """All of the above and more: running statistics, a cache of its own, known mistakes."""
    report = check_batch_norm(SUBJECT, examples=50)
    assert report, str(report)
'''
