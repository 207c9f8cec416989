"""Omniglot, read from two npz files; ink = 1."""

from __future__ import annotations

__all__ = ["omniglot"]

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.archive import Archive
from zoo.data.arguments import no_argument
from zoo.data.cache import DataUnavailable, find_folder, ways_out
from zoo.data.damage import damaged
from zoo.data.images import ImageSet, Split
from zoo.data.options import DataOptions
from zoo.data.resize import resize
from zoo.data.storage import allocate

_TRAIN, _TEST = "omniglot_background.npz", "omniglot_evaluation.npz"
_LABELS = {"character_id": "label", "alphabet": "alphabet", "drawer": "drawer"}
_SIZE = 28


def omniglot(argument: str | None, options: DataOptions) -> ImageSet:
    """Read Omniglot: 19,280 drawings of 964 characters to train on, 13,180 of 659 other characters for the test.

    The drawings of 105 × 105 pixels are brought to 28 × 28, or to `image_size`. Labels are `label` (the character,
    from 0), `alphabet` and `drawer`.

    Raises:
        DataUnavailable: If it is not on this machine; no download of these files is known.
        ZooError: If a file is truncated or corrupt.
    """
    no_argument("omniglot", argument)
    folder = find_folder("Omniglot", [(_TRAIN,), (_TEST,)])
    if folder is None:
        wanted = f"Omniglot/{_TRAIN} and Omniglot/{_TEST}"
        out = ways_out("omniglot", wanted, download=False)
        raise DataUnavailable(f"omniglot is not on this machine and cannot be downloaded: {out}")
    size = options.image_size or _SIZE
    return ImageSet(
        name="omniglot",
        train=_read_split(folder / _TRAIN, size),
        test=_read_split(folder / _TEST, size),
        scale=1 / 255,
        source="Omniglot (Lake, Salakhutdinov and Tenenbaum 2015), https://github.com/brendenlake/omniglot",
        notes=("not the 28 × 28 version of published likelihoods: its scores are not comparable with those",),
    )


def _read_split(path: Path, size: int) -> Split:
    with Archive(path) as archive:
        if missing := sorted({"images", *_LABELS} - archive.members.keys()):
            raise damaged(path, ValueError(f"no {', '.join(missing)} in it"))
        labels = {label: torch.from_numpy(archive.read(name).astype(np.int64)) for name, label in _LABELS.items()}
        x = _read_images(path, archive, size)
    if any(label.shape != (len(x),) for label in labels.values()):
        raise damaged(path, ValueError(f"{len(x)} images have other numbers of labels"))
    labels["label"] -= 1
    return Split(x, labels)


def _read_images(path: Path, archive: Archive, size: int) -> Tensor:
    """Read in blocks: at one go, the drawings of 105 × 105 pixels would take 200 MB."""
    member = archive.members["images"]
    if member.dtype != np.uint8 or len(member.shape) != 3 or 0 in member.shape:
        raise damaged(path, ValueError(f"images is {member.dtype} {member.shape}, not uint8 (N, height, width)"))
    x = allocate((member.count, 1, size, size), torch.uint8)
    start = 0
    for block in archive.blocks("images"):
        ink = torch.from_numpy(255 - block).unsqueeze(1)
        x[start : start + len(ink)] = resize(ink, size)
        start += len(ink)
    return x
