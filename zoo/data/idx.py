"""MNIST and Fashion-MNIST, read from the published IDX files, packed or unpacked."""

from __future__ import annotations

__all__ = ["fashion_mnist", "mnist"]

import gzip
import importlib
import struct
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.arguments import no_argument
from zoo.data.cache import download_folder, find_folder, ways_out
from zoo.data.damage import DAMAGE, damaged
from zoo.data.download import Download, fetch
from zoo.data.images import ImageSet, Split
from zoo.data.options import DataOptions
from zoo.errors import ZooError

_TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_CLASSES = 10
_READ_BLOCK = 1 << 20
_MOST_PACKED = 1100
"""More bytes than gzip can make of one: a header that promises more is corrupt."""


def mnist(argument: str | None, options: DataOptions) -> ImageSet:
    """Read MNIST: 60,000 and 10,000 handwritten digits, 28 × 28, ink = 1, with `label` 0 to 9.

    Raises:
        DataUnavailable: If it is neither on this machine nor to be had from the network.
        ZooError: If a file is truncated or corrupt.
    """
    return _load("mnist", "MNIST", argument, "MNIST (LeCun, Cortes and Burges), http://yann.lecun.com/exdb/mnist")


def fashion_mnist(argument: str | None, options: DataOptions) -> ImageSet:
    """Read Fashion-MNIST: 60,000 and 10,000 pictures of clothes, 28 × 28, with `label` 0 to 9.

    Raises:
        DataUnavailable: If it is neither on this machine nor to be had from the network.
        ZooError: If a file is truncated or corrupt.
    """
    source = "Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), https://github.com/zalandoresearch/fashion-mnist"
    return _load("fashion-mnist", "FashionMNIST", argument, source)


def _load(name: str, published: str, argument: str | None, source: str) -> ImageSet:
    no_argument(name, argument)
    folder = find_folder(f"{published}/raw", [(file, f"{file}.gz") for file in _TRAIN + _TEST])
    if folder is None:
        folder = download_folder(f"{published}/raw")
        fetch(name, _published(published), folder, ways_out(name, f"{published}/raw/*.gz"))
    return ImageSet(name, _read_split(folder, *_TRAIN), _read_split(folder, *_TEST), 1 / 255, source)


def _published(name: str) -> Download:
    """Return torchvision's mirrors and sums, which are kept up to date there."""
    datasets = importlib.import_module("torchvision.datasets")
    published = {"MNIST": datasets.MNIST, "FashionMNIST": datasets.FashionMNIST}[name]
    return Download(tuple(published.mirrors), tuple(published.resources))


def _read_split(folder: Path, images: str, labels: str) -> Split:
    x, y = _read_idx(folder, images, 3), _read_idx(folder, labels, 1)
    if x.shape[0] != y.shape[0]:
        raise ZooError(f"{folder} holds {x.shape[0]} {images} but {y.shape[0]} {labels}: replace both files")
    if int(y.max()) >= _CLASSES:
        raise ZooError(f"{folder / labels} holds label {int(y.max())}, the last is {_CLASSES - 1}: replace the file")
    return Split(x.unsqueeze(1), {"label": y.to(torch.int64)})


def _read_idx(folder: Path, name: str, dimensions: int) -> Tensor:
    path = folder / name
    path = path if path.is_file() else folder / f"{name}.gz"
    try:
        with path.open("rb") as plain:
            if path.suffix != ".gz":
                return torch.from_numpy(_parse(plain, dimensions, path.stat().st_size))
            with gzip.open(plain) as packed:
                most = path.stat().st_size * _MOST_PACKED
                return torch.from_numpy(_parse(cast(BinaryIO, packed), dimensions, most))
    except DAMAGE as error:
        raise damaged(path, error, "replace it, or delete it to have it downloaded anew") from error


def _parse(file: BinaryIO, dimensions: int, most: int) -> NDArray[np.uint8]:
    """Read one array; raises ValueError for what is no IDX file of bytes."""
    header = file.read(4 + 4 * dimensions)
    if len(header) < 4 + 4 * dimensions or header[:4] != bytes((0, 0, 8, dimensions)):
        raise ValueError(f"it does not start as an IDX file of {dimensions}-dimensional bytes does")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    size = int(np.prod(shape, dtype=object))
    if not 0 < size <= most or (dimensions == 3 and shape[1:] != (28, 28)):
        raise ValueError(f"its header promises {' × '.join(map(str, shape))} bytes")
    array = np.empty(shape, np.uint8)
    _read_into(file, array.data.cast("B"))
    return array


def _read_into(file: BinaryIO, room: memoryview) -> None:
    """Fill the room in blocks: at one go, gzip would hold everything twice."""
    done = 0
    while done < len(room):
        block = file.read(min(_READ_BLOCK, len(room) - done))
        if not block:
            raise ValueError(f"it ends after {done} of {len(room)} bytes")
        room[done : done + len(block)] = block
        done += len(block)
    if file.read(1):
        raise ValueError(f"it goes on after {len(room)} bytes")
