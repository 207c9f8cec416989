"""What follows the colon in `--data folder:PATH`, checked; imports no torch."""

from __future__ import annotations

__all__ = ["no_argument", "path_argument"]

from pathlib import Path

from zoo.errors import ZooError


def no_argument(name: str, argument: str | None) -> None:
    """Refuse an argument for a set that takes none.

    Raises:
        ZooError: If there is one.
    """
    if argument is not None:
        raise ZooError(f"--data {name}:{argument}: {name} takes nothing after its name, write --data {name}")


def path_argument(name: str, argument: str | None) -> Path:
    """Return the path that a set reads, `~` expanded.

    Raises:
        ZooError: If it is missing.
    """
    if not argument:
        raise ZooError(f"--data {name} needs a path: write --data {name}:PATH")
    return Path(argument).expanduser()
