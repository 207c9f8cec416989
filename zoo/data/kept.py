"""What was drawn, kept in the user's cache behind its digest: read whole, written whole, and never an error."""

from __future__ import annotations

__all__ = ["kept"]

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.cache import user_cache

_DIGEST = 32  # bytes of a SHA-256


def kept(name: str, shape: tuple[int, ...], draw: Callable[[], Tensor]) -> Tensor:
    """Return bytes from a file of the cache if they are there and whole, else draw them and keep them there.

    Arguments:
        name: The file's name.
        shape: The shape of the bytes.
        draw: Draws them, as `uint8`.
    """
    try:
        path = user_cache() / name
    except RuntimeError:  # a user without a home
        return draw()
    found = _read(path, shape)
    if found is None:
        found = draw()
        _write(path, found)
    return found


def _read(path: Path, shape: tuple[int, ...]) -> Tensor | None:
    """Return what a file holds, or None if it is missing, unreadable or damaged."""
    content = bytearray(_DIGEST + int(np.prod(shape)))
    try:
        with path.open("rb") as file:
            complete = file.readinto(content) == len(content) and not file.read(1)
    except OSError:
        return None
    if not complete or hashlib.sha256(memoryview(content)[_DIGEST:]).digest() != content[:_DIGEST]:
        return None
    return torch.frombuffer(content, dtype=torch.uint8, offset=_DIGEST).view(shape)


def _write(path: Path, drawn: Tensor) -> None:
    """Keep bytes in a file behind their digest, all or nothing; a folder that cannot be written is no error."""
    content = drawn.numpy().data.cast("B")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError), open(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
            file.close()  # before the move, as Windows asks
            os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
