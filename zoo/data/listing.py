"""The pictures below a folder: which there are, in which split and class, and how they are all made alike."""

from __future__ import annotations

__all__ = ["Listing", "Picture", "list_pictures"]

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from zoo.data.arguments import path_argument
from zoo.data.options import DataOptions
from zoo.data.pictures import SUFFIXES, Header, How, UnreadablePicture, inspect_all
from zoo.data.skipped import Bad, some
from zoo.data.split import every_tenth
from zoo.errors import ZooError

_BLOCK = 2048
_GROUP = 64
"""Pictures that are handed over to a thread or a process at once."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file whose header could be read."""

    path: Path
    group: str
    """The first folder below the root of its split, the class; empty for a picture that lies in the root itself."""

    header: Header


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, before their pixels are read.

    Arguments:
        root: The folder.
        train, test: The pictures of each split, in the order of their names.
        classes: The names of the classes; none if some picture lies in no sub-folder.
        shape: The shape `(C, H, W)` of all images.
        how: How pictures are made alike.
    """

    root: Path
    train: Sequence[Picture]
    test: Sequence[Picture]
    classes: Sequence[str]
    shape: tuple[int, int, int]
    how: How

    @property
    def name(self) -> str:
        """What the set is called."""
        return f"folder:{self.root.resolve().name}"

    @property
    def source(self) -> str:
        """Where its images come from."""
        return f"the pictures below {self.root}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Which number is which class."""
        named = [f"{number} = {name}" for number, name in enumerate(self.classes)]
        return (f"{len(self.classes)} classes: {some(named)}",) if self.classes else ()


def list_pictures(
    argument: str | None, options: DataOptions, pool: Executor, bad: Bad, tell: Callable[[int, int], None] | None = None
) -> Listing:
    """Look at the header of each picture below a folder.

    Arguments:
        argument: The folder, as `--data folder:PATH` names it.
        options: How they are read.
        pool: Who looks at them.
        bad: Who is told of files that are no pictures.
        tell: Who is told how many were looked at, of how many.

    Raises:
        ZooError: If there is no such folder, fewer than two pictures in it, one whose header cannot be read, or
            different sizes without an `image_size`.
    """
    root = path_argument("folder", argument)
    _check_folder(root)
    train, test = _splits(root, pool, bad, tell or (lambda done, total: None))
    train = train[: options.limit]
    pictures = [*train, *test]
    grey, crop = _all_grey(pictures, options), options.crop == "centre"
    return Listing(
        root=root,
        train=train,
        test=test,
        classes=_classes(pictures),
        shape=_shape(pictures, grey, options),
        how=How(grey, crop, options.image_size),
    )


def _check_folder(root: Path) -> None:
    if root.is_file():
        hint = f"write npz:{root}" if root.suffix == ".npz" else "name the folder that it lies in"
        raise ZooError(f"--data folder:{root}: that is a file: {hint}")
    if not root.is_dir():
        raise ZooError(f"--data folder:{root}: there is no such folder: check the path")


def _splits(
    root: Path, pool: Executor, bad: Bad, tell: Callable[[int, int], None]
) -> tuple[list[Picture], list[Picture]]:
    if (root / "train").is_dir() and (root / "test").is_dir():
        return _find(root / "train", pool, bad, tell), _find(root / "test", pool, bad, tell)
    pictures = _find(root, pool, bad, tell)
    if len(pictures) < 2:
        raise ZooError(f"{root} holds one readable picture: it takes two, to train on and for the test")
    test = every_tenth(len(pictures)).tolist()
    return (
        [picture for picture, chosen in zip(pictures, test, strict=True) if not chosen],
        [picture for picture, chosen in zip(pictures, test, strict=True) if chosen],
    )


def _find(root: Path, pool: Executor, bad: Bad, tell: Callable[[int, int], None]) -> list[Picture]:
    paths = sorted(_walk(root), key=lambda path: path.relative_to(root).parts)
    pictures: list[Picture] = []
    for start in range(0, len(paths), _BLOCK):
        part = paths[start : start + _BLOCK]
        groups = [part[first : first + _GROUP] for first in range(0, len(part), _GROUP)]
        headers = [header for found in pool.map(inspect_all, groups) for header in found]
        for path, header in zip(part, headers, strict=True):
            if isinstance(header, UnreadablePicture):
                bad.add(path, header)
            else:
                group = path.relative_to(root).parts[0] if path.parent != root else ""
                pictures.append(Picture(path, group, header))
        tell(start + len(part), len(paths))
    if not pictures:
        kind = "readable pictures" if paths else f"pictures ({', '.join(sorted(SUFFIXES))})"
        raise ZooError(f"{root} holds no {kind}: check the path")
    return pictures


def _walk(root: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for where, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:  # a link back up
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(where, name)


def _all_grey(pictures: Sequence[Picture], options: DataOptions) -> bool:
    if options.colour == "auto":
        return all(picture.header.grey for picture in pictures)
    return options.colour == "grey"


def _shape(pictures: Sequence[Picture], grey: bool, options: DataOptions) -> tuple[int, int, int]:
    channels = 1 if grey else 3
    if options.image_size is not None:
        return (channels, options.image_size, options.image_size)
    first = _size(pictures[0], options)
    for picture in pictures:
        if (size := _size(picture, options)) != first:
            raise ZooError(
                f"{pictures[0].path} has {first[0]} × {first[1]} pixels and {picture.path} has {size[0]} × {size[1]}:"
                " add --image-size 64 (or another size) to make all pictures alike"
            )
    return (channels, first[1], first[0])


def _size(picture: Picture, options: DataOptions) -> tuple[int, int]:
    width, height = picture.header.width, picture.header.height
    return (min(width, height),) * 2 if options.crop == "centre" else (width, height)


def _classes(pictures: Sequence[Picture]) -> list[str]:
    groups = {picture.group for picture in pictures}
    return [] if "" in groups else sorted(groups)
