"""What this machine has to spare: cores, and memory for processes like this one."""

from __future__ import annotations

__all__ = ["cores", "room"]

import os
import sys
from pathlib import Path

from zoo.data.storage import physical_memory

_MARGIN = 1.5
"""How much more than this process a worker may come to need, which scores its runs and draws their figures too."""


def cores() -> int:
    """Return how many cores this process may use."""
    if sys.platform.startswith("linux"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def room() -> int:
    """Return how many processes that need as much memory as this one has needed so far fit beside it, at least 1."""
    return max(1, int(_available() // (_MARGIN * _needed())))


def _needed() -> float:
    """Return the largest resident size of this process in bytes, or what torch alone takes where that is unknown."""
    if sys.platform == "win32":
        return 4e8
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(size if sys.platform == "darwin" else 1024 * size)


def _available() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return float(physical_memory()) / 2
    return float(min(free, physical_memory()))
