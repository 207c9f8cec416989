"""Image sets as the trainer and the metrics see them: tensors in their stored type, and how to read them."""

from __future__ import annotations

__all__ = ["ImageSet", "Images", "InMemory", "Split", "class_counts"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from zoo.data.mapped import Mapped

Images: TypeAlias = Tensor | Mapped
"""Images `(N, C, H, W)` in their stored type: in memory, or in a file from which they are read by index."""

_CLASSES = 10_000
"""More than this many classes are identities, not labels."""


@dataclass(frozen=True)
class Split:
    """Part of a data set.

    Arguments:
        x: The images `(N, C, H, W)` in their stored type, `uint8` for pictures: a tensor, or a packed set's file.
        y: Labels and factors by name, each `(N,)` or `(N, n)`; may be empty.
    """

    x: Images
    y: Mapping[str, Tensor]

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, index: Tensor | slice) -> InMemory:
        x = self.x[index] if isinstance(self.x, Mapped) else _chosen(self.x, index)
        return InMemory(x, {name: _chosen(value, index) for name, value in self.y.items()})


@dataclass(frozen=True)
class InMemory(Split):
    """Images that have been read from where they lie: what an index gives."""

    x: Tensor

    def to(self, device: torch.device, *, ahead: bool = False) -> InMemory:
        """Return them on a device.

        Arguments:
            device: The device.
            ahead: Whether the host goes on before they have arrived.
        """
        x = self.x.to(device, non_blocking=ahead)
        return InMemory(x, {name: value.to(device, non_blocking=ahead) for name, value in self.y.items()})

    def clone(self) -> InMemory:
        """Return the same in memory of its own."""
        return InMemory(self.x.clone(), {name: value.clone() for name, value in self.y.items()})

    def write(self, into: InMemory) -> None:
        """Write them over as many others; a GPU is not waited for."""
        into.x.copy_(self.x, non_blocking=True)
        for name, value in into.y.items():
            value.copy_(self.y[name], non_blocking=True)


def _chosen(values: Tensor, index: Tensor | slice) -> Tensor:
    # Whole rows are copied; by an index in brackets, torch goes number by number.
    if isinstance(index, Tensor) and index.dtype == torch.int64:
        return values.index_select(0, index)
    return values[index]


@dataclass(frozen=True)
class ImageSet:
    """A data set of images with values in [0, 1] once read.

    Arguments:
        name: What is written into runs and figures, such as `mnist` or `folder:mine`.
        train: The images to train on.
        test: The images that are only ever evaluated.
        scale: What a stored value is multiplied by to lie in [0, 1]; 1/255 for `uint8`.
        source: Where the images came from, for the model card.
        notes: One line each for what a person should know, such as files that were skipped.
    """

    name: str
    train: Split
    test: Split
    scale: float
    source: str
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape `(C, H, W)` of one image."""
        c, h, w = self.train.x.shape[1:]
        return (c, h, w)

    def read(self, x: Tensor) -> Tensor:
        """Convert stored values `(B, C, H, W)` to `float32` in [0, 1]."""
        return x.to(torch.float32) * self.scale


def class_counts(split: Split) -> dict[str, tuple[int, ...]]:
    """Return how many images each class has, for each label that counts classes from 0 upwards."""
    labels = {name: value for name, value in split.y.items() if value.ndim == 1 and not value.is_floating_point()}
    counted = {name: value for name, value in labels.items() if int(value.min()) >= 0 and int(value.max()) < _CLASSES}
    return {name: tuple(torch.bincount(value.long()).tolist()) for name, value in counted.items()}
