"""Batches taken apart, and put into another type."""

from __future__ import annotations

__all__ = ["doubled", "laid_out", "one_by_one", "to_device"]

from collections.abc import Iterator

import torch

from zoo.interfaces import Batch


def one_by_one(batch: Batch) -> Iterator[Batch]:
    """Yield each image as a batch of its own."""
    for i in range(len(batch.index)):
        y = {name: value[i : i + 1] for name, value in batch.y.items()}
        yield Batch(batch.x[i : i + 1], y, batch.index[i : i + 1])


def doubled(batch: Batch) -> Batch:
    """Return a batch in double precision."""
    return Batch(batch.x.double(), batch.y, batch.index)


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """Return a batch on a device, where the trainer's is: all but its index."""
    return Batch(batch.x.to(device), {name: value.to(device) for name, value in batch.y.items()}, batch.index)


def laid_out(batch: Batch, layout: torch.memory_format) -> Batch:
    """Return a batch in a layout in memory."""
    return Batch(batch.x.contiguous(memory_format=layout), batch.y, batch.index)
