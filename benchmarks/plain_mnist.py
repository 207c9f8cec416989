"""MNIST for the loops of others, unpacked into a folder of its own: torchvision would unpack beside what it finds."""

from __future__ import annotations

__all__ = ["copy_mnist", "images_of", "loader_of", "test_images_of"]

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset


def copy_mnist(folder: Path) -> Path:
    """Copy the files below ZOO_DATA, unpacked, to where torchvision finds them; return what it wants to be told.

    Raises:
        SystemExit: If they are not there.
    """
    source = Path(os.environ.get("ZOO_DATA", "")) / "MNIST" / "raw"
    found = sorted(source.glob("*-ubyte*"))
    if not os.environ.get("ZOO_DATA") or len({path.name.removesuffix(".gz") for path in found}) < 4:
        raise SystemExit("MNIST is not below ZOO_DATA: set it to the folder that holds MNIST/raw/*.gz")
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in found:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as packed, (raw / path.name.removesuffix(".gz")).open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    return folder


def loader_of(folder: Path, images: int, batch_size: int, workers: int, device: str) -> DataLoader[Tensor]:
    """Return the loader that tutorials end in: ToTensor for each image, workers that stay, pinned memory for a GPU."""
    from torchvision.datasets import MNIST
    from torchvision.transforms import ToTensor

    data = MNIST(str(folder), transform=ToTensor())
    return DataLoader(
        Subset(data, range(min(images, len(data)))),
        batch_size=batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.startswith("cuda"),
    )


def images_of(folder: Path, images: int | None = None) -> tuple[Tensor, Tensor]:
    """Return training images `(N, 1, 28, 28)` in [0, 1], and their labels."""
    labels = _stored(folder, "train-labels-idx1-ubyte", 8)
    return _images(folder, "train")[:images], labels[:images]


def test_images_of(folder: Path) -> Tensor:
    """Return the test images `(N, 1, 28, 28)` in [0, 1]."""
    return _images(folder, "t10k")


def _images(folder: Path, split: str) -> Tensor:
    return _stored(folder, f"{split}-images-idx3-ubyte", 16).view(-1, 1, 28, 28).to(torch.float32) / 255


def _stored(folder: Path, name: str, header: int) -> Tensor:
    """Return the bytes of a file behind its header."""
    return torch.from_numpy(np.fromfile(folder / "MNIST" / "raw" / name, np.uint8, offset=header))
