"""The data path of training: a resident tensor, an order for each epoch, batches by index."""

from __future__ import annotations

__all__ = ["Feed", "Stored"]

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
class Stored:
    """A batch as it is kept, before it is read.

    Arguments:
        images: Its images and labels, in their stored type.
        index: Their places in the split, `(B,)`.
    """

    images: Split
    index: Tensor

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True)
class Feed:
    """Batches of a split, gathered as they are kept and converted inside the step.

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

    def stored(self, epoch: int, start: int = 0) -> Iterator[Stored]:
        """Yield the batches of an epoch from position `start`, as they are kept.

        The order goes to the device whole, so that no batch of it waits for the host.
        """
        order = self.order(epoch).to(self.split.x.device)
        for i in range(start, len(self)):
            end = None if i == len(self) - 1 else (i + 1) * self.batch_size
            yield self.gather(order[i * self.batch_size : end])

    def shuffled(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from position `start`, augmented."""
        for stored in self.stored(epoch, start):
            yield self.read(stored, varied=True)

    def in_order(self) -> Iterator[Batch]:
        """Yield the split once in its own order, not augmented."""
        for start in range(0, len(self.split), self.batch_size):
            yield self.batch(torch.arange(start, min(start + self.batch_size, len(self.split))), varied=False)

    def batch(self, index: Tensor, *, varied: bool) -> Batch:
        """Return the images at an index `(B,)`."""
        return self.read(self.gather(index.to(self.split.x.device)), varied=varied)

    def gather(self, index: Tensor) -> Stored:
        """Return what is kept at an index `(B,)`, which is where the split is."""
        return Stored(self.split[index], index)

    def read(self, stored: Stored, *, varied: bool) -> Batch:
        """Return a batch as a model sees it; draws from torch's default generator of its device.

        All of it is computed where the batch is, so that it can be part of a captured step.
        """
        x = self.images.read(stored.images.x)
        if varied:
            x = augment(x, self.options.augment)
        x = binarize(x, self.options.binarize)
        return Batch(x.contiguous(memory_format=_LAYOUT), stored.images.y, stored.index)
