"""Memory that the processes of one machine write to and read, and in which they wait for each other."""

from __future__ import annotations

__all__ = ["PATIENCE", "Board", "make_file"]

import mmap
import os
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from zoo.distributed.launch import ProcessLost

PATIENCE = 30 * 60.0
"""Seconds that a process waits for the others; one that died is known at once."""

_TOTAL = 32 << 20
_MOST = 4 << 20
_LINE = 64
_EAGER, _YIELDING = 2000, 20_000
_NAP, _LOOK_EVERY = 1e-4, 500


class Board:
    """Two pages for each process, in a file that is mapped by all of them.

    A message through the loopback takes a millisecond and more where it wakes a thread on either side; here it takes as
    long as it takes to copy. All processes take turns together: each writes its page, then all read. A page is written
    again in the turn after the next, when everyone must have read it.

    Arguments:
        path: The file, which exists and has `size_of` bytes.
        rank: Which process this is.
        size: How many there are.

    Raises:
        OSError: If it cannot be mapped.
    """

    def __init__(self, path: Path, rank: int, size: int) -> None:
        self.rank = rank
        self.size = size
        self.room = _room(size)
        self._file = os.open(path, os.O_RDWR)
        self._map = mmap.mmap(self._file, size_of(size))
        # One cache line for each counter, or writers would slow each other.
        self._turns = memoryview(self._map)[: size * _LINE].cast("q")
        self._numbers = memoryview(self._map)[size * _LINE :].cast("d")
        pages = torch.frombuffer(self._map, dtype=torch.uint8, offset=size * _LINE)
        self._pages = pages.view(2, size, self.room)
        self._values = self._pages.view(torch.float32)
        self._turn = 0
        self._barrier = threading.Lock()
        _lock(self._file, rank)

    def page(self, size: int) -> Tensor:
        """Return the first bytes `(size,)` of this process's page, to be written."""
        return self._pages[(self._turn + 1) % 2, self.rank, :size]

    def meet(self) -> None:
        """Show what was written, and return when all have written theirs.

        Raises:
            ProcessLost: If one of them is gone.
        """
        self._turn += 1
        self._fence()
        self._turns[self.rank * _LINE // 8] = self._turn
        for rank in range(self.size):
            self._wait_for(rank)
        self._fence()

    def pages(self, size: int) -> Tensor:
        """Return the first bytes of everyone's page, `(processes, size)`, to be read before the turn after the next."""
        return self._pages[self._turn % 2, :, :size]

    def share(self, values: Tensor) -> Tensor:
        """Return everyone's few values, of single precision, `(processes, n)`; each has as many.

        Raises:
            ProcessLost: If one of them is gone.
        """
        count = values.numel()
        self._values[(self._turn + 1) % 2, self.rank, :count] = values.reshape(-1)
        self.meet()
        return self._values[self._turn % 2, :, :count].clone()

    def add(self, numbers: Sequence[float]) -> list[float]:
        """Return the sums of a few numbers over all processes, without a tensor.

        Raises:
            ProcessLost: If one of them is gone.
        """
        count = len(numbers)
        self._numbers[self._at(self.rank, self._turn + 1) :][:count] = array("d", numbers)
        self.meet()
        pages = [self._numbers[self._at(rank, self._turn) :][:count].tolist() for rank in range(self.size)]
        return [sum(each) for each in zip(*pages, strict=True)]

    def _at(self, rank: int, turn: int) -> int:
        """Return where a page begins, in numbers."""
        return (turn % 2 * self.size + rank) * self.room // 8

    def _wait_for(self, rank: int) -> None:
        at, turn = rank * _LINE // 8, self._turn
        for _ in range(_EAGER):
            if self._turns[at] >= turn:
                return
        for _ in range(_YIELDING):
            if self._turns[at] >= turn:
                return
            os.sched_yield()
        self._wait_long(rank, lambda: self._turns[at] >= turn)

    def _wait_long(self, rank: int, here: Callable[[], bool]) -> None:
        end, looks = time.monotonic() + PATIENCE, 0
        while not here():
            time.sleep(_NAP)
            looks += 1
            if looks % _LOOK_EVERY == 0 and _is_free(self._file, rank) and not here():
                raise ProcessLost("another process of this run has ended before its time")
            if time.monotonic() > end:
                raise ProcessLost(f"another process of this run has not answered for {PATIENCE / 60:.0f} minutes")

    def _fence(self) -> None:
        # Some processors show writes in another order than they were made, unless a lock stands between.
        for _ in range(2):
            with self._barrier:
                pass


def size_of(size: int) -> int:
    """Return the bytes of a board for so many processes."""
    return size * _LINE + 2 * size * _room(size)


def make_file(size: int) -> Path:
    """Make the file of a board, with its room reserved.

    Raises:
        OSError: If there is no room.
    """
    memory = Path("/dev/shm")
    handle, name = tempfile.mkstemp(prefix="zoo-", dir=memory if os.access(memory, os.W_OK) else None)
    try:
        # Without its blocks reserved, a full disk would kill the process on writing.
        os.posix_fallocate(handle, 0, size_of(size))
    except OSError:
        Path(name).unlink()
        raise
    finally:
        os.close(handle)
    return Path(name)


def _room(size: int) -> int:
    return min(_MOST, _TOTAL // (2 * size)) // _LINE * _LINE


def _lock(file: int, rank: int) -> None:
    """Hold a byte of the file, which the system lets go when this process ends, however it does."""
    import fcntl

    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, rank)


def _is_free(file: int, rank: int) -> bool:
    import fcntl

    with suppress(OSError):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, rank)
        return True
    return False
