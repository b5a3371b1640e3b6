"""Tools for property tests of gradients, and a check of batch norms written by users.

``gradcheck`` compares a gradient with a numerical derivative, ``compare_with_torch`` with that of
a PyTorch function. ``strategies`` draws arrays and whole batch norm cases. ``check_batch_norm``
checks a NumPy batch norm and names its mistake. These tools need hypothesis. They are imported on
first use, so that the command line can list its options without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import strategies
    from .gradient_report import GradientReport
    from .gradients import gradcheck
    from .judge import check_batch_norm
    from .report import Report
    from .with_torch import compare_with_torch

__all__ = [
    "GradientReport",
    "Report",
    "check_batch_norm",
    "compare_with_torch",
    "gradcheck",
    "strategies",
]

INSTALL = (
    "pip install -e '.[testing]' in a clone of the repository, "
    "or pip install 'tinygrad-bn[testing]' from an index that has the package"
)
_HOME = {
    "GradientReport": ".gradient_report",
    "Report": ".report",
    "check_batch_norm": ".judge",
    "compare_with_torch": ".with_torch",
    "gradcheck": ".gradients",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        if name == "strategies":
            return import_module(".strategies", __name__)
        return getattr(import_module(_HOME[name], __name__), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "hypothesis":
            raise
        raise ModuleNotFoundError(
            f"tinygrad_bn.testing needs hypothesis: {INSTALL}",
            name="hypothesis",
        ) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
