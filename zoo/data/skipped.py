"""Pictures that cannot be read: the end of it, or left out and named."""

from __future__ import annotations

__all__ = ["Bad", "skipped_note", "some"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.data.pictures import UnreadablePicture
from zoo.errors import ZooError

_NAMED = 5
"""How many skipped files or classes a note names."""


@dataclass
class Bad:
    """Unreadable files: the end of it, or noted and left out."""

    skip: bool
    paths: list[Path] = field(default_factory=list)

    def add(self, path: Path, reason: UnreadablePicture) -> None:
        """Take note of a file.

        Raises:
            ZooError: If such files are not to be skipped.
        """
        if not self.skip:
            raise ZooError(f"{path} is not a readable picture ({reason}): mend it, or skip such files with --skip-bad")
        self.paths.append(path)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files."""
        return tuple(path.name for path in self.paths)


def skipped_note(names: Sequence[str]) -> tuple[str, ...]:
    """Return the note that says which files were skipped, if any were."""
    return (f"skipped {len(names)} unreadable pictures: {some(names)}",) if names else ()


def some(names: Sequence[str]) -> str:
    """Return the first few names, and how many there are beside them."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
