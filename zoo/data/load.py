"""What every data set has in common once read: a limit, a size, and a note about what a person should know."""

from __future__ import annotations

__all__ = ["Loader", "load_images"]

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import torch

from zoo.data.images import Images, ImageSet, Split
from zoo.data.mapped import Mapped
from zoo.data.options import DataOptions
from zoo.data.resize import resize
from zoo.data.storage import SHARE, fits_memory

Loader: TypeAlias = Callable[[str | None, DataOptions], ImageSet]
"""How a data set is read: from what follows the colon in `--data folder:PATH`, and the options."""


def load_images(load: Loader, argument: str | None, options: DataOptions) -> ImageSet:
    """Read a data set and apply the options that all sets share.

    `limit` keeps the first training images, or all with a note if there are fewer. `image_size` stretches images to a
    square unless the set has seen to it. What is random (`binarize`, `augment`) or needs a seed (`val_fraction`) is
    left to the training.

    Arguments:
        load: The set's own reader.
        argument: What follows the colon in `--data folder:PATH`, or None.
        options: How to read.

    Raises:
        ZooError: If the reader refuses.
    """
    images = load(argument, options)
    images = _limit(images, options.limit)
    if options.image_size is not None:
        images = _resize(images, options.image_size)
    return _note_size(images)


def _limit(images: ImageSet, limit: int | None) -> ImageSet:
    count = len(images.train)
    if limit is None or limit == count:
        return images
    if limit > count:
        return _note(images, f"--limit {limit}: there are only {count} training images, all are used")
    # Copied, so that the rest can be freed; what lies in a file is not.
    x = images.train.x
    first = x.take(torch.arange(limit)) if isinstance(x, Mapped) else x[:limit].clone()
    y = {name: value[:limit].clone() for name, value in images.train.y.items()}
    return dataclasses.replace(images, train=Split(first, y))


def _resize(images: ImageSet, size: int) -> ImageSet:
    train, test = (Split(_resized(split.x, size), split.y) for split in (images.train, images.test))
    return dataclasses.replace(images, train=train, test=test)


def _resized(x: Images, size: int) -> Images:
    return x.resized(size) if isinstance(x, Mapped) else resize(x, size)


def _note_size(images: ImageSet) -> ImageSet:
    size = images.train.x.nbytes
    if fits_memory(size):
        return images
    return _note(images, f"{size / 1e9:.1f} GB of training images exceed {SHARE:.0%} of memory and are read from disk")


def _note(images: ImageSet, note: str) -> ImageSet:
    return dataclasses.replace(images, notes=(*images.notes, note))
