"""Images and samples as the classifier of the data sees them: each computed once for all metrics that share it."""

from __future__ import annotations

__all__ = ["all_train_features", "drawn_features", "features_of", "finite", "test_features", "train_features"]

from collections.abc import Iterator

import torch
from torch import Tensor

from zoo import Subject, Unjudged, ZooError

IMAGES = 10_000
"""Test images that samples are compared with at most, the first ones, and training images that stand in for samples."""


def test_features(subject: Subject, least: int) -> Tensor:
    """Return the features of the test images, `(N, F)`, in double precision on the CPU.

    Raises:
        Unjudged: If there are fewer than `least`, or there is no classifier.
    """
    found = subject.once(_of_test)
    if len(found) < least:
        raise Unjudged(f"{len(found)} test images are too few, it needs {least}")
    return found


def train_features(subject: Subject) -> Tensor:
    """Return the features of as many training images as samples, the first ones; none where there are none."""
    return subject.once(_of_train)


def all_train_features(subject: Subject) -> Tensor:
    """Return the features of all training images, `(N, F)`.

    Raises:
        Unjudged: If there are none.
    """
    found = subject.once(_of_all)
    if not len(found):
        raise Unjudged("there are no training images")
    return found


def drawn_features(subject: Subject, least: int) -> Tensor:
    """Return the features of samples of the model, `(N, F)`, as many as the subject says.

    Raises:
        Unjudged: If one is not finite.
        ZooError: If fewer than `least` are to be drawn.
    """
    if subject.samples < least:
        raise ZooError(f"{subject.samples} samples are too few: --samples must be at least {least} for this metric")
    return subject.once(_of_samples)


def finite(samples: Iterator[Tensor]) -> Iterator[Tensor]:
    """Yield blocks of samples as long as they are finite.

    Raises:
        Unjudged: If one is not.
    """
    for x in samples:
        if not bool(x.isfinite().all()):
            raise Unjudged("the samples of the model are not all finite")
        yield x


def features_of(subject: Subject, blocks: Iterator[Tensor]) -> Tensor:
    """Return the features of images in blocks, `(N, F)`, in double precision on the CPU."""
    classifier = subject.classifier()
    parts = [classifier.features(x).cpu().double() for x in blocks]
    return torch.cat(parts) if parts else torch.zeros(0, 0, dtype=torch.float64)


def _of_test(subject: Subject) -> Tensor:
    return features_of(subject, (batch.x for batch in subject.test(IMAGES)))


def _of_train(subject: Subject) -> Tensor:
    return features_of(subject, (batch.x for batch in subject.train(min(IMAGES, subject.samples))))


def _of_all(subject: Subject) -> Tensor:
    return features_of(subject, (batch.x for batch in subject.train()))


def _of_samples(subject: Subject) -> Tensor:
    return features_of(subject, finite(subject.drawn()))
