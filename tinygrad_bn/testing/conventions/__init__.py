"""The calling conventions of implementations: found in a file, guessed, tried, and written down.

``find`` looks through a file. ``pair`` and ``layers`` guess how functions and classes are called,
and try the guess on a small batch. What comes out is a ``Subject``: a script of a few statements.
"""

from .adapter import adapter_for, subject_of
from .classes import layers
from .finding import Found, Unclear, find, is_affine
from .functions import pair
from .script import EPS, MOMENTUM, PARTS, NothingToJudgeError, Session, Subject

__all__ = [
    "EPS", "MOMENTUM", "PARTS", "Found", "NothingToJudgeError", "Session", "Subject", "Unclear",
    "adapter_for", "find", "is_affine", "layers", "pair", "subject_of",
]  # fmt: skip
