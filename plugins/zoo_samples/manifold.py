"""Precision, recall, density and coverage: whether samples lie among images, and images among samples."""

from __future__ import annotations

__all__ = ["Coverage", "Density", "Manifold", "Precision", "Recall", "compare"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from zoo import FeatureExtractor, Measure, Metric, Subject, Unjudged
from zoo_samples.neighbours import distances, kth_nearest
from zoo_samples.options import FeatureOptions
from zoo_samples.seen import View

K = 5
"""Neighbours that the ball around an image or a sample reaches to: a part of what the numbers are."""

LEAST = K + 1
"""Images and samples without which there is no k-th neighbour."""


@dataclass(frozen=True)
class Manifold:
    """Shares of samples that lie among images, and of images that lie among samples."""

    precision: float
    recall: float
    density: float
    coverage: float


def compare(images: Tensor, samples: Tensor, k: int = K, around_images: Tensor | None = None) -> Manifold:
    """Compare the features of images `(N, F)` and samples `(M, F)` by balls that reach to the k-th neighbour.

    Arguments:
        images: Features of images.
        samples: Features of samples.
        k: How many neighbours a ball reaches to.
        around_images: The squared radii `(N,)` of the balls around images, if they are known.

    References:
        Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al., 2019),
        arXiv:1904.06991; Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020),
        arXiv:2002.09797.
    """
    around_images = kth_nearest(images, k) if around_images is None else around_images
    around_samples = kth_nearest(samples, k)
    balls = torch.zeros(len(samples), dtype=torch.int64)
    recalled, covered = 0, 0
    for rows, block in distances(images, samples):
        inside = block < around_images[rows, None]
        balls += inside.sum(0)
        covered += int(inside.any(1).sum())
        recalled += int((block < around_samples).any(1).sum())
    return Manifold(
        precision=int((balls > 0).sum()) / len(samples),
        recall=recalled / len(images),
        density=int(balls.sum()) / (k * len(samples)),
        coverage=covered / len(images),
    )


def _of_samples(subject: Subject, extractor: FeatureExtractor) -> Manifold:
    view = View(subject, extractor)
    return _compared(view, view.pair(LEAST)[1])


def _of_train(subject: Subject, extractor: FeatureExtractor) -> Manifold | None:
    view = View(subject, extractor)
    known = view.train()
    return _compared(view, known) if len(known) >= LEAST else None


def _compared(view: View, samples: Tensor) -> Manifold:
    around_images = view.subject.once(_around_images, view.extractor)
    return compare(view.pair(LEAST)[0], samples, K, around_images)


def _around_images(subject: Subject, extractor: FeatureExtractor) -> Tensor:
    return kth_nearest(View(subject, extractor).pair(LEAST)[0], K)


class _Share(Metric):
    """One of the four, beside what training images would get in the place of samples."""

    name: ClassVar[str]

    @final
    def __init__(self, options: FeatureOptions, subject: Subject) -> None:
        self.features = options.features
        self.subject = subject

    @final
    def compute(self) -> Measure:
        subject = self.subject
        try:
            view = View.of(subject, self.features)
            images, samples = view.pair(LEAST)
            found = subject.once(_of_samples, view.extractor)
            of_train = subject.once(_of_train, view.extractor)
        except Unjudged as reason:
            return Measure(None, str(reason))
        details: Mapping[str, float | str] = {
            "k": K,
            "samples": len(samples),
            "images": len(images),
            "features": view.extractor.name,
        }
        if of_train is not None:
            details = {"train": getattr(of_train, self.name), **details}
        return Measure(getattr(found, self.name), details=details)


@final
class Precision(_Share):
    """Share of samples that lie in the ball of a test image, which reaches to its 5th nearest test image.

    `train` is what training images get in the place of samples, which is what a perfect model would.

    References:
        Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al., 2019),
        arXiv:1904.06991.
    """

    name = "precision"


@final
class Recall(_Share):
    """Share of test images that lie in the ball of a sample, which reaches to its 5th nearest sample.

    A few samples that lie far out have large balls, and make it large too; `coverage` does not mind them. `train` is
    what training images get in the place of samples.

    References:
        Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al., 2019),
        arXiv:1904.06991.
    """

    name = "recall"


@final
class Density(_Share):
    """In how many balls of test images a sample lies on average, over 5: 1 is expected of images, and it may be more.

    `train` is what training images get in the place of samples.

    References:
        Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020), arXiv:2002.09797.
    """

    name = "density"


@final
class Coverage(_Share):
    """Share of test images whose ball, which reaches to the 5th nearest test image, holds a sample.

    Of as many other images as there are test images, about 1 - 2^-5 = 0.97 is expected. `train` is what training images
    get in the place of samples.

    References:
        Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020), arXiv:2002.09797.
    """

    name = "coverage"
