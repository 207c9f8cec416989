"""Room for images: memory while they fit, a file mapped into memory when they would crowd it."""

from __future__ import annotations

__all__ = ["SHARE", "allocate", "fits_memory", "physical_memory", "take"]

import contextlib
import math
import os
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from zoo.data.cache import user_cache
from zoo.errors import ZooError, one_line

SHARE = 0.25
"""The share of this machine's memory that one tensor of images may take."""

_UNKNOWN_MEMORY = 8 << 30
_COPY_BLOCK = 1024


def physical_memory() -> int:
    """Return this machine's memory in bytes, or the container's if that is less."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        total = _UNKNOWN_MEMORY
    with contextlib.suppress(OSError, ValueError):
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


def fits_memory(size: int) -> bool:
    """Say whether a tensor of so many bytes is kept in memory."""
    return size <= SHARE * physical_memory()


def allocate(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return room for a tensor, to be written before it is read.

    What takes more than `SHARE` of this machine's memory lies in a file in the user's cache, which is gone when the
    tensor is.

    Raises:
        ZooError: If there is no room on the disk either.
    """
    size = math.prod(shape) * dtype.itemsize
    return torch.empty(shape, dtype=dtype) if fits_memory(size) else _allocate_file(shape, dtype, size)


def _allocate_file(shape: tuple[int, ...], dtype: torch.dtype, size: int) -> Tensor:
    folder = user_cache() / "mapped"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        return _map_file(folder, shape, dtype, size)
    except (OSError, RuntimeError) as error:
        raise ZooError(
            f"{size / 1e9:.1f} GB of images fit neither memory nor {folder} ({one_line(error)}):"
            " use a smaller --image-size or --limit, or set XDG_CACHE_HOME to a larger disk"
        ) from error


def _map_file(folder: Path, shape: tuple[int, ...], dtype: torch.dtype, size: int) -> Tensor:
    handle, path = tempfile.mkstemp(suffix=".map", dir=folder)
    try:
        os.truncate(handle, size)
        if sys.platform == "linux":
            # Without its blocks reserved, a full disk would kill the process on writing.
            os.posix_fallocate(handle, 0, size)
        return torch.from_file(path, shared=True, size=math.prod(shape), dtype=dtype).view(shape)
    finally:
        os.close(handle)
        # A mapping outlives its name; where it does not (Windows), the next run sweeps.
        with contextlib.suppress(OSError):
            Path(path).unlink()


def _sweep(folder: Path) -> None:
    """Remove what crashed or foreign systems left: a file still mapped refuses where names cannot be unlinked."""
    if os.name == "nt":
        for stale in folder.glob("*.map"):
            with contextlib.suppress(OSError):
                stale.unlink()


def take(x: Tensor, index: Tensor) -> Tensor:
    """Return chosen rows as a tensor of its own, mapped like any other if it is large."""
    if fits_memory(index.numel() * x[:1].nbytes):
        return x[index]
    out = allocate((index.numel(), *x.shape[1:]), x.dtype)
    for start in range(0, index.numel(), _COPY_BLOCK):
        out[start : start + _COPY_BLOCK] = x[index[start : start + _COPY_BLOCK]]
    return out
