"""The Fréchet distance between test images and samples, in the features of a classifier of the data."""

from __future__ import annotations

__all__ = ["Frechet", "Moments", "frechet_distance"]

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from zoo import Measure, Metric, Subject
from zoo_samples.classifier import LabelledImages, Unjudged, finite, train_classifier
from zoo_samples.options import FrechetOptions


@dataclass(frozen=True)
class Moments:
    """A Gaussian: its mean `(F,)` and its covariance `(F, F)`, in double precision."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Return the moments of features `(N, F)`, N at least 2."""
        values = features.cpu().double()
        return cls(values.mean(0), torch.cov(values.T).reshape(values.shape[1], -1))


def frechet_distance(one: Moments, other: Moments) -> float:
    """Return the squared 2-Wasserstein distance of two Gaussians, `|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))`.

    The trace of the root is the sum of the singular values of `S^(1/2) S'^(1/2)`, whose squares are the eigenvalues of
    `S S'`: no root is taken of what rounding made of a zero, so that equal Gaussians are at 0 to rounding even if their
    covariance has no full rank.

    References:
        GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017),
        arXiv:1706.08500.
    """
    overlap = torch.linalg.svdvals(_root(one.covariance) @ _root(other.covariance)).sum()
    spread = one.covariance.trace() + other.covariance.trace() - 2 * overlap
    return max(0.0, float((one.mean - other.mean).square().sum() + spread))


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root


@final
class Frechet(Metric):
    """Fréchet distance of samples to test images, in the features of a classifier trained on other test images.

    Every other test image, with its label, trains the classifier; the rest are compared with the samples. The
    classifier sees nothing of the model and is the same for every model on the same images. `floor` is the distance of
    two halves of the compared images, and `accuracy` the classifier's on all of them.

    No published FID: that one's features are an Inception network's. Compare runs on the same data, with the same
    number of images and samples; fewer of either make the distance larger.

    References:
        GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017),
        arXiv:1706.08500.
    """

    def __init__(self, options: FrechetOptions, subject: Subject) -> None:
        self.subject = subject
        self.images = LabelledImages(options.label, options.images)

    def compute(self) -> Measure:
        for batch in self.subject.test():
            self.images.add(batch)
        try:
            learnt, (x, y) = self.images.split()
            classifier = train_classifier(*learnt)
            drawn = torch.cat([classifier.features(part) for part in finite(self.subject.drawn())])
        except Unjudged as reason:
            return Measure(None, str(reason))
        seen = classifier.features(x)
        details = {
            "samples": len(drawn),
            "images": len(x),
            "accuracy": classifier.accuracy(x, y),
            "floor": frechet_distance(Moments.of(seen[::2]), Moments.of(seen[1::2])),
        }
        return Measure(frechet_distance(Moments.of(seen), Moments.of(drawn)), details=details)
