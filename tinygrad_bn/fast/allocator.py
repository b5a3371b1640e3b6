"""Two settings of the C library's allocator, for large arrays.

Every operation makes a new array. glibc returns the memory of large arrays to the system when they
are freed, and the next one comes as fresh pages, each of which costs a fault and a clearing: as
much again as the arithmetic. With these settings (mallopt(3)) the process keeps up to half a
gibibyte at the end of its heap and uses it again. They are for the whole process, and are made when
the first large array is computed. To prevent it, call ``leave_allocator_alone()`` before that, or
set GLIBC_TUNABLES, MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_ yourself.
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # their numbers in <malloc.h>
KEPT = 2**29  # bytes of freed memory
IN_ONE_PIECE = 2**25  # a larger array is given back at once: the most that glibc allows here


_pending = True


def leave_allocator_alone() -> None:
    """Leave the allocator of this process as it is. Large arrays then take longer.

    >>> import tinygrad_bn as tg
    >>> tg.leave_allocator_alone()
    """
    global _pending
    _pending = False


def keep_freed_memory() -> None:
    """Apply the settings, once. Does nothing without glibc."""
    global _pending
    if not _pending:
        return
    _pending = False
    set_by_hand = (
        "MALLOC_TRIM_THRESHOLD_" in os.environ
        or "MALLOC_MMAP_THRESHOLD_" in os.environ
        or "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "")
    )
    if sys.platform != "linux" or set_by_hand:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, IN_ONE_PIECE)
