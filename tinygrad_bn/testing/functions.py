"""Random functions composed of primitives, for property tests of whatever takes a function.

Each is Python source, drawn line by line, so a failing one can be read, copied and run. Its inputs
are a batch and parameters whose shapes fit for every batch size.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEATURES = 3
# The shapes of values, for a batch of m examples with d features
BATCH, ROW, FEATURE, COLUMN, SINGLE = "(m, d)", "(1, d)", "(d,)", "(m, 1)", "()"
INPUTS = {"x": BATCH, "y": BATCH, "b": FEATURE, "c": COLUMN, "s": SINGLE}

ELEMENTWISE = (  # with a, b and c for values of any shape; none leaves the real numbers
    "-{a}", "np.tanh({a})", "np.sin({a})", "np.cos({a})", "np.exp(np.tanh({a}))", "np.abs({a})",
    "np.sqrt(np.abs({a}) + 1)", "np.log(np.abs({a}) + 0.5)", "{a} ** 2", "np.tanh({a}) ** 3",
    "np.sign({a}) * {b}", "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / (1 + {b} * {b})",
    "(np.abs({a}) + 1) ** np.tanh({b})", "np.maximum({a}, {b})", "np.minimum({a}, 0.25)",
    "np.where({a} > {b}, {a}, {c})", "np.where(({a} < 0) | ({b} >= 1), {c}, {a} * 2)",
    "np.where({a} == {a}, np.zeros_like({a}), {b})", "np.clip({a}, -1.0, 0.5)", "1.5 * {a}",
    "2 / (3 + np.abs({a}))", "tg.relu({a})", "tg.leaky_relu({a}, 0.1)", "tg.sigmoid({a})",
)  # fmt: skip
OF_A_BATCH = {  # with a for a batch, b for another
    "np.sum({a}, axis=0)": FEATURE, "np.mean({a}, axis=0, keepdims=True)": ROW,
    "np.max({a}, axis=1, keepdims=True)": COLUMN, "np.min({a}, axis=0)": FEATURE,
    "np.var({a}, axis=0, ddof=1)": FEATURE, "np.sum({a})": SINGLE, "np.mean({a}) * {a}": BATCH,
    "{a} / {a}.shape[0]": BATCH, "np.sum({a}, axis=0) / ({a}.shape[0] - 1)": FEATURE,
    "{a} @ ({b}.T @ {a})": BATCH, "np.concatenate([{a}, {b}])[{a}.shape[0]:]": BATCH,
    "np.sum(np.stack([{a}, {b}, {a}]), axis=0)": BATCH, "{a}[::-1] * {b}": BATCH,
    "{a}[:, :1]": COLUMN, "np.transpose({a}).reshape({a}.shape)": BATCH,
    "{a}[1:].sum(axis=0)": FEATURE,
    "np.broadcast_to({a}.sum(axis=0), {b}.shape)": BATCH, "np.repeat({a}, 2, axis=0)[::2]": BATCH,
    "tg.batch_norm({a})": BATCH, "tg.layer_norm({a}) * {b}": BATCH,
    "np.take_along_axis({a}, np.argmax({b}, axis=1)[:, None], axis=1)": COLUMN,
    "np.reshape({a}, (-1,)).reshape({a}.shape)": BATCH,
}  # fmt: skip


@dataclass(frozen=True)
class ComposedFunction:
    """A function of NumPy arrays or Tensors, and how to make its inputs. Printed, it is source."""

    source: str
    shapes: tuple[str, ...]
    function: Any = field(repr=False, compare=False)

    def __call__(self, *inputs: Any) -> Any:
        """Compute the function."""
        return self.function(*inputs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.function)

    def inputs(
        self, batch_size: int, dtype: npt.DTypeLike = np.float64, seed: int = 0
    ) -> tuple[Array, ...]:
        """Make inputs for a batch of that size: values around 0, no two equal."""
        rng = np.random.default_rng([seed, batch_size])
        m, d = batch_size, FEATURES
        sizes = {BATCH: (m, d), FEATURE: (d,), COLUMN: (m, 1), SINGLE: ()}
        return tuple(np.asarray(rng.normal(size=sizes[s]), dtype) for s in self.shapes)

    def __repr__(self) -> str:
        return self.source


@st.composite
def functions(draw: st.DrawFn, max_steps: int = 6) -> ComposedFunction:
    """Draw a function of one to five arrays, composed of up to `max_steps` steps.

    >>> from hypothesis import find, settings
    >>> f = find(functions(), lambda f: "np.mean" in f.source, settings=settings(database=None))
    >>> print(f)
    def f(x):
        t0 = np.mean(x, axis=0, keepdims=True)
        return t0
    >>> f.inputs(4)[0].shape, f(np.ones((4, 3)))
    ((4, 3), array([[1., 1., 1.]]))
    """
    others = draw(st.sets(st.sampled_from(sorted(set(INPUTS) - {"x"})), max_size=4))
    names = [name for name in INPUTS if name == "x" or name in others]
    known = {name: INPUTS[name] for name in names}
    lines = []
    for i in range(draw(st.integers(1, max_steps))):
        text, shape = draw(_steps(known))
        lines.append(f"    t{i} = {text}")
        known[f"t{i}"] = shape
    returned = draw(st.sampled_from([f"t{i}" for i in reversed(range(len(lines)))]))
    source = "\n".join([f"def f({', '.join(names)}):", *lines, f"    return {returned}"])
    return ComposedFunction(source, tuple(INPUTS[name] for name in names), _compiled(source))


@st.composite
def _steps(draw: st.DrawFn, known: dict[str, str]) -> tuple[str, str]:
    latest = sorted(known, reverse=True)
    batches = [name for name in latest if known[name] == BATCH]
    forms: Sequence[str] = (*OF_A_BATCH, *ELEMENTWISE)
    form = draw(st.sampled_from(forms))
    chosen = {
        letter: draw(st.sampled_from(batches if form in OF_A_BATCH else latest))
        for letter in "abc"
        if f"{{{letter}}}" in form
    }
    text = form.format(**chosen)
    return text, OF_A_BATCH.get(form) or _together([known[name] for name in chosen.values()])


def _together(shapes: Sequence[str]) -> str:
    """Return the shape to which shapes broadcast."""
    several = set(shapes) - {SINGLE}
    if not several:
        return SINGLE
    if BATCH in several or (COLUMN in several and len(several) > 1):
        return BATCH
    return COLUMN if COLUMN in several else ROW if ROW in several else FEATURE


def _compiled(source: str) -> Any:
    scope: dict[str, Any] = {"np": np, "tg": import_module("tinygrad_bn")}
    exec(source, scope)
    return scope["f"]
