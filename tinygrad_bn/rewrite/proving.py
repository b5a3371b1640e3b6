"""Whether two ways to compute a gradient are the same: by normal form, not by trying numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..program.replaying import on_tensors
from ..sizes import Size
from ..tensor import Tensor
from .algebra import Atom, Formula, common, number, product, raised
from .computing import Numbers, Tensors, retraced
from .naming import Names
from .reading import Reading, read
from .simplifying import Simplifier
from .writing import TEXT

if TYPE_CHECKING:
    from .derivation import Derivation

DIFFERS = 1e-6  # relative; what random numbers must show for a refutation


@dataclass(frozen=True)
class Proof:
    """What a comparison of normal forms shows. True only if the two are equal.

    Attributes
    ----------
    verdict : "equal", "not equal" or "cannot tell"
        "cannot tell": the normal forms differ, but random numbers do not show it. Then the two
        may be equal by a law that is not used here.
    difference : str
        The formula of the other function less the closed form, as text; "0" if they are equal.
    missing, extra : tuple of str
        Terms of the closed form that the other has not, and terms that only the other has.
    factor : str or None
        What the closed form must be multiplied by to give the other, if it is one product.
    where : str
        Definitions of what is in these terms and not in the closed form.
    only : str
        The lengths for which alone they are equal, where a function makes a plain number of a
        length, as ``len(x)`` does.
    error : float
        The largest difference on random numbers, relative to the largest number.
    """

    verdict: str
    difference: str = "0"
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    factor: str | None = None
    where: str = ""
    only: str = ""
    error: float = 0.0

    def __bool__(self) -> bool:
        return self.verdict == "equal"

    def __str__(self) -> str:
        if self.verdict == "equal":
            only = f" for {self.only}" if self.only else ""
            return (
                f"equal{only}: in exact arithmetic both have the same normal form, by the laws of "
                "algebra and the linearity of sums"
            )
        if self.verdict == "cannot tell":
            return (
                f"cannot tell: the normal forms differ by {self.difference}, but on random numbers "
                f"both agree to {self.error:.0e}"
            )
        where = f" (where {self.where})" if self.where else ""
        return f"not equal: {self._words()}{where}"

    def _words(self) -> str:
        if self.factor is not None:
            return f"it is the closed form times {self.factor}"
        if self.missing and not self.extra:
            return f"{_terms(self.missing)} missing"
        if self.extra and not self.missing:
            return f"{_terms(self.extra)} too much"
        return f"it has {_list(self.extra)} in place of {_list(self.missing)}"


def _list(terms: Sequence[str]) -> str:
    return ", ".join(terms)


def _terms(terms: Sequence[str]) -> str:
    one = len(terms) == 1
    return f"the term{'' if one else 's'} {_list(terms)} {'is' if one else 'are'}"


def compared(derivation: Derivation, g: Callable[..., Any]) -> Proof:
    """Compare the closed form of a derivation with another function."""
    program, source = derivation.recorded, derivation.source
    arguments = _arguments(g, [str(x.name) for x in program.inputs], derivation.name)

    def both(given: Tensors) -> list[Tensor]:
        by_name = {str(x.name): tensor for x, tensor in given.items()}
        ours, *forward = on_tensors(source, dict(zip(source.inputs, given.values(), strict=True)))
        result = _chosen(g(*(by_name[name] for name in arguments)), derivation.name)
        return [ours, result, *forward]

    joined = retraced(program, program.name, both)
    ours, theirs = joined.outputs[:2]
    if ours.shape != theirs.shape:
        raise ValueError(
            f"proves: the function returns an array of shape {theirs.shape}, but {derivation.name} "
            f"has shape {ours.shape}"
        )
    given = len(source.inputs) - len(derivation.reading.cotangents)
    reading = read(joined, joined.inputs[given:], [(ours, theirs)], other=theirs)
    difference = reading.full.known[theirs] - reading.full.known[ours]
    if reading.ring.is_zero(difference):
        return Proof("equal")
    lengths = _fixed_lengths(reading)
    if lengths and reading.ring.is_zero(reading.ring.put(difference, lengths.get)):
        names = Names(reading, derivation.name)
        return Proof("equal", only=", ".join(
            f"{names.length(atom.content[0])} = {value.number()}" for atom, value in lengths.items()
        ))  # fmt: skip
    numbers = Numbers(reading)
    left, right = numbers.values[theirs], numbers.values[ours]
    error = float(np.max(np.abs(left - right)) / max(float(np.max(np.abs(right))), 1e-300))
    return _differing(derivation, reading, error if np.isfinite(error) else np.inf)


def _fixed_lengths(reading: Reading) -> dict[Atom, Formula]:
    """Return the lengths for which alone a program holds, since it makes a plain number of them."""
    found: dict[Atom, Formula] = {}
    for guard in reading.program.guards:
        if guard.sign == "==" and isinstance(guard.left, Size) and isinstance(guard.right, int):
            length = reading.full.size(guard.left).atom()
            if length is not None:
                found[length] = number(guard.right)
    return found


def _differing(derivation: Derivation, reading: Reading, error: float) -> Proof:
    """Write the difference in the terms of the closed form."""
    simplifier = Simplifier(reading)
    for line in reading.lines:
        simplifier.lines[line.atom] = simplifier.simplified(line.recorded)
    ours, theirs = (
        simplifier.simplified(reading.shown.known[x]) for x in reading.program.outputs[:2]
    )
    names = Names(reading, derivation.name)
    write = names.writer(TEXT)
    missing = Formula({f: c for f, c in ours.terms.items() if theirs.terms.get(f) != c})
    extra = Formula({f: c for f, c in theirs.terms.items() if ours.terms.get(f) != c})
    factor = _ratio(theirs, ours)
    proof = Proof(
        "not equal" if error > DIFFERS else "cannot tell",
        difference=write.factored(theirs - ours),
        missing=tuple(write.expanded(Formula({f: c})) for f, c in missing.terms.items()),
        extra=tuple(write.expanded(Formula({f: c})) for f, c in extra.terms.items()),
        factor=None if factor is None else write.expanded(factor),
        error=error,
    )
    new = names.definitions(theirs - ours, TEXT).items() - derivation.where.items()
    return replace(proof, where=", ".join(f"{name} = {what}" for name, what in sorted(new)))


def _ratio(a: Formula, b: Formula) -> Formula | None:
    """Return the single product by which `b` must be multiplied to give `a`."""
    if len(a.terms) != len(b.terms) or not a:
        return None
    (of_a, c), (of_b, d) = common(a), common(b)
    by = product(of_a, raised(of_b, -1))
    for ratio in (c / d, -c / d):
        if b.times(ratio, by) == a:
            return Formula({by: ratio})
    return None


def _arguments(g: Callable[..., Any], inputs: Sequence[str], name: str) -> list[str]:
    """Return the names of the inputs that `g` is called with."""
    try:
        parameters = inspect.signature(g).parameters.values()
    except (TypeError, ValueError):
        return list(inputs)
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return list(inputs)
    needed = [p for p in parameters if p.default is p.empty and p.kind in (
        p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]  # fmt: skip
    names = [p.name for p in needed]
    if all(n in inputs for n in names):
        return names
    if len(names) == len(inputs):
        return list(inputs)
    raise ValueError(
        f"proves: the function takes {', '.join(names)}; the inputs for {name} are "
        f"{', '.join(inputs)}"
    )


def _chosen(result: Any, name: str) -> Any:
    """Return the gradient in question, of a named tuple of gradients."""
    if isinstance(result, tuple):
        if hasattr(result, name):
            return getattr(result, name)
        raise ValueError(
            f"proves: the function returns {len(result)} values; return {name} alone, or a named "
            f"tuple with a field {name}"
        )
    if not isinstance(result, Tensor):
        raise TypeError(f"proves: the function returned {type(result).__name__}, not an array")
    return result
