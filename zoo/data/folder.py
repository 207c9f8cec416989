"""A folder of pictures as a data set: `folder:PATH`."""

from __future__ import annotations

__all__ = ["folder", "folder_source"]

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from zoo.data.decoding import Decoded, decoded, threads, workers
from zoo.data.images import ImageSet, Split
from zoo.data.listing import Listing, Picture, list_pictures
from zoo.data.options import DataOptions
from zoo.data.pictures import UnreadablePicture
from zoo.data.skipped import Bad, skipped_note
from zoo.data.source import Block, Blocks, Source
from zoo.data.storage import allocate
from zoo.errors import ZooError

_BLOCK = 256


def folder(argument: str | None, options: DataOptions) -> ImageSet:
    """Read all pictures below a folder, in the order of their names.

    Sub-folders `train` and `test`, if both are there, are the splits; otherwise every tenth readable picture is for the
    test. If every picture lies in a sub-folder (of its split), the names of these are the classes, numbered in
    alphabetic order as `label`. Pictures are read as grey if all of them are, otherwise as RGB; transparency is laid on
    white. Hidden files and folders are passed over.

    Raises:
        ZooError: If there is no such folder, fewer than two pictures in it, one that cannot be read, or different
            sizes without an `image_size`.
    """
    bad = Bad(options.skip_bad)
    with threads() as pool:
        listing = list_pictures(argument, options, pool, bad)
        train = _read(listing, listing.train, pool, bad)
        test = _read(listing, listing.test, pool, bad)
    notes = (*listing.notes, *skipped_note(bad.names))
    return ImageSet(listing.name, train, test, scale=1 / 255, source=listing.source, notes=notes)


def _read(listing: Listing, pictures: Sequence[Picture], pool: Executor, bad: Bad) -> Split:
    x = allocate((len(pictures), *listing.shape), torch.uint8)
    blocks = _Pictures(listing, pictures, pool, bad)
    count, labels = 0, [torch.empty(0, dtype=torch.int64)]
    for block in blocks.read(0, _BLOCK):
        x[count : count + len(block.x)] = block.x
        labels += block.y.values()
        count += len(block.x)
    if not count:
        raise ZooError(
            f"{listing.root}: none of the {len(pictures)} pictures of a split could be read: check the files"
        )
    return Split(x[:count], {"label": torch.cat(labels)} if listing.classes else {})


@contextmanager
def folder_source(
    argument: str | None, options: DataOptions, processes: int | None, tell: Callable[[int, int], None]
) -> Iterator[Source]:
    """Open the pictures below a folder to be packed: each is decoded when its block is written.

    Arguments:
        argument: The folder.
        options: How pictures are read, as for `folder`.
        processes: How many decode them; see `workers`.
        tell: Who is told how many pictures were looked at, of how many.

    Raises:
        ZooError: As `folder`.
    """
    bad = Bad(options.skip_bad)
    with threads() as pool:
        listing = list_pictures(argument, options, pool, bad, tell)
    with workers(processes, len(listing.train) + len(listing.test)) as decoders:
        yield Source(
            name=listing.name,
            shape=listing.shape,
            dtype=torch.uint8,
            scale=1 / 255,
            labels={"label": (torch.int64, ())} if listing.classes else {},
            train=_Pictures(listing, listing.train, decoders, Bad(options.skip_bad)),
            test=_Pictures(listing, listing.test, decoders, Bad(options.skip_bad)),
            source=listing.source,
            notes=listing.notes,
            skipped=bad.names,
        )


@final
class _Pictures(Blocks):
    """The pictures of a split."""

    def __init__(self, listing: Listing, pictures: Sequence[Picture], pool: Executor, bad: Bad) -> None:
        self.count = len(pictures)
        self._listing = listing
        self._pictures = pictures
        self._pool = pool
        self._bad = bad
        self._labels = {name: number for number, name in enumerate(listing.classes)}

    def read(self, start: int, size: int) -> Iterator[Block]:
        blocks = [self._pictures[first : first + size] for first in range(start, self.count, size)]
        paths: list[list[Path]] = [[picture.path for picture in block] for block in blocks]
        for block, pixels in zip(blocks, decoded(self._pool, paths, self._listing.how), strict=True):
            yield self._block(block, pixels)

    def _block(self, pictures: Sequence[Picture], pixels: Sequence[Decoded]) -> Block:
        before, groups = len(self._bad.paths), list[str]()
        x = torch.empty((len(pictures), *self._listing.shape), dtype=torch.uint8)
        for picture, image in zip(pictures, pixels, strict=True):
            if not isinstance(image, UnreadablePicture) and image.shape != self._listing.shape:
                image = UnreadablePicture("its pixels have another size than its header says")
            if isinstance(image, UnreadablePicture):
                self._bad.add(picture.path, image)
            else:
                x[len(groups)] = torch.from_numpy(np.array(image))
                groups.append(picture.group)
        return Block(len(pictures), x[: len(groups)], self._y(groups), self._bad.names[before:])

    def _y(self, groups: Sequence[str]) -> dict[str, Tensor]:
        return (
            {"label": torch.tensor([self._labels[group] for group in groups], dtype=torch.int64)}
            if self._labels
            else {}
        )

    def identity(self, start: int, stop: int) -> str:
        """Names, sizes and times of the files, which tell whether they are still the same."""
        found = hashlib.blake2b(digest_size=16)
        for picture in self._pictures[start:stop]:
            try:
                stat = picture.path.stat()
                facts = f"{stat.st_size} {stat.st_mtime_ns}"
            except OSError:
                facts = "gone"
            found.update(
                f"{picture.path.relative_to(self._listing.root)} {picture.group} {facts}\n".encode(
                    errors="surrogateescape"
                )
            )
        return found.hexdigest()
