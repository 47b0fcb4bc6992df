"""How the web process asks the C library for memory."""

import ctypes

_M_ARENA_MAX = -8  # malloc.h


def share_one_heap() -> None:
    """Have all threads, of which there must be none yet, take memory from one heap.

    glibc gives each thread a heap of its own, and what is free in one is of no use to the others: the first import grew
    the process by 37 MB, and later ones, in other threads, by some more. With one heap it is 27, and no more. Threads
    hardly wait for it, as they take turns by Python's lock. Other C libraries have no such heaps, and no `mallopt`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
