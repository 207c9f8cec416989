"""Where data files lie: the folder named by ZOO_DATA, then the user's cache; imports no torch."""

from __future__ import annotations

__all__ = ["DataUnavailable", "data_roots", "download_folder", "find_folder", "user_cache", "ways_out"]

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from zoo.errors import ZooError


class DataUnavailable(ZooError):
    """A data set is neither on this machine nor to be had from the network."""


def user_cache() -> Path:
    """Return the folder where this user's downloads are kept; it need not exist yet."""
    given = os.environ.get("XDG_CACHE_HOME")
    if not given and sys.platform == "win32":
        given = os.environ.get("LOCALAPPDATA")
    return (Path(given).expanduser() if given else Path.home() / ".cache") / "generative-zoo"


def data_roots() -> tuple[Path, ...]:
    """Return the folders that are searched for data, first to last."""
    given = os.environ.get("ZOO_DATA")
    return (Path(given).expanduser(), user_cache()) if given else (user_cache(),)


def find_folder(relative: str, files: Iterable[tuple[str, ...]]) -> Path | None:
    """Return the first folder that holds every file.

    Arguments:
        relative: The folder below each root, such as `MNIST/raw`.
        files: The permitted names of each file, such as packed and unpacked.
    """
    wanted = list(files)
    for root in data_roots():
        folder = root / relative
        if all(any((folder / name).is_file() for name in names) for names in wanted):
            return folder
    return None


def download_folder(relative: str) -> Path:
    """Return where a download goes: below ZOO_DATA if it is ours to write, else the user's cache."""
    root = data_roots()[0]
    folder = root / relative
    # A folder of the user's that is there but incomplete is left as it is.
    theirs = folder.is_dir() and any(folder.iterdir())
    return folder if root.is_dir() and os.access(root, os.W_OK) and not theirs else user_cache() / relative


def ways_out(name: str, wanted: str, *, download: bool = True) -> str:
    """Return what a person can do when a data set is missing, as the end of a sentence.

    Arguments:
        name: The set, as users type it.
        wanted: The files, relative to ZOO_DATA.
        download: Whether the network would help.
    """
    network = " connect to the network," if download else ""
    looked = " and ".join(str(root) for root in data_roots())
    way = f"set ZOO_DATA to a folder that holds {wanted},{network} or use --data glyphs"
    return f"{way} (looked for {name} in {looked})"
