"""Who decodes pictures: threads for a few, processes for many; imports no torch, since each process imports this."""

from __future__ import annotations

__all__ = ["MANY", "cores", "decoded", "threads", "workers"]

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoo.data.pictures import How, UnreadablePicture, decode_all
from zoo.errors import ZooError

MANY = 2000
"""Pictures from which on processes are worth their start."""

_FEW_CORES = 4
"""Below this, threads do as well: most of Pillow's work lets other threads run."""

_THREADS = 8
_GROUP = 32
"""Pictures that are handed over at once."""

Decoded: TypeAlias = NDArray[np.uint8] | UnreadablePicture


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


@contextmanager
def threads() -> Iterator[Executor]:
    """Give out threads that read pictures, and end them afterwards."""
    # Pillow warns of oddities in files that it reads well enough.
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(min(_THREADS, cores())) as pool:
        yield pool


@contextmanager
def workers(count: int | None, pictures: int) -> Iterator[Executor]:
    """Give out who decodes pictures, and end them afterwards.

    Arguments:
        count: How many processes; for one, threads of this process are taken. By default one a core, where there are
            cores and pictures enough.
        pictures: How many pictures there are, about.

    Raises:
        ZooError: If a process dies.
    """
    if count is None:
        count = cores() if cores() >= _FEW_CORES and pictures >= MANY else 1
    if count == 1:
        with threads() as pool:
            yield pool
        return
    # Never forked: this process has threads, of torch's and of others.
    context = multiprocessing.get_context("spawn")
    many = ProcessPoolExecutor(count, mp_context=context, initializer=_stay_quiet)
    try:
        yield many
    except BrokenProcessPool:
        raise ZooError("a process that decodes pictures died, perhaps for want of memory: add --workers 1") from None
    finally:
        many.shutdown(cancel_futures=True)


def _stay_quiet() -> None:
    """Leave Ctrl-C to the process that started this one, and end with it however it ends."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def decoded(pool: Executor, blocks: Iterable[Sequence[Path]], how: How) -> Iterator[list[Decoded]]:
    """Yield the pixels of pictures block by block; the next block is in work while one is looked at."""
    work = partial(decode_all, how=how)
    waiting: Iterator[list[Decoded]] | None = None
    for block in blocks:
        started = pool.map(work, [block[start : start + _GROUP] for start in range(0, len(block), _GROUP)])
        if waiting is not None:
            yield [one for some in waiting for one in some]
        waiting = started
    if waiting is not None:
        yield [one for some in waiting for one in some]
