"""A packed set as a data set: `packed:FOLDER`, mapped into memory and read when it is asked for."""

from __future__ import annotations

__all__ = ["check", "packed"]

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.arguments import path_argument
from zoo.data.header import HEADER, TYPES, Array, Header, PackedSplit, read_header
from zoo.data.images import ImageSet, Split
from zoo.data.journal import JOURNAL, begun_by
from zoo.data.mapped import Mapped, Region
from zoo.data.options import DataOptions
from zoo.errors import ZooError

_BLOCK = 8 << 20


def packed(argument: str | None, options: DataOptions) -> ImageSet:
    """Open a folder that `zoo data pack` made; its images stay in their file, and its labels are read.

    Sizes of files are compared with the header, their content is not: `zoo data check` does that.

    Raises:
        ZooError: If there is no finished packed set, or a file of it is missing, too short or too long.
    """
    folder = path_argument("packed", argument)
    header = open_header(folder)
    return ImageSet(
        name=header.name,
        train=_split(folder, header.train),
        test=_split(folder, header.test),
        scale=header.scale,
        source=header.source,
        notes=header.notes,
    )


def open_header(folder: Path) -> Header:
    """Return what a packed set says of itself.

    Raises:
        ZooError: If there is no such folder, or it holds no packed set, or none that is finished.
    """
    if not folder.is_dir():
        what = "that is a file" if folder.exists() else "there is no such folder"
        raise ZooError(f"packed:{folder}: {what}: name a folder that 'zoo data pack' made")
    if not (folder / HEADER).is_file():
        if (folder / JOURNAL).is_file():
            command = begun_by(folder)
            raise ZooError(f"{folder} is not packed to its end: go on with '{command}'")
        raise ZooError(f"{folder} holds no packed set: make one with 'zoo data pack folder:PATH {folder}'")
    return read_header(folder)


def _split(folder: Path, split: PackedSplit) -> Split:
    region = Region(folder / split.x.file, split.x.shape, TYPES[split.x.dtype][1])
    return Split(Mapped(region, split.x.sha256), {name: _labels(folder, one) for name, one in split.y.items()})


def _labels(folder: Path, array: Array) -> Tensor:
    region = Region(folder / array.file, array.shape, TYPES[array.dtype][1])
    out = np.empty(array.shape, region.dtype)
    region.read_range(0, array.shape[0], out)
    return torch.from_numpy(out)


def check(folder: Path, tell: Callable[[int, int], None]) -> Header:
    """Read a packed set from end to end, and compare its sizes and hashes with its header.

    Arguments:
        folder: The packed set.
        tell: Called with how many bytes were read, of how many.

    Raises:
        ZooError: If anything differs; the first file that does is named.
    """
    header = open_header(folder)
    total, done = sum(array.nbytes for array in header.arrays), 0
    for array in header.arrays:
        found, path = hashlib.sha256(), folder / array.file
        # Their sizes are looked at first.
        Region(path, array.shape, TYPES[array.dtype][1])
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                found.update(block)
                done += len(block)
                tell(done, total)
        if found.hexdigest() != array.sha256:
            raise ZooError(f"{path} is damaged (its SHA-256 is another than {HEADER} says): pack it again")
    return header
