"""Images in a file that is mapped into memory: read when they are asked for, and never held whole."""

from __future__ import annotations

__all__ = ["KEPT", "Mapped", "Region"]

import mmap
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.resize import resize_block
from zoo.errors import ZooError

KEPT = 256 << 20
"""About how many bytes of a file stay resident before they are given back to the system."""

_LOOK_EVERY = 64
"""Rows after which it is looked how much is resident: each may have brought a page of 2 MB."""

_READ_AHEAD = 1 << 20
"""What is announced at once."""


class Region:
    """A file of rows of one size, mapped read-only.

    The system reads what is touched, and may drop it again whenever it needs the memory. Until then it counts as this
    process's own, so that it is given back here once it is more than `KEPT`; reading it again costs next to nothing
    while the system still has it.

    Arguments:
        path: The file.
        shape: How many rows there are, and the shape of one.
        dtype: The type of its values, in the order of bytes of this machine.

    Raises:
        ZooError: If the file cannot be opened, or has another size.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
        self.path = path
        self.dtype = dtype
        self.shape = shape
        self.row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        wanted = shape[0] * self.row_bytes
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                if size != wanted:
                    raise ZooError(f"{path} has {size:,} bytes instead of {wanted:,}: pack it again")
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise ZooError(f"{path} cannot be read ({error.strerror or error}): pack it again") from error
        self._rows = np.frombuffer(self._map, dtype).reshape(shape)
        self._floor = _resident()
        self._read = 0
        self._lock = threading.Lock()

    def read(self, rows: NDArray[np.int64], out: NDArray[np.generic]) -> None:
        """Copy rows, `(B,)`, into room for them, in the calling thread alone."""
        for start in range(0, len(rows), _LOOK_EVERY):
            part = slice(start, start + _LOOK_EVERY)
            # Whoever computes has all of torch's threads; with `raise`, numpy would make a copy first.
            np.take(self._rows, rows[part], axis=0, out=out[part], mode="clip")
            self._give_back(out[part].nbytes)

    def read_range(self, start: int, stop: int, out: NDArray[np.generic]) -> None:
        """Copy the rows of a range into room for them."""
        step = max(1, KEPT // 4 // self.row_bytes)
        for first in range(start, stop, step):
            last = min(first + step, stop)
            np.copyto(out[first - start : last - start], self._rows[first:last])
            self._give_back((last - first) * self.row_bytes)

    def expect(self, rows: NDArray[np.int64]) -> None:
        """Have the system read rows, `(B,)`, from the disk before they are asked for."""
        if sys.platform == "win32" or not len(rows):
            return
        places = np.unique(self._places(rows, _READ_AHEAD))
        breaks = np.flatnonzero(np.diff(places) > 1) + 1
        for start, stop in pairwise([0, *breaks.tolist(), len(places)]):
            first = int(places[start]) * _READ_AHEAD
            length = min((int(places[stop - 1]) + 1) * _READ_AHEAD, len(self._map)) - first
            self._map.madvise(mmap.MADV_WILLNEED, first, length)

    def _places(self, rows: NDArray[np.int64], unit: int) -> NDArray[np.int64]:
        """Return the pieces of the file in which rows lie, from 0."""
        first = rows * self.row_bytes
        span = (self.row_bytes - 1) // unit + 2
        last = (first + self.row_bytes - 1) // unit
        found: NDArray[np.int64] = np.minimum((first // unit)[:, None] + np.arange(span), last[:, None]).ravel()
        return found

    def _give_back(self, size: int) -> None:
        """Give back what was touched, if that is much; `size` bytes of it were read since the last look."""
        if sys.platform == "win32":
            return
        with self._lock:
            self._read += size
            resident = _resident()
            held = self._read if resident is None or self._floor is None else resident - self._floor
            if held > KEPT:
                self._map.madvise(mmap.MADV_DONTNEED)
                self._floor, self._read = _resident(), 0


def _resident() -> int | None:
    """Return how many bytes of files this process has in memory, or nothing where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[2])
    except (OSError, ValueError, IndexError):
        return None
    return pages * mmap.PAGESIZE


class Mapped:
    """Images `(N, C, H, W)` in a file, as far as a tensor's user needs to know: a shape, a type, and rows by index.

    What an index gives is a tensor of its own, in memory. To choose images, or to resize them, reads nothing.

    Arguments:
        region: The file.
        digest: What tells this file's content from others'.
        rows: The places of the images in the file, `(N,)`; all of them in order, if nothing.
        size: The height and width that images are brought to when they are read, if not their own.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "four.u8")
        >>> _ = path.write_bytes(bytes(range(16)))
        >>> images = Mapped(Region(path, (4, 1, 2, 2), np.dtype(np.uint8)), "four")
        >>> images.take(torch.tensor([3, 1]))[:1].tolist()
        [[[[12, 13], [14, 15]]]]
    """

    device = torch.device("cpu")

    def __init__(self, region: Region, digest: str, rows: Tensor | None = None, size: int | None = None) -> None:
        self._region = region
        self._rows = rows
        self._size = size
        self.digest = digest
        self.dtype = torch.from_numpy(np.empty(0, region.dtype)).dtype

    @property
    def shape(self) -> torch.Size:
        """The shape `(N, C, H, W)`."""
        c, h, w = self._region.shape[1:]
        return torch.Size((len(self), c, *((h, w) if self._size is None else (self._size, self._size))))

    @property
    def nbytes(self) -> int:
        """The bytes of all images, as they are when they are read."""
        return self.shape.numel() * self.dtype.itemsize

    @property
    def stored_bytes(self) -> int:
        """The bytes of the images as they lie in the file."""
        return len(self) * self._region.row_bytes

    def __len__(self) -> int:
        return self._region.shape[0] if self._rows is None else len(self._rows)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if self._rows is None and step == 1:
                return self._resized(self._range(start, max(start, stop)))
            index = torch.arange(len(self))[index]
        return self.read(index)

    def read(self, index: Tensor, out: Tensor | None = None) -> Tensor:
        """Return the images at an index `(B,)`, in their stored type.

        Arguments:
            index: Places from 0, or a mask `(N,)`.
            out: Room for them on the CPU, of their shape; it is filled and returned.

        Raises:
            IndexError: If there is no such image.
        """
        rows = self._places(index)
        stored = out if out is not None and self._size is None else self._room(len(rows))
        self._region.read(rows, stored.numpy())
        read = self._resized(stored)
        return read if out is None or read is out else out.copy_(read)

    def take(self, index: Tensor) -> Mapped:
        """Return the images at an index `(B,)` as images that are read when they are asked for."""
        return Mapped(self._region, self.digest, torch.from_numpy(self._places(index)), self._size)

    def resized(self, size: int) -> Mapped:
        """Return the images brought to `size` × `size` pixels whenever they are read."""
        own = tuple(self._region.shape[2:]) == (size, size)
        return Mapped(self._region, self.digest, self._rows, None if own else size)

    def expect(self, index: Tensor) -> None:
        """Have the system read the images at an index `(B,)` from the disk ahead of time."""
        self._region.expect(self._places(index))

    def _places(self, index: Tensor) -> NDArray[np.int64]:
        index = index.nonzero().flatten() if index.dtype == torch.bool else index.to("cpu", torch.int64)
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(self):
            raise IndexError(f"images are 0 to {len(self) - 1}, got {int(index.min())} to {int(index.max())}")
        rows = index if self._rows is None else self._rows[index]
        return np.asarray(rows.numpy())

    def _range(self, start: int, stop: int) -> Tensor:
        out = self._room(stop - start)
        self._region.read_range(start, stop, out.numpy())
        return out

    def _room(self, count: int) -> Tensor:
        return torch.empty((count, *self._region.shape[1:]), dtype=self.dtype)

    def _resized(self, x: Tensor) -> Tensor:
        return x if self._size is None else resize_block(x, self._size).to(x.dtype)
