"""A NumPy archive read in blocks, and never unpickled."""

from __future__ import annotations

__all__ = ["Archive", "Member"]

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from zoo.data.damage import DAMAGE, damaged
from zoo.errors import ZooError, one_line

_BLOCK = 8 << 20
"""About how many bytes are unpacked at once."""


@dataclass(frozen=True)
class Member:
    """An array's name, shape and type, as its header says."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def count(self) -> int:
        """The length of the first dimension, 0 for a scalar."""
        return self.shape[0] if self.shape else 0

    @property
    def size(self) -> int:
        """The bytes of the whole array."""
        return math.prod(self.shape) * self.dtype.itemsize


class Archive:
    """An open `.npz` file.

    Arguments:
        path: The file.

    Raises:
        ZooError: If there is no such file, or it is no archive of arrays, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise ZooError(f"{path}: there is no such file: check the path")
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGE as error:
            hint = "write it with numpy.savez(FILE, x=images)"
            raise ZooError(f"{path} is no npz archive ({one_line(error)}): {hint}") from error
        arrays = [name for name in self._zip.namelist() if name.endswith(".npy")]
        self.members = {name.removesuffix(".npy"): self._describe(name.removesuffix(".npy")) for name in arrays}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def _describe(self, name: str) -> Member:
        with self._open(name) as (member, _):
            return member

    @contextmanager
    def _open(self, name: str) -> Iterator[tuple[Member, IO[bytes]]]:
        """Open an array behind its header; what goes wrong while it is open names the file and the array."""
        try:
            with self._zip.open(f"{name}.npy") as file:
                yield _read_header(name, file), file
        except DAMAGE as error:
            raise damaged(f"{self.path}: {name}", error) from error

    def plain(self, name: str) -> Member:
        """Return what is known of an array.

        Raises:
            ZooError: If it would have to be unpickled.
        """
        member = self.members[name]
        if member.dtype.hasobject:
            raise ZooError(
                f"{self.path}: {name} holds Python objects, which are pickled and could run code:"
                " save it as one array of numbers"
            )
        return member

    def blocks(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield an array in blocks along its first dimension.

        Raises:
            ZooError: If the array would have to be unpickled, or is damaged.
        """
        member = self.plain(name)
        row = math.prod(member.shape[1:]) * member.dtype.itemsize
        rows = max(1, _BLOCK // max(1, row))
        with self._open(name) as (_, file):
            if member.fortran:
                # Its first dimension is the one that changes fastest: no block of it lies together.
                whole = np.frombuffer(_read_exactly(file, row * member.count), member.dtype)
                yield whole.reshape(member.shape, order="F")
                return
            for start in range(0, member.count, rows):
                shape = (min(rows, member.count - start), *member.shape[1:])
                yield np.frombuffer(_read_exactly(file, row * shape[0]), member.dtype).reshape(shape)
            if file.read(1):
                raise ValueError("it goes on after its end")

    def read(self, name: str) -> NDArray[Any]:
        """Return a small array whole.

        Raises:
            ZooError: As `blocks`.
        """
        member = self.members[name]
        return np.concatenate([np.empty((0, *member.shape[1:]), member.dtype), *self.blocks(name)])


def _read_header(name: str, file: IO[bytes]) -> Member:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"format {version} is not that of a plain array")
    return Member(name, shape, dtype, fortran)


def _read_exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ValueError(f"it ends {size - len(data)} bytes early")
    return data
