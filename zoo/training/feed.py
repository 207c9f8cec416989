"""The data path of training: images on the device or streamed to it, an order for each epoch, batches by index."""

from __future__ import annotations

__all__ = ["Feed", "Kept", "Several", "Stored"]

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor

from zoo.data.images import ImageSet, InMemory, Split
from zoo.data.options import DataOptions
from zoo.data.transforms import augment, binarize
from zoo.interfaces import Batch
from zoo.training.order import in_windows, rows_of_window
from zoo.training.stream import Stream

_LAYOUT = torch.channels_last


class Kept(ABC):
    """What a step is given: a batch, or one for each of several models, in memory that the next may be written to."""

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, ...]:
        """How many images each batch has."""

    @abstractmethod
    def clone(self) -> Self:
        """Return the same in memory of its own."""

    @abstractmethod
    def write(self, into: Self) -> None:
        """Write it over another of the same sizes; a GPU is not waited for."""


@final
@dataclass(frozen=True)
class Stored(Kept):
    """A batch as it is kept, before it is read.

    Arguments:
        index: The places of its images in the split, `(B,)`.
        images: The images with their labels, in their stored type; nothing if they lie where they are wanted, and need
            not be gathered before they are read.
    """

    index: Tensor
    images: InMemory | None = None

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice) -> Stored:
        return Stored(self.index[rows], None if self.images is None else self.images[rows])

    @property
    def sizes(self) -> tuple[int, ...]:
        return (len(self),)

    def clone(self) -> Stored:
        return Stored(self.index.clone(), None if self.images is None else self.images.clone())

    def write(self, into: Stored) -> None:
        into.index.copy_(self.index, non_blocking=True)
        if self.images is not None and into.images is not None:
            self.images.write(into.images)


@final
@dataclass(frozen=True)
class Several(Kept):
    """A batch for each of several models.

    Arguments:
        each: The batches, in the order of the models.
    """

    each: tuple[Stored, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(map(len, self.each))

    def clone(self) -> Several:
        return Several(tuple(stored.clone() for stored in self.each))

    def write(self, into: Several) -> None:
        for stored, there in zip(self.each, into.each, strict=True):
            stored.write(there)


@dataclass(frozen=True)
class Feed:
    """Batches of a split, gathered as they are kept and converted inside the step.

    Arguments:
        images: The data set, which knows how its values are read.
        split: The images to draw from, on the device where the model is, or on the host if they do not fit there.
        options: How images are changed at each use.
        batch_size: Images per batch; the last of an epoch may be smaller, but a last single image joins the batch
            before it, because batch normalisation has no spread of one.
        seed: Seed of the order.
        device: Where batches are wanted, if not where the images are.
        windowed: Whether the order is one that a disk can follow.
    """

    images: ImageSet
    split: Split
    options: DataOptions
    batch_size: int
    seed: int
    device: torch.device | None = None
    windowed: bool = False

    @property
    def where(self) -> torch.device:
        """The device on which batches come."""
        return self.device or self.split.x.device

    @property
    def resident(self) -> bool:
        """Whether batches are gathered where they are wanted, and from memory."""
        x = self.split.x
        return isinstance(x, Tensor) and (self.device is None or self.device.type == x.device.type)

    def __len__(self) -> int:
        full, rest = divmod(len(self.split), self.batch_size)
        return max(1, full + (rest > 1))

    def order(self, epoch: int) -> Tensor:
        """Return the order of an epoch: a function of seed and epoch alone, so that a resumed run finds it again."""
        generator = torch.Generator().manual_seed((self.seed << 20) + epoch)
        if self.windowed:
            return in_windows(len(self.split), self._row_bytes(), generator)
        return torch.randperm(len(self.split), generator=generator)

    def stored(self, epoch: int, start: int = 0) -> Iterator[Stored]:
        """Yield the batches of an epoch from position `start`, as they are kept.

        Of images on the device the order goes there whole, so that no batch of it waits for the host. Others are
        gathered ahead by a thread.
        """
        order = self.order(epoch)
        ends = [min((i + 1) * self.batch_size, len(order)) for i in range(len(self) - 1)] + [len(order)]
        if not self.resident:
            yield from self._streamed(order, ends[start:], start * self.batch_size)
            return
        order = order.to(self.split.x.device)
        for i in range(start, len(self)):
            yield Stored(order[i * self.batch_size : ends[i]])

    def _streamed(self, order: Tensor, ends: list[int], start: int) -> Iterator[Stored]:
        ahead = rows_of_window(self._row_bytes()) if self.windowed else None
        for images, index in Stream(self.split, self.where, ahead).batches(order, ends, start):
            yield Stored(index, images)

    def _row_bytes(self) -> int:
        x = self.split.x
        return (x.nbytes if isinstance(x, Tensor) else x.stored_bytes) // len(x)

    def shuffled(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from position `start`, augmented."""
        for stored in self.stored(epoch, start):
            yield self.read(stored, varied=True)

    def in_order(self) -> Iterator[Batch]:
        """Yield the split once in its own order, not augmented."""
        for stored in self.stored_in_order():
            yield self.read(stored, varied=False)

    def stored_in_order(self) -> Iterator[Stored]:
        """Yield the split once in its own order, as it is kept."""
        count = len(self.split)
        if not self.resident:
            yield from self._streamed(torch.arange(count), [*range(self.batch_size, count, self.batch_size), count], 0)
            return
        for start in range(0, count, self.batch_size):
            yield Stored(torch.arange(start, min(start + self.batch_size, count), device=self.where))

    def batch(self, index: Tensor, *, varied: bool) -> Batch:
        """Return the images at an index `(B,)`."""
        index = index.to(self.split.x.device)
        if self.device is None or self.resident:
            return self.read(Stored(index), varied=varied)
        return self.read(Stored(index.to(self.device), self.split[index].to(self.device)), varied=varied)

    def read(self, stored: Stored, *, varied: bool) -> Batch:
        """Return a batch as a model sees it; draws from torch's default generator of its device.

        All of it is computed where the batch is, so that it can be part of a captured step.
        """
        images = self.split[stored.index] if stored.images is None else stored.images
        x = self.images.read(images.x)
        if varied:
            x = augment(x, self.options.augment)
        x = binarize(x, self.options.binarize)
        return Batch(x.contiguous(memory_format=_LAYOUT), images.y, stored.index)
