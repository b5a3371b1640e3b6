"""Two settings of the C library's allocator, worth more than any arithmetic for large arrays.

Every operation makes a new array. By default, glibc gives the memory of a large array back to the
system as soon as it is freed, and the next one comes as fresh pages, each of which costs a fault
and a clearing: as much again as the arithmetic. With these settings (mallopt(3)) the process
keeps what it has freed, up to half a gibibyte, and uses it again. Whoever has set glibc's own
variables, MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_, keeps his settings.
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # their numbers in <malloc.h>
KEPT = 2**29  # bytes of freed memory
IN_ONE_PIECE = 2**25  # a larger array is given back at once: the most that glibc allows here


def keep_freed_memory() -> None:
    """Let the memory of freed arrays be used again. Without glibc, this does nothing."""
    if sys.platform != "linux" or any(
        f"MALLOC_{which}_THRESHOLD_" in os.environ for which in ("TRIM", "MMAP")
    ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, IN_ONE_PIECE)
