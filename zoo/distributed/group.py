"""Processes that talk through torch.distributed: gloo between CPUs, nccl between GPUs."""

from __future__ import annotations

__all__ = ["Group", "join", "lost"]

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import final

import torch
import torch.distributed as dist
from torch import Tensor

from zoo.distributed.board import PATIENCE
from zoo.distributed.launch import Launch, ProcessLost
from zoo.distributed.world import World
from zoo.errors import ZooError

_LOOK = 0.05
_MEETINGS = count()
"""Told apart over all groups of a process, because what is in the store stays there."""


def join(launch: Launch, device: torch.device) -> Group:
    """Meet the other processes.

    Arguments:
        launch: Which of them this is.
        device: Where it computes.

    Raises:
        ZooError: If they cannot be met, or were met before by a backend that does not fit the device.
    """
    backend = "nccl" if device.type == "cuda" else "gloo"
    mine = not dist.is_initialized()
    if mine:
        try:
            dist.init_process_group(
                backend, rank=launch.rank, world_size=launch.size, timeout=timedelta(seconds=PATIENCE),
                device_id=device if device.type == "cuda" else None,
            )  # fmt: skip
        except (RuntimeError, ValueError) as error:
            told = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ZooError(f"the {launch.size} processes did not find each other: {told}") from None
    elif dist.get_backend() != backend:
        raise ZooError(f"the processes talk by {dist.get_backend()}, and --device {device.type} needs {backend}")
    return Group(device, mine)


@final
class Group(World):
    """The processes that were met.

    Arguments:
        device: Where messages lie.
        mine: Whether the group was made here, so that `close` ends it.
    """

    def __init__(self, device: torch.device, mine: bool = True) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self._device = device
        self._mine = mine

    def sum(self, tensors: Sequence[Tensor]) -> None:
        if not tensors:
            return
        if len(tensors) == 1 and tensors[0].is_contiguous():
            with _lost():
                dist.all_reduce(tensors[0])
            return
        # One message: each costs a round trip.
        kind = torch.promote_types(torch.float32, max((t.dtype for t in tensors), key=lambda dtype: dtype.itemsize))
        flat = torch.cat([tensor.reshape(-1).to(kind) for tensor in tensors])
        with _lost():
            dist.all_reduce(flat)
        parts = flat.split_with_sizes([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [part.view(t.shape) for part, t in zip(parts, tensors, strict=True)])

    def add(self, numbers: Sequence[float]) -> list[float]:
        told = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        self.sum([told])
        found: list[float] = told.tolist()
        return found

    def gather(self, rows: Tensor, most: int) -> Tensor:
        padded = rows.new_empty(most, *rows.shape[1:])
        padded[: len(rows)] = rows
        everyone = rows.new_empty(self.size * most, *rows.shape[1:])
        with _lost():
            dist.all_gather_into_tensor(everyone, padded)
        return everyone

    def follow(self, tensors: Sequence[Tensor]) -> None:
        with _lost():
            for tensor in tensors:
                there = tensor.to(self._device).contiguous()
                dist.broadcast(there, 0)
                tensor.copy_(there)

    def hear(self, text: str) -> str:
        data = text.encode()
        size = torch.tensor([len(data)], device=self._device)
        self.follow([size])
        if not int(size):
            return ""
        said = torch.zeros(int(size), dtype=torch.uint8, device=self._device)
        if self.first:
            said.copy_(torch.tensor(list(data), dtype=torch.uint8))
        self.follow([said])
        return bytes(said.tolist()).decode()

    def wait_for_first(self) -> None:
        # By the store, not by a message, for which patience may end while the first one draws figures.
        here = f"zoo/first/{next(_MEETINGS)}"
        store = dist.distributed_c10d._get_default_store()
        with _lost():
            if self.first:
                store.set(here, "1")
                return
            while not store.check([here]):
                time.sleep(_LOOK)

    def close(self) -> None:
        if self._mine and dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        told = str(error)
        if "memory" in told:
            raise
        silent = "imed out" in told or "imeout" in told
        what = "does not answer" if silent else "has ended before its time"
        raise lost(f"another process of this run {what}") from error


def lost(message: str) -> ProcessLost:
    """Return the error of a lost process, told by the one that finds it first."""
    try:
        found = dist.distributed_c10d._get_default_store().add("zoo/lost", 1)
    except (RuntimeError, ValueError):
        # Whoever kept the store is gone too.
        found = 1
    return ProcessLost(message, tells=found == 1)
