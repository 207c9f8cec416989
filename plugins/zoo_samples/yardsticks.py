"""What a distance is read against: pixel noise, and a PCA model that has as many latents as the model."""

from __future__ import annotations

__all__ = ["noise_features", "pca_features"]

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from zoo import Embeds, FeatureExtractor, Subject, given
from zoo_samples.seen import View, features_of

BLOCK = 500
"""Images that are drawn at once."""

PIXELS = 2**25
"""Pixels of training images that the PCA learns from at most: 10,000 images of 28 × 28, and all of 64 × 64 that fit."""

FITTED = 10_000
"""Training images that the PCA learns from at most."""


def noise_features(view: View) -> Tensor:
    """Return the features of images whose every pixel is drawn from 0 to 1, `(N, F)`, as many as samples."""
    return view.subject.once(_of_noise, view.extractor)


def pca_features(view: View) -> Tensor | None:
    """Return the features of samples of a PCA model, `(N, F)`; nothing where the model has no codes or no data.

    It has as many components as the model's codes have numbers, a Gaussian along each, fitted to training images, and
    like most models of the zoo it draws mean images.
    """
    return view.subject.once(_of_pca, view.extractor)


def _of_noise(subject: Subject, extractor: FeatureExtractor) -> Tensor:
    shape, device = _like(subject)
    return features_of(extractor, (torch.rand(size, *shape).to(device) for size in _sizes(subject)))


def _of_pca(subject: Subject, extractor: FeatureExtractor) -> Tensor | None:
    components, x = _latents(subject), _flat(subject)
    if components is None or len(x) < 2:
        return None
    # Imported here, because it takes as long as the rest of the command.
    from sklearn.decomposition import PCA

    fitted = PCA(min(components, *x.shape), random_state=0).fit(x.numpy())
    mean, axes = torch.from_numpy(fitted.mean_), torch.from_numpy(fitted.components_)
    spread = torch.from_numpy(fitted.explained_variance_).sqrt()
    shape, device = _like(subject)

    def drawn() -> Iterator[Tensor]:
        for size in _sizes(subject):
            flat = mean + (torch.randn(size, len(spread)) * spread) @ axes
            yield flat.clamp(0, 1).float().view(size, *shape).to(device)

    return features_of(extractor, drawn())


def _latents(subject: Subject) -> int | None:
    """Return how many numbers a code of the model has, if it has codes."""
    for batch in subject.test(1):
        model = given(subject.model, batch.y)
        if isinstance(model, Embeds):
            return model.embed(batch.x).flatten(1).shape[1]
    return None


def _flat(subject: Subject) -> Tensor:
    """Return the first training images as rows, `(N, D)`."""
    shape, _ = _like(subject)
    limit = min(FITTED, max(2, PIXELS // math.prod(shape)))
    parts = [batch.x.float().cpu().flatten(1) for batch in subject.train(limit)]
    return torch.cat(parts) if parts else torch.zeros(0, math.prod(shape))


def _like(subject: Subject) -> tuple[torch.Size, torch.device]:
    x = next(subject.test(1)).x
    return x.shape[1:], x.device


def _sizes(subject: Subject) -> Iterator[int]:
    return (min(BLOCK, subject.samples - start) for start in range(0, subject.samples, BLOCK))
