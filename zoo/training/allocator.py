"""Memory that is given back to the system at every step only to be asked for again."""

from __future__ import annotations

__all__ = ["keep_freed_memory"]

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of mallopt(3)."""

_LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the C library keep the memory that a step frees, for the next one.

    glibc maps every large block anew and unmaps it when it is freed, so that each step of a net on the CPU would have
    the system hand out, and clear, the same pages again. Elsewhere nothing is changed.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        # Another C library, such as musl.
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, _LARGEST)
