"""One hint to the C library's allocator, worth more than any arithmetic for large arrays.

Every operation makes a new array. By default, glibc gives the memory of a large array back to the
system as soon as it is freed, and the next one comes as fresh pages, each of which costs a fault
and a clearing: several times what the arithmetic costs. glibc raises its limit for "large" to the
size of a block that it sees freed (mallopt(3), M_MMAP_THRESHOLD), so one block that is allocated
and freed, and never touched, makes it keep up to 64 MiB for reuse from then on.
"""

import numpy as np

LIMIT = 32 * 2**20  # the largest threshold that glibc adopts


def keep_freed_memory() -> None:
    """Let memory of freed arrays be used again. Without glibc, this does nothing."""
    np.empty(LIMIT - 2**16, np.uint8)
