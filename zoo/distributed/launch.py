"""What torchrun tells a process of the others; imports no torch."""

from __future__ import annotations

__all__ = ["Launch", "ProcessLost", "launched", "refuse_launch"]

import os
from collections.abc import Mapping
from typing import NamedTuple

from zoo.errors import ZooError

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Launch(NamedTuple):
    """One of several processes that were started together.

    Arguments:
        rank: Which of them this is, from 0.
        size: How many there are.
        local_rank: Which of those on this machine it is.
        local_size: How many there are on this machine.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int


class ProcessLost(ZooError):
    """Another process of the run is gone, or does not answer: exit code 1.

    Arguments:
        message: What is known.
        tells: Whether it is this process that tells people, and not another one that found the same.
    """

    exit_code = 1

    def __init__(self, message: str, tells: bool = True) -> None:
        super().__init__(message)
        self.tells = tells

    def going_on(self, how: str) -> ProcessLost:
        """Return it with what to do next."""
        return ProcessLost(f"{self}; {how}", self.tells)


def launched(environment: Mapping[str, str] | None = None) -> Launch | None:
    """Return which of several processes this is, or nothing where it was started alone.

    Arguments:
        environment: Where it is told; by default this process's own.

    Raises:
        ZooError: If what is told makes no sense.

    Example:
        >>> launched({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"})
        Launch(rank=1, size=2, local_rank=1, local_size=2)
    """
    told = os.environ if environment is None else environment
    # Schedulers of clusters set some of these for processes that have nothing to do with each other.
    if any(name not in told for name in _NEEDED):
        return None
    try:
        rank, size = int(told["RANK"]), int(told["WORLD_SIZE"])
        launch = Launch(rank, size, int(told.get("LOCAL_RANK", rank)), int(told.get("LOCAL_WORLD_SIZE", size)))
    except ValueError:
        raise ZooError("RANK and WORLD_SIZE must be numbers; start the processes with torchrun") from None
    if not 0 <= rank < size:
        raise ZooError(f"RANK {rank} is none of {size} processes; start them with torchrun")
    return launch if size > 1 else None


def refuse_launch(what: str) -> None:
    """Say that something is no work for several processes.

    Raises:
        ZooError: If this is one of several.
    """
    launch = launched()
    if launch is not None:
        raise ZooError(f"{what} runs in one process, and torchrun started {launch.size}; start it without torchrun")
