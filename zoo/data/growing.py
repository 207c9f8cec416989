"""The arrays of a packed set while they are written, at whose ends rows are added."""

from __future__ import annotations

__all__ = ["Growing", "growing", "name_of", "opened", "write_all"]

import math
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.header import TYPES, Array
from zoo.data.source import Source

_NAMES = {
    torch.uint8: "uint8",
    torch.float16: "float16",
    torch.float32: "float32",
    torch.float64: "float64",
    torch.int64: "int64",
}
_WHOLE = (torch.bool, torch.int8, torch.int16, torch.int32)


def name_of(dtype: torch.dtype) -> str:
    """Return what values are stored as; labels of other types are stored as whole numbers or `float32`."""
    if dtype in _NAMES:
        return _NAMES[dtype]
    return "int64" if dtype in _WHOLE else "float32"


@dataclass
class Growing:
    """An array that is being written."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    """The shape of one row."""

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return math.prod(self.shape) * TYPES[self.dtype][1].itemsize

    def content(self, rows: Tensor) -> memoryview:
        """Return what rows are in the file."""
        stored = rows.numpy().astype(TYPES[self.dtype][1], order="C", copy=False)
        return stored.reshape(-1).view(np.uint8).data

    def of(self, rows: int, sha256: str) -> Array:
        """Return what the header says of it once it is done."""
        return Array(self.path.name, self.dtype, (rows, *self.shape), sha256)


def growing(out: Path, split: str, source: Source) -> list[Growing]:
    """Return the arrays of a split: its images, then its labels in their order."""
    x = name_of(source.dtype)
    files = [Growing(out / f"{split}.{TYPES[x][0]}", x, source.shape)]
    for number, (label, (dtype, shape)) in enumerate(source.labels.items()):
        kind = name_of(dtype)
        plain = label if re.fullmatch(r"[a-z][a-z0-9_-]*", label) else f"{number}-label"
        files.append(Growing(out / f"{split}-{plain}.{TYPES[kind][0]}", kind, shape))
    return files


@contextmanager
def opened(files: list[Growing]) -> Iterator[list[FileIO]]:
    """Open files to read from their start, or to write at their end."""
    with ExitStack() as stack:
        yield [stack.enter_context(FileIO(file.path, "a+")) for file in files]


def write_all(stream: FileIO, content: memoryview) -> None:
    """Write to the end of a file, however little of it the system takes at once."""
    while len(content):
        content = content[stream.write(content) :]
