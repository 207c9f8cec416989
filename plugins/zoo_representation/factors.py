"""The factors that images were made from, read off their labels."""

from __future__ import annotations

__all__ = ["FactorMetric", "Factors", "by_factor"]

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from zoo import Measure, Metric, Subject
from zoo_representation.codes import Embedded, NoScore, Values
from zoo_representation.options import FactorOptions

MANY = 100
"""Whole numbers with more values than this are identities, and other numbers are put into bins."""

BINS = 20
"""Bins of equal width that such numbers are put into."""


@dataclass(frozen=True)
class Factors:
    """What images were made from: at least two numbers or classes that vary.

    Arguments:
        names: What they are called.
        values: Their values, `(N, k)`.
        places: The place of each value among those that occur, ascending from 0, `(N, k)`.
        classes: Whether the values of each are names alone, and no numbers that could be ordered.
    """

    names: tuple[str, ...]
    values: Values
    places: NDArray[np.int64]
    classes: tuple[bool, ...]

    @classmethod
    def of(cls, labels: Mapping[str, NDArray[Any]]) -> Factors:
        """Return the factors among labels `(N,)`: classes are whole numbers, all else are numbers.

        Raises:
            NoScore: If fewer than two vary.
        """
        found = {name: label for name, label in labels.items() if _is_factor(label)}
        if len(found) < 2:
            known = f"{next(iter(found))} alone" if found else "none"
            raise NoScore(f"it takes images of which two factors of variation are known, and of these {known} is")
        values = np.stack([label.astype(np.float64) for label in found.values()], 1)
        places = np.stack([_places(label) for label in found.values()], 1)
        return cls(tuple(found), values, places, tuple(_whole(label) for label in found.values()))

    def require(self, images: int) -> None:
        """Check that each value of each factor is had by so many images.

        Raises:
            NoScore: If one is not; it says how many images would do.
        """
        for name, places in zip(self.names, self.places.T, strict=True):
            fewest = int(np.bincount(places).min())
            if fewest < images:
                enough = -(-len(places) * images // fewest)
                raise NoScore(
                    f"it compares {images} images that share a value, and of {len(places)} images {fewest} share one "
                    f"of {name}; about {enough:,} images would do"
                )


def _is_factor(label: NDArray[Any]) -> bool:
    count = len(np.unique(label))
    return count > 1 and (count <= MANY or not _whole(label))


def _whole(label: NDArray[Any]) -> bool:
    return label.dtype.kind in "iub"


def _places(label: NDArray[Any]) -> NDArray[np.int64]:
    values, places = np.unique(label, return_inverse=True)
    if len(values) > MANY:
        edges = np.linspace(values[0], values[-1], BINS + 1)[1:-1]
        _, places = np.unique(np.digitize(label, edges), return_inverse=True)
    return np.asarray(places, np.int64)


class FactorMetric(Metric):
    """A score of the codes of test images against their factors."""

    def __init__(self, options: FactorOptions, subject: Subject) -> None:
        self.images = options.images
        self.subject = subject

    @abstractmethod
    def of(self, codes: Values, factors: Factors) -> Measure:
        """Return the score of codes `(N, d)`.

        Raises:
            NoScore: If they have none.
        """

    @final
    def compute(self) -> Measure:
        try:
            codes = self.subject.once(Embedded).test(self.images)
            return self.of(codes.values, Factors.of(codes.labels))
        except NoScore as reason:
            return Measure(None, str(reason))


def by_factor(factors: Factors, values: NDArray[np.float64]) -> dict[str, float]:
    """Return the value of each factor, `(k,)`, by name."""
    return {name: float(value) for name, value in zip(factors.names, values, strict=True)}
