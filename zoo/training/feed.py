"""The data path of training: a resident tensor, an order for each epoch, batches by index."""

from __future__ import annotations

__all__ = ["Feed"]

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.data.images import ImageSet, Split
from zoo.data.options import DataOptions
from zoo.data.transforms import augment, binarize
from zoo.interfaces import Batch

_LAYOUT = torch.channels_last


@dataclass(frozen=True)
class Feed:
    """Batches of a split, converted from their stored type inside the step.

    Arguments:
        images: The data set, which knows how its values are read.
        split: The images to draw from, on the device where the model is.
        options: How images are changed at each use.
        batch_size: Images per batch; the last of an epoch may be smaller, but a last single image joins the batch
            before it, because batch normalisation has no spread of one.
        seed: Seed of the order.
    """

    images: ImageSet
    split: Split
    options: DataOptions
    batch_size: int
    seed: int

    def __len__(self) -> int:
        full, rest = divmod(len(self.split), self.batch_size)
        return max(1, full + (rest > 1))

    def order(self, epoch: int) -> Tensor:
        """Return the order of an epoch: a function of seed and epoch alone, so that a resumed run finds it again."""
        generator = torch.Generator().manual_seed((self.seed << 20) + epoch)
        return torch.randperm(len(self.split), generator=generator)

    def shuffled(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from position `start`, augmented."""
        order = self.order(epoch)
        for i in range(start, len(self)):
            end = None if i == len(self) - 1 else (i + 1) * self.batch_size
            yield self.batch(order[i * self.batch_size : end], varied=True)

    def in_order(self) -> Iterator[Batch]:
        """Yield the split once in its own order, not augmented."""
        for start in range(0, len(self.split), self.batch_size):
            yield self.batch(torch.arange(start, min(start + self.batch_size, len(self.split))), varied=False)

    def batch(self, index: Tensor, *, varied: bool) -> Batch:
        """Return the images at an index `(B,)`."""
        stored = self.split[index.to(self.split.x.device)]
        x = self.images.read(stored.x)
        if varied:
            x = augment(x, self.options.augment)
        x = binarize(x, self.options.binarize)
        return Batch(x.contiguous(memory_format=_LAYOUT), stored.y, index)
