"""Program: what was computed, without the numbers."""

from .data import Captured, Constant, Equation, Step, Variable
from .program import Program, trace

__all__ = ["Captured", "Constant", "Equation", "Program", "Step", "Variable", "trace"]
