"""The deadline of a hypothesis test: the time of a check is not the time of the code under test.

Hypothesis fails a test whose example takes longer than its deadline, by default 0.2 seconds. It
does not count the time of the rules of a state machine towards it, and the time of a check is
noted there. This is an internal part of hypothesis; where it is missing, nothing is noted.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any


def current_test() -> Any:
    """Return the build context of the hypothesis test that is running, or None."""
    control = sys.modules.get("hypothesis.control")  # not imported: no such test is running
    if control is None or not control.currently_in_test_context():
        return None
    return control.current_build_context()


@contextlib.contextmanager
def not_timed() -> Iterator[None]:
    """Do not count the time spent inside towards the deadline of a hypothesis test."""
    start = time.perf_counter()
    try:
        yield
    finally:
        data = getattr(current_test(), "data", None)
        noted = getattr(data, "_stateful_run_times", None)
        if noted is not None:
            spent = time.perf_counter() - start
            noted["execute:gradcheck"] = noted.get("execute:gradcheck", 0.0) + spent
