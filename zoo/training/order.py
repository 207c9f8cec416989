"""In which order an epoch sees images: any, or one that a disk can follow."""

from __future__ import annotations

__all__ = ["BLOCK", "WINDOW", "in_windows", "rows_of_window"]

import torch
from torch import Tensor

BLOCK = 1 << 20
"""About how many bytes lie together on the disk and are read together."""

WINDOW = 256 << 20
"""About how many bytes of images are mixed with each other."""


def in_windows(count: int, row_bytes: int, generator: torch.Generator) -> Tensor:
    """Return an order of images `(count,)` for a set that is too large for memory.

    Blocks of neighbouring images are shuffled, and then the images within each window of several blocks. So a window is
    read in long pieces from all over the file, and a batch holds images of as many blocks as a window has. An image
    that is as large as a block can come after any other.

    Arguments:
        count: The number of images.
        row_bytes: The bytes of one.
        generator: Decides the order, of which the machine and its memory are no part.

    Example:
        >>> order = in_windows(1000, 100_000, torch.Generator().manual_seed(0))
        >>> order.sort().values.equal(torch.arange(1000))
        True
    """
    size = max(1, BLOCK // row_bytes)
    blocks = torch.randperm(-(-count // size), generator=generator)
    order = (blocks[:, None] * size + torch.arange(size)).flatten()
    order = order[order < count]
    window = rows_of_window(row_bytes)
    for start in range(0, count, window):
        images = order[start : start + window]
        order[start : start + window] = images[torch.randperm(len(images), generator=generator)]
    return order


def rows_of_window(row_bytes: int) -> int:
    """Return how many images a window has: several whole blocks of them."""
    size = max(1, BLOCK // row_bytes)
    return size * max(2, WINDOW // (size * row_bytes))
