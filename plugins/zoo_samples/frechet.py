"""The Fréchet distance between test images and samples, in the features of a classifier or of Inception v3."""

from __future__ import annotations

__all__ = ["Frechet", "Moments", "frechet_distance"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from zoo import Classifier, Measure, Metric, Subject, Unjudged
from zoo_samples.options import FeatureOptions
from zoo_samples.seen import View
from zoo_samples.yardsticks import noise_features, pca_features


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
    """Fréchet distance of samples to test images, in the features of a net that knows nothing of the model.

    That is a classifier of the training images, or Inception v3, and `features` says which. It is the same for every
    model on the same data. Read the number against those beside it: `floor` is the distance of training images to test
    images, `noise` that of pixels drawn from 0 to 1, and `pca` that of a PCA model with as many components as the
    model's codes have numbers. `accuracy` is the classifier's on test images.

    A classifier's features give no published FID: that one's are those of Inception v3, of other numbers of images.
    Compare runs on the same data, in the same features, with the same number of images and samples; fewer of either
    make the distance larger. There must be more of both than a feature has values, 64 or 2,048, or else their
    covariances have no full rank.

    References:
        GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017),
        arXiv:1706.08500.
    """

    def __init__(self, options: FeatureOptions, subject: Subject) -> None:
        self.features = options.features
        self.subject = subject

    def compute(self) -> Measure:
        try:
            view = View.of(self.subject, self.features)
            least = view.extractor.size + 1
            seen, drawn = view.pair(least)
        except Unjudged as reason:
            return Measure(None, str(reason))
        images = Moments.of(seen)
        details: dict[str, float | str] = {
            name: frechet_distance(images, Moments.of(features))
            for name, features in _yardsticks(view)
            if len(features) >= least
        }
        details |= {"samples": len(drawn), "images": len(seen), "features": view.extractor.name}
        if isinstance(view.extractor, Classifier):
            details["accuracy"] = view.extractor.accuracy
        return Measure(frechet_distance(images, Moments.of(drawn)), details=details)


def _yardsticks(view: View) -> Iterator[tuple[str, Tensor]]:
    """Yield the features that those of samples are read against, each with its name."""
    yield "floor", view.train()
    yield "noise", noise_features(view)
    pca = pca_features(view)
    if pca is not None:
        yield "pca", pca
