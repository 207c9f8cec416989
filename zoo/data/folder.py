"""A folder of pictures as a data set: `folder:PATH`."""

from __future__ import annotations

__all__ = ["folder"]

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.arguments import path_argument
from zoo.data.images import ImageSet, Split
from zoo.data.options import DataOptions
from zoo.data.pictures import SUFFIXES, Header, UnreadablePicture, decode, inspect
from zoo.data.split import every_tenth
from zoo.data.storage import allocate
from zoo.errors import ZooError

_BLOCK = 256
_THREADS = 8
_NAMED = 5
"""How many skipped files or classes a note names."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Picture:
    path: Path
    group: str
    """The first folder below the root of its split, the class; empty for a picture that lies in the root itself."""

    header: Header


@dataclass
class _Bad:
    """Unreadable files: the end of it, or noted and left out."""

    skip: bool
    paths: list[Path]

    def add(self, path: Path, reason: UnreadablePicture) -> None:
        if not self.skip:
            raise ZooError(f"{path} is not a readable picture ({reason}): mend it, or skip such files with --skip-bad")
        self.paths.append(path)

    def notes(self) -> tuple[str, ...]:
        if not self.paths:
            return ()
        return (f"skipped {len(self.paths)} unreadable pictures: {_some([path.name for path in self.paths])}",)


def folder(argument: str | None, options: DataOptions) -> ImageSet:
    """Read all pictures below a folder, in the order of their names.

    Sub-folders `train` and `test`, if both are there, are the splits; otherwise every tenth readable picture is for the
    test. If every picture lies in a sub-folder (of its split), the names of these are the classes, numbered in
    alphabetic order as `label`. Pictures are read as grey if all of them are, otherwise as RGB; transparency is laid on
    white. Hidden files and folders are passed over.

    Raises:
        ZooError: If there is no such folder, fewer than two pictures in it, one that cannot be read, or different
            sizes without an `image_size`.
    """
    root = path_argument("folder", argument)
    _check_folder(root)
    bad = _Bad(options.skip_bad, [])
    # Pillow warns of oddities in files that it reads well enough.
    with warnings.catch_warnings(), ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        train, test = _splits(root, pool, bad)
        train = train[: options.limit]
        read = partial(_decode, grey=_all_grey(train + test, options), crop=_crops(options), size=options.image_size)
        shape = _shape(train + test, options)
        classes = _classes(train + test)
        return ImageSet(
            name=f"folder:{root.resolve().name}",
            train=_read(root, train, classes, shape, pool, read, bad),
            test=_read(root, test, classes, shape, pool, read, bad),
            scale=1 / 255,
            source=f"the pictures below {root}",
            notes=(*_class_notes(classes), *bad.notes()),
        )


def _check_folder(root: Path) -> None:
    if root.is_file():
        hint = f"write npz:{root}" if root.suffix == ".npz" else "name the folder that it lies in"
        raise ZooError(f"--data folder:{root}: that is a file: {hint}")
    if not root.is_dir():
        raise ZooError(f"--data folder:{root}: there is no such folder: check the path")


def _splits(root: Path, pool: ThreadPoolExecutor, bad: _Bad) -> tuple[list[_Picture], list[_Picture]]:
    if (root / "train").is_dir() and (root / "test").is_dir():
        return _find(root / "train", pool, bad), _find(root / "test", pool, bad)
    pictures = _find(root, pool, bad)
    if len(pictures) < 2:
        raise ZooError(f"{root} holds one readable picture: it takes two, to train on and for the test")
    test = every_tenth(len(pictures)).tolist()
    return (
        [picture for picture, chosen in zip(pictures, test, strict=True) if not chosen],
        [picture for picture, chosen in zip(pictures, test, strict=True) if chosen],
    )


def _find(root: Path, pool: ThreadPoolExecutor, bad: _Bad) -> list[_Picture]:
    paths = sorted(_walk(root), key=lambda path: path.relative_to(root).parts)
    pictures = []
    for path, header in zip(paths, _in_blocks(pool, _inspect, paths), strict=True):
        if isinstance(header, UnreadablePicture):
            bad.add(path, header)
        else:
            group = path.relative_to(root).parts[0] if path.parent != root else ""
            pictures.append(_Picture(path, group, header))
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


def _in_blocks(pool: ThreadPoolExecutor, work: Callable[[Path], _T], paths: Sequence[Path]) -> Iterator[_T]:
    """Work in threads, in order, without results piling up."""
    for start in range(0, len(paths), _BLOCK):
        yield from pool.map(work, paths[start : start + _BLOCK])


def _inspect(path: Path) -> Header | UnreadablePicture:
    try:
        return inspect(path)
    except UnreadablePicture as reason:
        return reason


def _decode(path: Path, *, grey: bool, crop: bool, size: int | None) -> NDArray[np.uint8] | UnreadablePicture:
    try:
        return decode(path, grey=grey, crop=crop, size=size)
    except UnreadablePicture as reason:
        return reason


def _all_grey(pictures: Sequence[_Picture], options: DataOptions) -> bool:
    if options.colour == "auto":
        return all(picture.header.grey for picture in pictures)
    return options.colour == "grey"


def _crops(options: DataOptions) -> bool:
    return options.crop == "centre"


def _shape(pictures: Sequence[_Picture], options: DataOptions) -> tuple[int, int, int]:
    channels = 1 if _all_grey(pictures, options) else 3
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


def _size(picture: _Picture, options: DataOptions) -> tuple[int, int]:
    width, height = picture.header.width, picture.header.height
    return (min(width, height),) * 2 if _crops(options) else (width, height)


def _classes(pictures: Sequence[_Picture]) -> list[str]:
    groups = {picture.group for picture in pictures}
    return [] if "" in groups else sorted(groups)


def _class_notes(classes: list[str]) -> tuple[str, ...]:
    named = [f"{number} = {name}" for number, name in enumerate(classes)]
    return (f"{len(classes)} classes: {_some(named)}",) if classes else ()


def _read(
    root: Path,
    pictures: Sequence[_Picture],
    classes: Sequence[str],
    shape: tuple[int, int, int],
    pool: ThreadPoolExecutor,
    read: Callable[[Path], NDArray[np.uint8] | UnreadablePicture],
    bad: _Bad,
) -> Split:
    x = allocate((len(pictures), *shape), torch.uint8)
    groups: list[str] = []
    pixels = _in_blocks(pool, read, [picture.path for picture in pictures])
    for picture, image in zip(pictures, pixels, strict=True):
        if not isinstance(image, UnreadablePicture) and image.shape != shape:
            image = UnreadablePicture("its pixels have another size than its header says")
        if isinstance(image, UnreadablePicture):
            bad.add(picture.path, image)
        else:
            x[len(groups)] = torch.from_numpy(np.array(image))
            groups.append(picture.group)
    if not groups:
        raise ZooError(f"{root}: none of the {len(pictures)} pictures of a split could be read: check the files")
    return Split(x[: len(groups)], _labels(groups, classes))


def _labels(groups: Sequence[str], classes: Sequence[str]) -> dict[str, Tensor]:
    numbers = {name: number for number, name in enumerate(classes)}
    return {"label": torch.tensor([numbers[group] for group in groups])} if classes else {}


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
