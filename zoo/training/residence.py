"""Where the images of a run lie: on the device if they leave it room, else in memory or in their file."""

from __future__ import annotations

__all__ = ["SHARE", "feed_of", "fits_device", "settle", "where_from"]

import torch
from torch import Tensor

from zoo.data.images import Images, ImageSet, Split
from zoo.data.mapped import Mapped
from zoo.data.options import DataOptions
from zoo.data.storage import fits_memory
from zoo.training.feed import Feed
from zoo.training.order import WINDOW

SHARE = 0.5
"""The share of a device's free memory that the images of a split may take."""

_COPY_BLOCK = 64 << 20
"""About how many bytes of a file are on their way to the device at once."""


def fits_device(size: int, device: torch.device) -> bool:
    """Say whether so many bytes of images are kept on a device, for whole epochs."""
    if device.type == "cuda":
        return size <= SHARE * torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return size <= SHARE * (torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return True


def settle(split: Split, device: torch.device) -> Split:
    """Return images where a run takes them from: on the device if they fit, else where they are.

    A packed set's file stays a file on the CPU, where a copy of it would only take its memory.
    """
    size = split.x.nbytes + sum(value.nbytes for value in split.y.values())
    if device.type == "cpu" or not fits_device(size, device):
        return split
    return Split(_on(split.x, device), {name: value.to(device) for name, value in split.y.items()})


def _on(x: Images, device: torch.device) -> Tensor:
    if isinstance(x, Tensor):
        return x.to(device)
    out = torch.empty(x.shape, dtype=x.dtype, device=device)
    rows = max(1, _COPY_BLOCK * len(x) // x.nbytes)
    for start in range(0, len(x), rows):
        out[start : start + rows] = x[start : start + rows]
    return out


def feed_of(
    images: ImageSet, split: Split, options: DataOptions, batch_size: int, seed: int, device: torch.device
) -> Feed:
    """Return batches of a split for a device, from wherever its images have room.

    What lies in a file, and would crowd this machine's memory as well as the device, is shuffled in windows.
    """
    settled = settle(split, device)
    windowed = isinstance(settled.x, Mapped) and not fits_memory(settled.x.stored_bytes)
    return Feed(images, settled, options, batch_size, seed, device, windowed)


def where_from(feed: Feed) -> tuple[str, ...]:
    """Return what a person should know of how images reach the device, a line each; nothing if they lie there."""
    found = []
    device = feed.where
    if device.type != feed.split.x.device.type:
        size = f"{feed.split.x.nbytes / 1e9:.1f} GB of images take more than {SHARE:.0%} of the free memory of {device}"
        found.append(f"{size}: they are copied there batch by batch")
    if feed.windowed:
        found.append(f"images are shuffled in windows of {WINDOW >> 20} MB, which a disk can follow")
    return tuple(found)
