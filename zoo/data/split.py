"""Images divided in two: held out for validation, or every tenth for the test."""

from __future__ import annotations

__all__ = ["every_tenth", "hold_out"]

import torch
from torch import Tensor

from zoo.data.images import Split
from zoo.data.storage import take
from zoo.errors import ZooError


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
    return _take(split, order[held:]), _take(split, order[:held])


def _take(split: Split, index: Tensor) -> Split:
    index = index.sort().values
    return Split(take(split.x, index), {name: value[index] for name, value in split.y.items()})
