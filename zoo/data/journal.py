"""How far packing has come, block by block, in a file that can be torn at any byte; imports no torch."""

from __future__ import annotations

__all__ = ["JOURNAL", "Entry", "Journal", "begun_by"]

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zoo.errors import ZooError

if sys.platform != "win32":
    import fcntl

JOURNAL = "packing.jsonl"


@dataclass(frozen=True)
class Entry:
    """A block that was written.

    Arguments:
        split: Of which split.
        items: How many items of the source it holds.
        rows: How many images it became.
        identity: What the items were known by.
        sums: The CRC-32 of what it added to each file of the split.
        skipped: The names of the items that could not be read.
    """

    split: str
    items: int
    rows: int
    identity: str
    sums: tuple[int, ...]
    skipped: tuple[str, ...] = ()


class Journal:
    """The journal of a folder that is being packed, locked against a second process.

    Its first line is what was asked for, each other line a block. A line is written after its block, and blocks are
    compared with their sums before packing goes on; so it does not matter in which order the disk got them.

    Arguments:
        folder: The folder.
        plan: What is packed.
        command: The command that goes on with it.

    Raises:
        ZooError: If it was begun for something else, or another process packs into the folder.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], command: str) -> None:
        self.path = folder / JOURNAL
        self._first = {"plan": json.loads(json.dumps(plan)), "command": command}
        self._file = self.path.open("a+b")
        try:
            self._lock()
            self.entries = self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ZooError(f"another process packs into {self.path.parent}: wait for it, or end it") from None

    def _read(self) -> list[Entry]:
        self._file.seek(0)
        lines = _whole_lines(self._file.read())
        if not lines:
            self.keep([])
            return []
        if lines[0].get("plan") != self._first["plan"]:
            raise ZooError(
                f"{self.path.parent} was begun with '{lines[0].get('command')}': go on with that, or name a new folder"
            )
        try:
            return [Entry(**{**one, "sums": tuple(one["sums"]), "skipped": tuple(one["skipped"])}) for one in lines[1:]]
        except (KeyError, TypeError) as error:
            raise ZooError(f"{self.path} is damaged ({error}): remove {self.path.parent}, and pack again") from None

    def keep(self, entries: list[Entry]) -> None:
        """Forget all blocks but the first ones, or write what was asked for where there is nothing yet."""
        text = "".join(json.dumps(one) + "\n" for one in [self._first, *map(asdict, entries)])
        self._file.truncate(0)
        self._write(text)
        self.entries = entries

    def add(self, entry: Entry) -> None:
        """Note a block that has been written."""
        self._write(json.dumps(asdict(entry)) + "\n")
        self.entries.append(entry)

    def _write(self, text: str) -> None:
        self._file.write(text.encode())
        self._file.flush()

    def remove(self) -> None:
        """Take the journal away: all is written."""
        self._file.close()
        os.unlink(self.path)


def begun_by(folder: Path) -> str:
    """Return the command that packing a folder was begun with."""
    lines = _whole_lines((folder / JOURNAL).read_bytes())
    return str(lines[0].get("command")) if lines else "zoo data pack"


def _whole_lines(content: bytes) -> list[dict[str, Any]]:
    """Return the lines that were written to their ends, up to the first that was not."""
    found: list[dict[str, Any]] = []
    for line in content.splitlines(keepends=True):
        try:
            value = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            value = None
        if not isinstance(value, dict):
            break
        found.append(value)
    return found
