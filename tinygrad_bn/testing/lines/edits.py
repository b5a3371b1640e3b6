"""Small changes of the code, as other values at its places.

An edit is what one would change with a few keystrokes: another operator, name, sign, axis or
constant, one factor or term more or less. It is tried without writing any code: the place gets the
value that the edited expression would have.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .instrument import Place
from .trial import Override, Values

OPERATORS: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.Pow: ("**", operator.pow),
}
CONSTANTS = (0.5, 1, 1.5, 2, 3, 4)
AXES: tuple[Any, ...] = (0, 1, None, -1, (0, 1), (0, 2), (0, 2, 3), (2, 3))
EXCHANGED, REPLACED, INSERTED = 1, 2, 3  # the costs: of one token, of several, of something new


@dataclass(frozen=True)
class Edit:
    """A change at a place: `then` is the text that would stand there."""

    place: Place
    then: str
    cost: int
    override: Override

    def __str__(self) -> str:
        return f"`{self.then}` for `{self.place.text}`"


def edits_of(place: Place, places: Sequence[Place], names: Mapping[str, str]) -> Iterator[Edit]:
    """Yield the edits at one place; `names` are those in scope, each with the key of its value."""
    node = place.node
    if place.kind != "expression":
        return
    parent = _parent(place, places)
    if isinstance(node, ast.Constant):
        yield from _of_constant(place, node, parent)
    if isinstance(node, ast.BinOp):
        yield from _of_operator(place, node, places)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield Edit(place, _bare(places, place), EXCHANGED, lambda v, _: -v)
    if isinstance(node, ast.Name | ast.Attribute):
        yield from _of_name(place, names)
    if isinstance(node, ast.Call) and len(place.parts) == 1 and not node.keywords:
        part = place.parts[0]
        yield Edit(place, places[part].text, REPLACED, _value_of(part))
    if isinstance(node, ast.Call):
        yield from _of_function(place, node)
    if not isinstance(node, ast.Constant):
        yield from _insertions(place, parent, names)


def _parent(place: Place, places: Sequence[Place]) -> Place | None:
    for other in places[place.number + 1 :]:
        if other.statement != place.statement:
            return None
        if place.number in other.parts and other.kind == "expression":
            return other
    return None


def _bare(places: Sequence[Place], place: Place) -> str:
    return places[place.parts[0]].text if place.parts else place.text.lstrip("-")


def _of_function(place: Place, node: ast.Call) -> Iterator[Edit]:
    """Yield the sum for the mean, and the mean for the sum."""
    name = getattr(node.func, "attr", "")
    if name not in ("sum", "mean"):
        return

    def count(v: Any, values: Values) -> float:
        summed = next(values[k] for k in place.parts if isinstance(values[k], np.ndarray))
        return float(summed.size / np.size(v))

    other = "mean" if name == "sum" else "sum"
    then = place.text.replace(f".{name}(", f".{other}(", 1)
    if name == "sum":
        yield Edit(place, then, EXCHANGED, lambda v, values: v / count(v, values))
    else:
        yield Edit(place, then, EXCHANGED, lambda v, values: v * count(v, values))


def _of_constant(place: Place, node: ast.Constant, parent: Place | None) -> Iterator[Edit]:
    value: Any = node.value
    in_call = parent is not None and isinstance(parent.node, ast.Call)
    if isinstance(value, bool):
        yield Edit(place, str(not value), EXCHANGED, lambda v, _: not v)
        return
    if in_call or isinstance(value, int):
        for axis in AXES:
            if axis != value:
                yield Edit(place, str(axis), EXCHANGED, _constantly(axis))
    others = [-value, *CONSTANTS, *(-c for c in CONSTANTS), value + 1, value - 1]
    for other in dict.fromkeys(others):
        if other != value:
            cost = REPLACED if other < 0 <= value else EXCHANGED  # a sign is one token more
            yield Edit(place, f"{other:g}", cost, _constantly(other))


def _of_operator(place: Place, node: ast.BinOp, places: Sequence[Place]) -> Iterator[Edit]:
    if len(place.parts) != 2:
        return
    left, right = place.parts
    a, b = places[left].text, places[right].text
    for kind, (sign, compute) in OPERATORS.items():
        if not isinstance(node.op, kind):

            def other(_: Any, v: Values, f: Callable[[Any, Any], Any] = compute) -> Any:
                return f(v[left], v[right])

            yield Edit(place, f"{a} {sign} {b}", EXCHANGED, other)
        elif kind in (ast.Sub, ast.Div, ast.Pow):

            def turned(_: Any, v: Values, f: Callable[[Any, Any], Any] = compute) -> Any:
                return f(v[right], v[left])

            yield Edit(place, f"{b} {sign} {a}", REPLACED, turned)
    yield Edit(place, a, REPLACED, _value_of(left))
    yield Edit(place, b, REPLACED, _value_of(right))


def _of_name(place: Place, names: Mapping[str, str]) -> Iterator[Edit]:
    for name, key in names.items():
        if name != place.text:
            yield Edit(place, name, EXCHANGED, _value_of(key))


def _insertions(place: Place, parent: Place | None, names: Mapping[str, str]) -> Iterator[Edit]:
    """Yield one factor more at the top of a product, one term more at the top of a sum."""
    text, whole = place.text, _in_brackets(place)
    yield Edit(place, f"-{whole}", REPLACED, lambda v, _: -v)
    above = getattr(parent.node, "op", None) if parent else None
    if isinstance(above, ast.Mult | ast.Div):
        return  # the product is as long there
    for number, key in (("2", 2.0), ("0.5", 0.5), ("m", "m"), ("(m - 1)", "m - 1")):
        times = _computed(operator.mul, key)
        yield Edit(place, f"{number} * {whole}", INSERTED, times)
        yield Edit(place, f"{whole} / {number}", INSERTED, _computed(operator.truediv, key))
    signs = ("*", "/") if isinstance(above, ast.Add | ast.Sub | ast.Pow) else ("*", "/", "+", "-")
    for sign, compute in OPERATORS.values():
        if sign in signs:
            shown = whole if sign in "*/" else text
            for name, key in names.items():
                yield Edit(place, f"{shown} {sign} {name}", INSERTED, _computed(compute, key))
    if not isinstance(place.node, ast.Name):
        yield Edit(place, f"np.sqrt({text})", INSERTED, lambda v, _: np.sqrt(v))
        yield Edit(place, f"{whole} ** 2", INSERTED, lambda v, _: v * v)


def _value_of(key: int | str) -> Override:
    return lambda _, values: values[key]


def _constantly(value: Any) -> Override:
    return lambda _, __: value


def _computed(compute: Callable[[Any, Any], Any], key: str | float) -> Override:
    """Compute with the value of a name, or with a number."""
    if isinstance(key, str):
        return lambda v, values: compute(v, values[key])
    return lambda v, _: compute(v, key)


def _in_brackets(place: Place) -> str:
    return f"({place.text})" if isinstance(place.node, ast.BinOp) else place.text
