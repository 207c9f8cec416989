"""A data set as it is packed: what it holds, and its images in blocks, of which none but the present is in memory."""

from __future__ import annotations

__all__ = ["Block", "Blocks", "Source", "in_memory"]

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from zoo.data.images import ImageSet, Split
from zoo.errors import ZooError


@dataclass(frozen=True)
class Block:
    """Some images of a split.

    Arguments:
        items: How many items of the source they are: pictures that are skipped count too.
        x: The images `(k, C, H, W)` in their stored type.
        y: Labels and factors by name, each `(k,)` or `(k, n)`.
        skipped: The names of the items that could not be read.
    """

    items: int
    x: Tensor
    y: Mapping[str, Tensor]
    skipped: tuple[str, ...] = ()


class Blocks(ABC):
    """The images of a split in a fixed order.

    Attributes:
        count: How many items there are, each an image, or a picture that may prove unreadable.
    """

    count: int

    @abstractmethod
    def read(self, start: int, size: int) -> Iterator[Block]:
        """Yield blocks of `size` items, the last one of what is left, from item `start` to the end.

        Raises:
            ZooError: If an item cannot be read.
        """

    @abstractmethod
    def identity(self, start: int, stop: int) -> str:
        """Return what changes if the items of a range change, without reading them whole where that takes long."""


@dataclass(frozen=True)
class Source:
    """A data set before it is read.

    Arguments:
        name: What is written into runs and figures.
        shape: The shape `(C, H, W)` of one image.
        dtype: The stored type of images.
        scale: What a stored value is multiplied by to lie in [0, 1].
        labels: By name, the type of labels and factors and the shape of one.
        train, test: The splits.
        source: Where the images came from.
        notes: One line each for what a person should know.
        skipped: The names of what was left out as unreadable before any image was read.
    """

    name: str
    shape: tuple[int, int, int]
    dtype: torch.dtype
    scale: float
    labels: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]
    train: Blocks
    test: Blocks
    source: str
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = field(default=())


def in_memory(images: ImageSet) -> Source:
    """Return a data set that has been read, or is a packed set's file, as a source.

    Raises:
        ZooError: If training and test images have other labels.
    """
    train, test = _layout(images.train), _layout(images.test)
    if train != test:
        raise ZooError(f"{images.name} has labels {sorted(train)} to train on and {sorted(test)} for the test")
    return Source(
        name=images.name,
        shape=images.shape,
        dtype=images.train.x.dtype,
        scale=images.scale,
        labels=train,
        train=_Read(images.train),
        test=_Read(images.test),
        source=images.source,
        notes=images.notes,
    )


def _layout(split: Split) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    return {name: (value.dtype, tuple(value.shape[1:])) for name, value in split.y.items()}


@final
class _Read(Blocks):
    """A split that has been read."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self.count = len(split)

    def read(self, start: int, size: int) -> Iterator[Block]:
        for first in range(start, self.count, size):
            some = self._split[first : first + size]
            yield Block(len(some), some.x, some.y)

    def identity(self, start: int, stop: int) -> str:
        some = self._split[start:stop]
        found = hashlib.blake2b(some.x.contiguous().numpy().data, digest_size=16)
        for name, value in some.y.items():
            found.update(f"{name}{value.dtype}".encode())
            found.update(value.contiguous().numpy().data)
        return found.hexdigest()
