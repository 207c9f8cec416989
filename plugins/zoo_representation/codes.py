"""Codes of images with their labels, embedded once for all metrics that look at them."""

from __future__ import annotations

__all__ = ["Codes", "Embedded", "NoScore"]

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

from zoo import Batch, Embeds, Subject, given

Values: TypeAlias = NDArray[np.float64]


class NoScore(Exception):
    """Why codes have no score, as the end of a sentence."""


@dataclass(frozen=True)
class Codes:
    """What a model makes of images, and what is known of these.

    Arguments:
        values: The posterior mean of each image as one vector, `(N, d)`.
        labels: Labels and factors by name, `(N,)` each.
    """

    values: Values
    labels: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: slice) -> Codes:
        return Codes(self.values[index], {name: label[index] for name, label in self.labels.items()})

    def beside(self, other: Codes) -> Codes:
        """Return these codes and then others, with the labels that both have."""
        names = [name for name in self.labels if name in other.labels]
        labels = {name: np.concatenate([self.labels[name], other.labels[name]]) for name in names}
        return Codes(np.concatenate([self.values, other.values]), labels)


@final
class Embedded:
    """The codes of a subject's images, each split embedded as far as anyone has asked for."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._asked: dict[str, int] = {}
        self._kept: dict[str, Codes] = {}

    def test(self, images: int) -> Codes:
        """Return the codes of the first test images.

        Raises:
            NoScore: If there are none, or they are not finite.
        """
        return self._first("test", self._subject.test, images)

    def train(self, images: int) -> Codes:
        """Return the codes of the first training images, as `test` does."""
        return self._first("training", self._subject.train, images)

    def _first(self, split: str, blocks: Callable[[int], Iterator[Batch]], images: int) -> Codes:
        if images > self._asked.get(split, 0):
            self._kept[split], self._asked[split] = self._embed(split, blocks(images)), images
        return self._kept[split][:images]

    def _embed(self, split: str, blocks: Iterator[Batch]) -> Codes:
        parts = [self._of(batch) for batch in blocks]
        if not parts:
            raise NoScore(f"there are no {split} images")
        codes = Codes(np.concatenate([part.values for part in parts]), _labels(parts))
        if not np.isfinite(codes.values).all():
            raise NoScore(f"the codes of the {split} images are not all finite")
        return codes

    def _of(self, batch: Batch) -> Codes:
        z = given(cast(Embeds, self._subject.model), batch.y).embed(batch.x).flatten(1)
        labels = {name: label.cpu().numpy() for name, label in batch.y.items() if label.ndim == 1}
        return Codes(z.double().cpu().numpy(), labels)


def _labels(parts: list[Codes]) -> dict[str, NDArray[Any]]:
    return {name: np.concatenate([part.labels[name] for part in parts]) for name in parts[0].labels}
