"""Atomic writes: a file is the old one or the new one, whatever happens in between."""

from __future__ import annotations

__all__ = ["write_bytes", "write_text"]

import os
import tempfile
from pathlib import Path


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file's content in one step; on any error the old content stays and nothing else is left.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Replace a text file's content in one step; see `write_bytes`."""
    write_bytes(path, text.encode())


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
