"""Images divided in two: held out for validation, or every tenth for the test."""

from __future__ import annotations

__all__ = ["MOST_SEEN", "every_tenth", "hold_out", "joined", "select", "spread"]

import torch
from torch import Tensor

from zoo.data.images import Split
from zoo.data.mapped import Mapped
from zoo.data.storage import allocate, take
from zoo.errors import ZooError

MOST_SEEN = 200_000
"""Training images that are looked at, at the most, where it need not be all of them."""

_COPY_BLOCK = 1024


def every_tenth(count: int) -> Tensor:
    """Return which of `count` images are for the test: every tenth by position, or the last one of fewer than ten.

    Arguments:
        count: The number of images, at least 2.

    Example:
        >>> every_tenth(20).nonzero().flatten().tolist()
        [9, 19]
    """
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[9::10] = True
    if count < 10:
        chosen[-1] = True
    return chosen


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Return the images to train on and those held out for validation, each in their stored order.

    Arguments:
        split: All training images.
        fraction: The share that is held out, above 0 and below 1.
        seed: Decides which; the same seed holds out the same images on every machine.

    Raises:
        ZooError: If either side would be empty.
    """
    count = len(split)
    held = round(count * fraction)
    if not 0 < held < count:
        side = "no image for validation" if held <= 0 else "no image to train on"
        raise ZooError(f"--val-fraction {fraction:g} of {count} images leaves {side}: choose another fraction")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[order[:held]] = True
    del order  # as long as the set, and so is each of the next two
    return select(split, (~chosen).nonzero().flatten()), select(split, chosen.nonzero().flatten())


def select(split: Split, index: Tensor) -> Split:
    """Return the images at an index `(B,)`: a copy of those in memory, and no copy of those in a packed set's file."""
    x = split.x.take(index) if isinstance(split.x, Mapped) else take(split.x, index)
    return Split(x, {name: value[index] for name, value in split.y.items()})


def spread(split: Split) -> tuple[Split, Tensor]:
    """Return the images of a split and their places in it, or of a large one `MOST_SEEN` at even distances."""
    count = len(split)
    if count <= MOST_SEEN:
        return split, torch.arange(count)
    places = torch.arange(MOST_SEEN) * count // MOST_SEEN
    return select(split, places), places


def joined(first: Split, second: Split) -> Split:
    """Return the images of two splits one after the other, copied block by block."""
    x = allocate((len(first) + len(second), *first.x.shape[1:]), first.x.dtype)
    place = 0
    for split in (first, second):
        for start in range(0, len(split), _COPY_BLOCK):
            some = split.x[start : start + _COPY_BLOCK]
            x[place : place + len(some)] = some
            place += len(some)
    return Split(x, {name: torch.cat([value, second.y[name]]) for name, value in first.y.items()})
