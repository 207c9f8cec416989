"""CIFAR-10, read from the published binary archive: the other editions are pickles, which can run code."""

from __future__ import annotations

__all__ = ["ARCHIVE", "cifar10"]

import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.data.arguments import no_argument
from zoo.data.cache import data_roots, download_folder, find_folder, ways_out
from zoo.data.damage import DAMAGE, damaged
from zoo.data.download import Download, fetch
from zoo.data.images import ImageSet, Split
from zoo.data.options import DataOptions
from zoo.errors import ZooError

ARCHIVE = Download(
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    files=(("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),),
)

_PACKED, _UNPACKED = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = ("test_batch.bin",)
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_CLASSES = 10
_MOST = 10_000 * _RECORD
_MEND = "replace it, or delete it to have it downloaded anew"


def cifar10(argument: str | None, options: DataOptions) -> ImageSet:
    """Read CIFAR-10: 50,000 and 10,000 colour photographs, 32 × 32, with `label` 0 to 9.

    The archive is read where it lies and not unpacked to the disk.

    Raises:
        DataUnavailable: If it is neither on this machine nor to be had from the network.
        ZooError: If a file is truncated or corrupt.
    """
    no_argument("cifar10", argument)
    path = _find()
    batches = _read_folder(path) if path.is_dir() else _read_archive(path)
    return ImageSet(
        name="cifar10",
        train=_split(path, batches, _TRAIN),
        test=_split(path, batches, _TEST),
        scale=1 / 255,
        source="CIFAR-10 (Krizhevsky 2009), https://www.cs.toronto.edu/~kriz/cifar.html",
    )


def _find() -> Path:
    for below in ("CIFAR10/", ""):
        if folder := find_folder(below + _UNPACKED, [(name,) for name in _TRAIN + _TEST]):
            return folder
    for root in data_roots():
        for path in (root / "CIFAR10" / _PACKED, root / _PACKED):
            if path.is_file():
                return path
    folder = download_folder("CIFAR10")
    fetch("cifar10", ARCHIVE, folder, ways_out("cifar10", _PACKED))
    return folder / _PACKED


def _read_folder(folder: Path) -> dict[str, bytes]:
    try:
        return {name: (folder / name).read_bytes() for name in _TRAIN + _TEST}
    except OSError as error:
        raise damaged(folder, error) from error


def _read_archive(path: Path) -> dict[str, bytes]:
    batches: dict[str, bytes] = {}
    try:
        # As a stream: looking names up would unpack everything twice.
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = Path(member.name).name
                file = archive.extractfile(member) if name in _TRAIN + _TEST and member.size <= _MOST else None
                if file is not None:
                    batches[name] = file.read()
    except DAMAGE as error:
        raise damaged(path, error, _MEND) from error
    return batches


def _split(path: Path, batches: dict[str, bytes], names: tuple[str, ...]) -> Split:
    count = sum(_records(path, batches, name) for name in names)
    x, y = np.empty((count, *_SHAPE), np.uint8), np.empty(count, np.int64)
    start = 0
    for name in names:
        # Popped, so that what has been copied is freed.
        records = np.frombuffer(batches.pop(name), np.uint8).reshape(-1, _RECORD)
        stop = start + len(records)
        x[start:stop], y[start:stop] = records[:, 1:].reshape(-1, *_SHAPE), _labels(path, name, records)
        start = stop
    return Split(torch.from_numpy(x), {"label": torch.from_numpy(y)})


def _records(path: Path, batches: Mapping[str, bytes], name: str) -> int:
    if name not in batches:
        raise _corrupt(path, f"no {name} of at most {_MOST} bytes in it")
    count, rest = divmod(len(batches[name]), _RECORD)
    if rest or not count:
        raise _corrupt(path, f"{name} has {len(batches[name])} bytes, which are no records of {_RECORD}")
    return count


def _labels(path: Path, name: str, records: NDArray[np.uint8]) -> NDArray[np.uint8]:
    labels = records[:, 0]
    if labels.max() >= _CLASSES:
        raise _corrupt(path, f"{name} holds label {labels.max()}, the last is {_CLASSES - 1}")
    return labels


def _corrupt(path: Path, reason: str) -> ZooError:
    return damaged(path, ValueError(reason), _MEND)
