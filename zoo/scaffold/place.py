"""Files that are all there at once, or not at all, in the place of nothing else."""

from __future__ import annotations

__all__ = ["check_empty", "write_files"]

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from zoo.errors import ZooError


def check_empty(folder: Path, files: Mapping[PurePosixPath, str], *, alone: bool) -> None:
    """Check that writing files would replace nothing.

    Arguments:
        folder: Where they would go.
        files: By their path in it.
        alone: Whether the folder is to hold nothing but them.

    Raises:
        ZooError: If something is there.
    """
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise ZooError(f"{folder} is there, and is no folder; nothing was written")
        return
    if alone and any(folder.iterdir()):
        raise ZooError(f"{folder} is not empty; nothing was written: name another folder with --out")
    for path in files:
        if (folder / path).exists() or (folder / path).is_symlink():
            raise ZooError(f"{folder / path} is there already; nothing was written: name another folder with --out")


def write_files(folder: Path, files: Mapping[PurePosixPath, str]) -> None:
    """Write files into a folder, which is made if it is not there.

    They are written beside their place first, so that an error half-way leaves nothing of them.

    Arguments:
        folder: Where they go.
        files: Their texts by their path in it.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    home = folder if folder.is_dir() else folder.parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".zoo-new-") as beside:
        whole = Path(beside) / "whole"
        for path, text in files.items():
            (whole / path).parent.mkdir(parents=True, exist_ok=True)
            (whole / path).write_text(text, "utf-8", newline="\n")
        if home != folder:
            whole.rename(folder)
            return
        for entry in sorted(whole.iterdir()):
            entry.rename(folder / entry.name)
