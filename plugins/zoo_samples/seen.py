"""Images and samples as a net sees them: each computed once for all metrics that look through the same net."""

from __future__ import annotations

__all__ = ["View", "features_of", "finite"]

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo import FeatureExtractor, Subject, TooFewSamples, Unjudged, ZooError
from zoo_samples.options import Features

IMAGES = 10_000
"""Test images that samples are compared with at most, the first ones, and training images that stand in for samples."""


@dataclass(frozen=True)
class View:
    """A model with its images, and the net in whose features they are compared.

    Arguments:
        subject: The model with its images.
        extractor: The net.
    """

    subject: Subject
    extractor: FeatureExtractor

    @classmethod
    def of(cls, subject: Subject, features: Features) -> View:
        """Return what the net sees that an option names.

        Raises:
            Unjudged: If there is none: the data has no labels, and Inception v3 is not at hand.
            ZooError: If Inception v3 was asked for, and is not at hand.
        """
        return cls(subject, _extractor(subject, features))

    def pair(self, least: int) -> tuple[Tensor, Tensor]:
        """Return the features of the test images `(N, F)`, and of samples of the model `(M, F)`.

        Both are in double precision on the CPU; M is what the subject says.

        Raises:
            Unjudged: If there are fewer than `least` test images, or a sample is not finite.
            TooFewSamples: If fewer than `least` are to be drawn.
        """
        if self.subject.samples < least:
            raise TooFewSamples(
                f"{self.subject.samples} samples are too few: --samples must be at least {least} for this metric"
            )
        images = self.subject.once(_of_test, self.extractor)
        if len(images) < least:
            raise Unjudged(f"{len(images)} test images are too few, it needs {least}")
        return images, self.subject.once(_of_samples, self.extractor)

    def train(self) -> Tensor:
        """Return the features of as many training images as samples, the first ones; none where there are none."""
        return self.subject.once(_of_train, self.extractor)

    def all_train(self) -> Tensor:
        """Return the features of all training images, `(N, F)`.

        Raises:
            Unjudged: If there are none.
        """
        found = self.subject.once(_of_all, self.extractor)
        if not len(found):
            raise Unjudged("there are no training images")
        return found


def finite(samples: Iterator[Tensor]) -> Iterator[Tensor]:
    """Yield blocks of samples as long as they are finite.

    Raises:
        Unjudged: If one is not.
    """
    for x in samples:
        if not bool(x.isfinite().all()):
            raise Unjudged("the samples of the model are not all finite")
        yield x


def features_of(extractor: FeatureExtractor, blocks: Iterator[Tensor]) -> Tensor:
    """Return the features of images in blocks, `(N, F)`, in double precision on the CPU."""
    parts = [extractor.features(x).cpu().double() for x in blocks]
    return torch.cat(parts) if parts else torch.zeros(0, 0, dtype=torch.float64)


def _extractor(subject: Subject, features: Features) -> FeatureExtractor:
    if features == "inception":
        return subject.inception()
    try:
        return subject.classifier()
    except Unjudged as reason:
        if features == "classifier":
            raise
        without = str(reason)
    try:
        return subject.inception()
    except ZooError as error:
        raise Unjudged(f"{without}; {error}") from None


def _of_test(subject: Subject, extractor: FeatureExtractor) -> Tensor:
    return features_of(extractor, (batch.x for batch in subject.test(IMAGES)))


def _of_train(subject: Subject, extractor: FeatureExtractor) -> Tensor:
    return features_of(extractor, (batch.x for batch in subject.train(min(IMAGES, subject.samples))))


def _of_all(subject: Subject, extractor: FeatureExtractor) -> Tensor:
    return features_of(extractor, (batch.x for batch in subject.train()))


def _of_samples(subject: Subject, extractor: FeatureExtractor) -> Tensor:
    return features_of(extractor, finite(subject.drawn()))
