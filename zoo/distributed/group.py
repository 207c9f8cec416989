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

    def sum(self, tensors: Sequence[Tensor], owners: Sequence[int | None] | None = None) -> None:
        if owners is not None:
            pairs = list(zip(tensors, owners, strict=True))
            self._sum_for_owners([(tensor, owner) for tensor, owner in pairs if owner is not None])
            tensors = [tensor for tensor, owner in pairs if owner is None]
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

    def _sum_for_owners(self, pairs: Sequence[tuple[Tensor, int]]) -> None:
        for dtype, each in _by_owner(pairs, self.size):
            rows = [self._packed(tensors, torch.promote_types(torch.float32, dtype)) for tensors in each]
            # Each process receives a row, and all rows are as long as the longest.
            padded = rows[0].new_zeros(self.size, max(map(len, rows)))
            for place, row in zip(padded, rows, strict=True):
                place[: len(row)] = row
            sums = torch.empty_like(padded[0])
            with _lost():
                dist.reduce_scatter_tensor(sums, padded.view(-1))
            _unpack(sums, each[self.rank])

    def spread(self, tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
        for dtype, each in _by_owner(list(zip(tensors, owners, strict=True)), self.size):
            mine = self._packed(each[self.rank], dtype).view(torch.uint8)
            most = max(sum(tensor.nbytes for tensor in tensors) for tensors in each)
            for rank, row in enumerate(self.gather(mine, most).view(self.size, most)):
                if rank != self.rank:
                    _unpack(row.view(dtype), each[rank])

    def _packed(self, tensors: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
        nothing = torch.empty(0, dtype=dtype, device=self._device)
        return torch.cat([nothing, *(tensor.reshape(-1).to(nothing) for tensor in tensors)])

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

    def hear_all(self, text: str) -> list[str]:
        data = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self._device)
        lengths = [int(length) for length in self.add([len(data) * (rank == self.rank) for rank in range(self.size)])]
        rows = self.gather(data, max(lengths)).view(self.size, -1)
        return [bytes(row[:length].tolist()).decode() for row, length in zip(rows, lengths, strict=True)]

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


def _by_owner(pairs: Sequence[tuple[Tensor, int]], size: int) -> Iterator[tuple[torch.dtype, list[list[Tensor]]]]:
    """Yield the tensors of each owner, those of one dtype at a time."""
    for dtype in dict.fromkeys(tensor.dtype for tensor, _ in pairs):
        alike = [(tensor, owner) for tensor, owner in pairs if tensor.dtype == dtype]
        yield dtype, [[tensor for tensor, owner in alike if owner == rank] for rank in range(size)]


def _unpack(values: Tensor, tensors: Sequence[Tensor]) -> None:
    sizes = [tensor.numel() for tensor in tensors]
    for tensor, part in zip(tensors, values[: sum(sizes)].split_with_sizes(sizes), strict=True):
        tensor.copy_(part.view(tensor.shape))


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
