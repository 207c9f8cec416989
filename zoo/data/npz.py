"""Images in a NumPy archive as a data set: `npz:FILE`."""

from __future__ import annotations

__all__ = [
    "check_alike",
    "check_images",
    "chosen_for_test",
    "find_images",
    "npz",
    "read_labels",
    "stored_as",
    "tensors",
]

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.archive import Archive
from zoo.data.arguments import path_argument
from zoo.data.images import ImageSet, Split
from zoo.data.options import DataOptions
from zoo.data.split import every_tenth
from zoo.data.storage import allocate
from zoo.errors import ZooError

_PAIRS = (("x_train", "x_test"), ("train", "test"), ("train_images", "test_images"))
_SINGLE = ("x", "images")
_LABELS = {
    "x_train": ("y_train", "labels_train", "train_labels"),
    "x_test": ("y_test", "labels_test", "test_labels"),
    "train": ("y_train", "labels_train", "train_labels"),
    "test": ("y_test", "labels_test", "test_labels"),
    "train_images": ("train_labels", "labels_train", "y_train"),
    "test_images": ("test_labels", "labels_test", "y_test"),
}
_LABELS_SINGLE = ("y", "labels")
_CHANNELS = (1, 3, 4)
_SLACK = 1e-6
"""How far rounding may carry a float past 0 or 1."""


def npz(argument: str | None, options: DataOptions) -> ImageSet:
    """Read images from the arrays of a NumPy archive.

    Images are `x_train` and `x_test` (or `train` and `test`, or `train_images` and `test_images`), or one of `x`,
    `images` or the archive's only array: then every tenth image is for the test. Labels are `y_train` and `y_test`, or
    `y` or `labels`. Images are `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)` with 1, 3 or 4 channels; where the shape
    allows both of the latter, the last dimension is the channel. Values are `uint8`, or floating-point in [0, 1].

    Raises:
        ZooError: If the file is damaged, or an array has the wrong type, shape, range or length.
    """
    path = path_argument("npz", argument)
    with Archive(path) as archive:
        train, test = find_images(archive)
        count = check_images(archive, train)
        if test is None:
            splits = _divide(archive, train, chosen_for_test(archive, train, count))
        else:
            nothing = torch.zeros(count, dtype=torch.bool)
            other = torch.ones(check_images(archive, test), dtype=torch.bool)
            check_alike(archive, train, test)
            splits = (_divide(archive, train, nothing)[0], _divide(archive, test, other)[1])
    scale = 1 / 255 if splits[0].x.dtype == torch.uint8 else 1.0
    return ImageSet(f"npz:{path.stem}", splits[0], splits[1], scale, source=f"the arrays of {path}")


def find_images(archive: Archive) -> tuple[str, str | None]:
    """Return the names of the training images, and of the test images if there are any.

    Raises:
        ZooError: If no array is named as images are.
    """
    names = archive.members.keys()
    for train, test in _PAIRS:
        if train in names:
            return train, test if test in names else None
    for name in _SINGLE:
        if name in names:
            return name, None
    others = names - set(_LABELS_SINGLE).union(*_LABELS.values())
    if len(others) == 1:
        return others.pop(), None
    found = ", ".join(sorted(names)) or "nothing"
    raise ZooError(f"{archive.path} holds {found}: name the images x, or x_train and x_test")


def check_images(archive: Archive, name: str) -> int:
    """Return how many images an array holds, once its type and shape are known to be good.

    Raises:
        ZooError: If they are not.
    """
    member = archive.plain(name)
    place = f"{archive.path}: {name}"
    if member.dtype.kind != "f" and member.dtype != np.uint8:
        raise ZooError(f"{place} holds {member.dtype}: save images as uint8, or as float32 in [0, 1]")
    if len(member.shape) not in (3, 4):
        raise ZooError(f"{place} has shape {member.shape}: images are (N, H, W), (N, H, W, C) or (N, C, H, W)")
    if 0 in member.shape:
        raise ZooError(f"{place} has shape {member.shape}, which holds no image")
    if len(member.shape) == 4 and not {member.shape[1], member.shape[3]} & set(_CHANNELS):
        raise ZooError(f"{place} has shape {member.shape}, where neither side has 1, 3 or 4 channels")
    return member.count


def chosen_for_test(archive: Archive, name: str, count: int) -> Tensor:
    """Return which images of a single array are for the test.

    Raises:
        ZooError: If there is but one.
    """
    if count < 2:
        raise ZooError(f"{archive.path}: {name} holds one image: it takes two, to train on and for the test")
    return every_tenth(count)


def _divide(archive: Archive, name: str, chosen: Tensor) -> tuple[Split, Split]:
    """Return the images that are not chosen, and those that are, with their labels."""
    parts = _read_images(archive, name, chosen)
    labels = read_labels(archive, name, len(chosen))
    rest, taken = ({key: value[rows] for key, value in labels.items()} for rows in (~chosen, chosen))
    return Split(parts[0], rest), Split(parts[1], taken)


def _read_images(archive: Archive, name: str, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Fill both parts in one pass over the file."""
    shape, dtype = stored_as(archive, name)
    taken = int(chosen.sum())
    parts = (allocate((len(chosen) - taken, *shape), dtype), allocate((taken, *shape), dtype))
    places = torch.where(chosen, chosen.cumsum(0), (~chosen).cumsum(0)) - 1
    start = 0
    for images in tensors(archive, name):
        rows = slice(start, start + len(images))
        for part, mask in zip(parts, (~chosen[rows], chosen[rows]), strict=True):
            part[places[rows][mask]] = images[mask]
        start = rows.stop
    return parts


def stored_as(archive: Archive, name: str) -> tuple[tuple[int, int, int], torch.dtype]:
    """Return the shape `(C, H, W)` and the type in which the images of an array are kept."""
    member = archive.members[name]
    c, h, w = _channels_first(np.empty((1, *member.shape[1:]), np.bool_)).shape[1:]
    return (c, h, w), torch.uint8 if member.dtype == np.uint8 else torch.float32


def tensors(archive: Archive, name: str) -> Iterator[Tensor]:
    """Yield images `(k, C, H, W)` in their stored type; what is wrong with their values is known at the end.

    Raises:
        ZooError: If some value is not finite, or, at the end, if they were not in [0, 1].
    """
    low, high = math.inf, -math.inf
    for block in archive.blocks(name):
        if block.dtype == np.uint8:
            yield torch.from_numpy(np.array(_channels_first(block), order="C"))
        else:
            _check_finite(archive, name, block)
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            yield torch.from_numpy(_channels_first(block).clip(0, 1).astype(np.float32, order="C"))
    if low < -_SLACK or high > 1 + _SLACK:
        raise ZooError(
            f"{archive.path}: {name} holds values from {low:g} to {high:g}, not in [0, 1]: {_mend(name, low, high)}"
        )


def _channels_first(images: NDArray[Any]) -> NDArray[Any]:
    if images.ndim == 3:
        return images[:, None]
    return images.transpose(0, 3, 1, 2) if images.shape[3] in _CHANNELS else images


def _check_finite(archive: Archive, name: str, block: NDArray[Any]) -> None:
    if not np.isfinite(block).all():
        raise ZooError(f"{archive.path}: {name} holds NaN or infinite values: mend or remove those images")


def _mend(name: str, low: float, high: float) -> str:
    if low >= 0 and high <= 255:
        return f"save {name} / 255"
    return f"save ({name} + 1) / 2" if low >= -1 and high <= 1 else f"rescale {name}"


def read_labels(archive: Archive, images: str, count: int) -> dict[str, Tensor]:
    """Return the labels of an array of images: whole numbers as `int64`, others as `float32`.

    Raises:
        ZooError: If they are no numbers, or not as many as the images.
    """
    names = [*_LABELS.get(images, ()), *(() if images.endswith(("test", "test_images")) else _LABELS_SINGLE)]
    for name in names:
        if name in archive.members:
            return {"label": _as_labels(archive, name, images, count)}
    return {}


def _as_labels(archive: Archive, name: str, images: str, count: int) -> Tensor:
    member = archive.plain(name)
    place = f"{archive.path}: {name}"
    if member.dtype.kind not in "biuf":
        raise ZooError(f"{place} holds {member.dtype}: save labels as whole numbers")
    if member.count != count:
        raise ZooError(f"{place} holds {member.count} labels for the {count} images of {images}: they must be as many")
    if len(member.shape) > 2 or 0 in member.shape:
        raise ZooError(f"{place} has shape {member.shape}: labels are (N,) or (N, n)")
    array = archive.read(name)
    if member.dtype.kind == "f":
        _check_finite(archive, name, array)
    values = torch.from_numpy(array.astype(np.float32 if member.dtype.kind == "f" else np.int64))
    return values.flatten() if values.shape[1:] == (1,) else values


def check_alike(archive: Archive, train: str, test: str) -> None:
    """See that training and test images are of one kind.

    Raises:
        ZooError: If they are not.
    """
    (shape, dtype), (other_shape, other_dtype) = stored_as(archive, train), stored_as(archive, test)
    if (shape, dtype) != (other_shape, other_dtype):
        raise ZooError(
            f"{archive.path}: {train} holds images {shape} of {dtype} and {test} {other_shape} of {other_dtype}:"
            " save both alike"
        )
