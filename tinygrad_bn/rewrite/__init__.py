"""Formulas in a normal form: derivations of closed forms, and proofs that two are the same."""

from .derivation import Derivation, derive
from .proving import Proof
from .steps import Step

__all__ = ["Derivation", "Proof", "Step", "derive"]
