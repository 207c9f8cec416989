"""A data set written as raw arrays that can be mapped into memory, block by block, so that writing can be resumed."""

from __future__ import annotations

__all__ = ["Tell", "pack"]

import errno
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

import zoo
from zoo.data.growing import growing, name_of, opened, write_all
from zoo.data.header import HEADER, Header, PackedSplit, read_header
from zoo.data.journal import JOURNAL, Entry, Journal
from zoo.data.skipped import skipped_note
from zoo.data.source import Block, Blocks, Source
from zoo.errors import ZooError

Tell: TypeAlias = Callable[[int, int], None]
"""Told how many images are written, of how many."""

BLOCK = 8 << 20
"""About how many bytes of images are written at once."""

MOST = 4096
"""Images in a block at the most, so that progress shows with small ones too."""


def pack(source: Source, out: Path, request: Mapping[str, Any], command: str, tell: Tell) -> Header:
    """Write a data set into a folder, or go on with that where it was stopped, and return what the folder then says.

    Arguments:
        source: The data set.
        out: The folder, new, or begun by the same request.
        request: What was asked for; what is begun is gone on with by the same alone.
        command: The command that asks for it.
        tell: Who is told of progress.

    Raises:
        ZooError: If the folder holds something else, a picture cannot be read, the source changed, or the disk is full.
    """
    if (finished := _finished(out, request)) is not None:
        return finished
    layout = {name: (name_of(dtype), shape) for name, (dtype, shape) in source.labels.items()}
    plan = {"request": dict(request), "name": source.name, "shape": source.shape, "dtype": name_of(source.dtype)}
    with _told(out), _folder(out, {**plan, "labels": layout, "notes": source.notes}, command) as journal:
        work = _Work(source, out, journal, tell)
        _check_room(out, work)
        train, test = (work.write(split) for split in ("train", "test"))
        work.check_unchanged()
        notes = (*source.notes, *skipped_note((*source.skipped, *work.skipped())))
        found = Header(
            source.name, source.source, notes, source.scale, train, test, dict(request), f"zoo {zoo.__version__}"
        )
        _write_whole(out / HEADER, found.to_json())
        journal.remove()
    return found


def _finished(out: Path, request: Mapping[str, Any]) -> Header | None:
    """Return what a folder says that was packed by the same request.

    Raises:
        ZooError: If it is something else.
    """
    if not out.exists():
        return None
    if not out.is_dir():
        raise ZooError(f"{out} is a file: name a new folder")
    if (out / HEADER).is_file():
        header = read_header(out)
        if dict(header.request) != dict(request):
            raise ZooError(f"{out} holds another packed set, of {header.name}: name a new folder, or remove it")
        (out / JOURNAL).unlink(missing_ok=True)
        return header
    if not (out / JOURNAL).is_file() and any(out.iterdir()):
        raise ZooError(f"{out} holds other files: name a new folder")
    return None


@contextmanager
def _folder(out: Path, plan: Mapping[str, Any], command: str) -> Iterator[Journal]:
    out.mkdir(parents=True, exist_ok=True)
    with Journal(out, plan, command) as journal:
        yield journal


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """Say where and why a file could not be written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full: make room, and the same command goes on from there"
        else:
            reason = f"{error.strerror or error}: mend that, and the same command goes on from there"
        raise ZooError(f"{out}: {reason}") from error


class _Work:
    """The writing of one set."""

    def __init__(self, source: Source, out: Path, journal: Journal, tell: Tell) -> None:
        self.source = source
        self.journal = journal
        self.splits: dict[str, Blocks] = {"train": source.train, "test": source.test}
        self.files = {name: growing(out, name, source) for name in self.splits}
        self.total = sum(split.count for split in self.splits.values())
        row = self.files["train"][0].row_bytes
        self.block = max(1, min(MOST, BLOCK // row))
        self._out = out
        self._tell = tell
        self._done = 0

    def entries(self, split: str) -> list[Entry]:
        """Return the blocks of a split that are written."""
        return [entry for entry in self.journal.entries if entry.split == split]

    def skipped(self) -> tuple[str, ...]:
        """Return the names of what could not be read."""
        return tuple(name for entry in self.journal.entries for name in entry.skipped)

    def write(self, split: str) -> PackedSplit:
        """Write a split, from where it was stopped on."""
        hashes = [hashlib.sha256() for _ in self.files[split]]
        done = self._verify(split, hashes)
        with opened(self.files[split]) as streams:
            for block in self.splits[split].read(done, self.block):
                identity = self.splits[split].identity(done, done + block.items)
                contents = [file.content(rows) for file, rows in zip(self.files[split], _rows(block), strict=True)]
                for stream, content, found in zip(streams, contents, hashes, strict=True):
                    write_all(stream, content)
                    found.update(content)
                sums = tuple(zlib.crc32(content) for content in contents)
                self.journal.add(Entry(split, block.items, len(block.x), identity, sums, block.skipped))
                done += block.items
                self._told(block.items)
            for stream in streams:
                os.fsync(stream.fileno())
        rows = sum(entry.rows for entry in self.entries(split))
        if not rows:
            raise ZooError(f"{self.source.name}: none of the {done} pictures of a split could be read: check the files")
        x, *labels = (file.of(rows, found.hexdigest()) for file, found in zip(self.files[split], hashes, strict=True))
        return PackedSplit(x, dict(zip(self.source.labels, labels, strict=True)))

    def _verify(self, split: str, hashes: list[Any]) -> int:
        """Read what was written before, and return how many items of it are sound; the rest is written again.

        Raises:
            ZooError: If the source is no longer what it was.
        """
        sound: list[Entry] = []
        items, sizes = 0, [0] * len(hashes)
        with opened(self.files[split]) as streams:
            for stream in streams:
                stream.seek(0)
            for entry in self.entries(split):
                rows = zip(streams, self.files[split], strict=True)
                contents = [stream.read(entry.rows * file.row_bytes) for stream, file in rows]
                if tuple(map(zlib.crc32, contents)) != entry.sums:
                    break
                self._check_identity(split, items, entry)
                for number, content in enumerate(contents):
                    hashes[number].update(content)
                    sizes[number] += len(content)
                sound.append(entry)
                items += entry.items
                self._told(entry.items)
            for stream, size in zip(streams, sizes, strict=True):
                stream.truncate(size)
        if len(sound) < len(self.entries(split)):
            others = [entry for entry in self.journal.entries if entry.split == "train" and split == "test"]
            self.journal.keep([*others, *sound])
        return items

    def check_unchanged(self) -> None:
        """See that the source is what it was when its blocks were read.

        Raises:
            ZooError: If it is not.
        """
        for split in self.splits:
            items = 0
            for entry in self.entries(split):
                self._check_identity(split, items, entry)
                items += entry.items

    def _check_identity(self, split: str, start: int, entry: Entry) -> None:
        stop = start + entry.items
        blocks = self.splits[split]
        if stop > blocks.count or blocks.identity(start, stop) != entry.identity:
            raise ZooError(
                f"{self.source.source} changed since they were packed: put back what they were, or remove {self._out}"
                " and pack again"
            )

    def _told(self, items: int) -> None:
        self._done += items
        self._tell(self._done, self.total)


def _rows(block: Block) -> tuple[Tensor, ...]:
    return (block.x, *block.y.values())


def _check_room(out: Path, work: _Work) -> None:
    """Refuse at once what the disk has no room for.

    Raises:
        ZooError: If the images would not fit.
    """
    wanted = sum(work.splits[name].count * sum(f.row_bytes for f in files) for name, files in work.files.items())
    there = sum(f.path.stat().st_size for files in work.files.values() for f in files if f.path.is_file())
    free = shutil.disk_usage(out).free
    if wanted - there > free:
        raise ZooError(
            f"{out} needs {wanted / 1e9:.1f} GB, of which {there / 1e9:.1f} GB are written, and the disk has"
            f" {free / 1e9:.1f} GB left: make room, or take a smaller --image-size or --limit"
        )


def _write_whole(path: Path, text: str) -> None:
    """Write a file in one step."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
