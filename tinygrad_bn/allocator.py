"""Two settings of the C library's allocator, worth more than any arithmetic for large arrays.

Every operation makes a new array. glibc gives the memory of large arrays back to the system when
they are freed (at first of all beyond 128 KiB; it learns to keep more, but not enough), and the
next one comes as fresh pages, each of which costs a fault and a clearing: as much again as the
arithmetic. With these settings (mallopt(3)) the process keeps up to half a gibibyte at the end of
its heap and uses it again. Whoever has set anything of this himself, in GLIBC_TUNABLES,
MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_, keeps his settings.
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # their numbers in <malloc.h>
KEPT = 2**29  # bytes of freed memory
IN_ONE_PIECE = 2**25  # a larger array is given back at once: the most that glibc allows here


def keep_freed_memory() -> None:
    """Let the memory of freed arrays be used again. Without glibc, this does nothing."""
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
