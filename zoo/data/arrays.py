"""The arrays of a NumPy archive as they are packed: in blocks, decompressed one after another."""

from __future__ import annotations

__all__ = ["npz_source"]

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from zoo.data.archive import Archive
from zoo.data.arguments import path_argument
from zoo.data.npz import check_alike, check_images, chosen_for_test, find_images, read_labels, stored_as, tensors
from zoo.data.options import DataOptions
from zoo.data.resize import resize
from zoo.data.source import Block, Blocks, Source
from zoo.data.storage import fits_memory
from zoo.errors import ZooError


@contextmanager
def npz_source(
    argument: str | None, options: DataOptions, processes: int | None, tell: Callable[[int, int], None]
) -> Iterator[Source]:
    """Open the images of a NumPy archive to be packed: each block is decompressed when it is written.

    Arguments:
        argument: The file.
        options: How it is read, as for `npz`.
        processes: Of no use here: an archive is one stream.
        tell: Of no use here either.

    Raises:
        ZooError: As `npz`.
    """
    path = path_argument("npz", argument)
    with Archive(path) as archive:
        train, test = find_images(archive)
        shape, dtype = _checked(archive, train)
        count = archive.members[train].count
        if test is None:
            for_test = chosen_for_test(archive, train, count)
            splits = _part(archive, train, ~for_test, options), _part(archive, train, for_test, options)
        else:
            _checked(archive, test)
            check_alike(archive, train, test)
            everything = torch.ones(archive.members[test].count, dtype=torch.bool)
            splits = (
                _part(archive, train, torch.ones(count, dtype=torch.bool), options),
                _part(archive, test, everything, options),
            )
    if splits[0].layout != splits[1].layout:
        raise ZooError(f"{path} has labels of {train} or of {test} alone: save them of both, or of neither")
    splits[0].keep(options.limit)
    size = options.image_size
    yield Source(
        name=f"npz:{path.stem}",
        shape=shape if size is None else (shape[0], size, size),
        dtype=dtype,
        scale=1 / 255 if dtype == torch.uint8 else 1.0,
        labels=splits[0].layout,
        train=splits[0],
        test=splits[1],
        source=f"the arrays of {path}",
    )


def _checked(archive: Archive, name: str) -> tuple[tuple[int, int, int], torch.dtype]:
    """Return the shape and type of an array's images, once they are known to be good.

    Raises:
        ZooError: If they are not, or the array cannot be read in blocks and is too large for memory.
    """
    check_images(archive, name)
    member = archive.members[name]
    if member.fortran and not fits_memory(member.size):
        raise ZooError(
            f"{archive.path}: {name} is stored in Fortran order, so that no image lies together:"
            f" save numpy.ascontiguousarray({name})"
        )
    return stored_as(archive, name)


def _part(archive: Archive, name: str, chosen: Tensor, options: DataOptions) -> _Array:
    labels = {label: value[chosen] for label, value in read_labels(archive, name, len(chosen)).items()}
    return _Array(archive.path, name, chosen, labels, options.image_size)


@final
class _Array(Blocks):
    """Chosen images of an array."""

    def __init__(self, path: Path, name: str, chosen: Tensor, y: Mapping[str, Tensor], size: int | None) -> None:
        self.count = int(chosen.sum())
        self.layout = {label: (value.dtype, tuple(value.shape[1:])) for label, value in y.items()}
        self._path = path
        self._name = name
        self._chosen = chosen
        self._y = y
        self._size = size

    def keep(self, limit: int | None) -> None:
        """Leave out all but the first images."""
        self.count = min(self.count, self.count if limit is None else limit)

    def read(self, start: int, size: int) -> Iterator[Block]:
        waiting: list[Tensor] = []
        for images in self._images(start):
            waiting.append(images)
            while sum(map(len, waiting)) >= size:
                together = torch.cat(waiting)
                yield self._block(together[:size], start)
                start, waiting = start + size, [together[size:]]
        if sum(map(len, waiting)):
            yield self._block(torch.cat(waiting), start)

    def _images(self, start: int) -> Iterator[Tensor]:
        """Yield the chosen images from one on; the rest is read too, because its values are looked at at the end."""
        place = done = 0
        with Archive(self._path) as archive:
            for block in tensors(archive, self._name):
                images = block[self._chosen[place : place + len(block)]]
                place += len(block)
                first, last = max(0, start - done), max(0, self.count - done)
                done += len(images)
                yield images[first:last]

    def _block(self, x: Tensor, start: int) -> Block:
        y = {name: value[start : start + len(x)] for name, value in self._y.items()}
        return Block(len(x), x if self._size is None else resize(x, self._size), y)

    def identity(self, start: int, stop: int) -> str:
        try:
            stat = self._path.stat()
        except OSError:
            return "gone"
        return f"{stat.st_size} {stat.st_mtime_ns}"
