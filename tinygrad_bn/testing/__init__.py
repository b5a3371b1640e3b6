"""Tools for property tests of gradients, and a judge for anybody's own batch norm.

``strategies`` draws arrays and whole batch norm cases, ``gradcheck`` holds a gradient against a
numerical derivative, ``check_batch_norm`` judges a NumPy batch norm and names the mistake. They
need the extra ``testing`` (hypothesis) and are loaded on use, so that the command line can name
its options without them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import strategies
    from .gradients import GradientReport, gradcheck
    from .judge import check_batch_norm
    from .report import Report

__all__ = ["GradientReport", "Report", "check_batch_norm", "gradcheck", "strategies"]

_HOME = {
    "GradientReport": ".gradients",
    "gradcheck": ".gradients",
    "check_batch_norm": ".judge",
    "Report": ".report",
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
            "tinygrad_bn.testing needs hypothesis: pip install 'tinygrad-bn[testing]'",
            name="hypothesis",
        ) from None
