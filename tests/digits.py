"""A small MNIST, for pages and tutorials that are run as they stand."""

from __future__ import annotations

__all__ = ["write_digits"]

import gzip
import struct
from pathlib import Path

import torch
from torch import Tensor

from zoo.data.glyphs import render

TRAIN, TEST = 128, 40
"""How many images: two batches of any page's commands take no time."""


def idx(values: Tensor) -> bytes:
    array = values.to(torch.uint8).numpy()
    return gzip.compress(bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def write_digits(folder: Path) -> None:
    """Write a small set of glyphs as MNIST is published."""
    folder.mkdir(parents=True)
    for name, count, first in (("train", TRAIN, 0.8125), ("t10k", TEST, 0.9)):
        label = torch.arange(count) % 10
        x = render({"label": label, "scale": torch.linspace(first, 1, count)})
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(idx(x[:, 0]))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(idx(label))
