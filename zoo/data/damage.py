"""Damaged data files, told to people."""

from __future__ import annotations

__all__ = ["DAMAGE", "damaged"]

import tarfile
import zipfile
import zlib

from zoo.errors import ZooError, one_line

DAMAGE = (
    *(OSError, EOFError, ValueError, NotImplementedError, RuntimeError),
    *(zlib.error, zipfile.BadZipFile, tarfile.TarError),
)
"""What the standard library's and numpy's readers throw at truncated, corrupt, encrypted or foreign files."""


def damaged(place: object, error: Exception, mend: str = "replace it") -> ZooError:
    """Return the error for a file that cannot be read.

    Arguments:
        place: The file, and what in it.
        error: What the reader threw; a `ValueError` is taken at its word.
        mend: What to do about it.
    """
    reason = " ".join(str(error).split()) if type(error) is ValueError else one_line(error)
    return ZooError(f"{place} is truncated or corrupt ({reason}): {mend}")
