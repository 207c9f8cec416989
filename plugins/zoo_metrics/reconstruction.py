"""How near reconstructions are to their images, each at the posterior mean."""

from __future__ import annotations

__all__ = ["BernoulliNll", "Psnr", "Ssim", "cross_entropy", "structural_similarity"]

from collections.abc import Iterator
from typing import cast, final

import torch
from torch import Tensor

from zoo import Measure, Metric, Options, Reconstructs, Subject, given

WINDOW = 11
"""Sides of the window of the structural similarity: what a Gaussian of 1.5 pixels needs."""

MOST = 100.0
"""Nats that a pixel costs at most, as in `torch.nn.functional.binary_cross_entropy`."""


def _reconstructed(subject: Subject) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images and their reconstructions at the posterior mean, `(B, C, H, W)` each."""
    for batch in subject.test():
        yield batch.x, cast(Reconstructs, given(subject.model, batch.y)).reconstruct(batch.x)


def _mean_of(values: list[Tensor]) -> Measure:
    found = torch.cat(values).double().cpu()
    return Measure(float(found.mean()), per_image=found)


@final
class Psnr(Metric):
    """Peak signal-to-noise ratio, 10 log10(1 / mse) of each image, in decibels, averaged over images.

    Pixels lie in [0, 1], so that the peak is 1. The mean of logarithms is not the logarithm of the mean: this is not
    `10 log10(1 / mse)` of the score `mse`. An image that is reconstructed without an error makes it infinite.
    """

    def __init__(self, options: Options, subject: Subject) -> None:
        self.subject = subject

    def compute(self) -> Measure:
        from torchmetrics.functional.image import peak_signal_noise_ratio

        return _mean_of(
            [
                peak_signal_noise_ratio(found, x, data_range=1.0, reduction="none", dim=(1, 2, 3))
                for x, found in _reconstructed(self.subject)
            ]
        )


@final
class Ssim(Metric):
    """Structural similarity of each image with its reconstruction, at most 1, averaged over images.

    A Gaussian window of 11 × 11 pixels and a standard deviation of 1.5, K = 0.01 and 0.03, pixels in [0, 1]; averaged
    over channels and over the places where the whole window lies in the image. Smaller images have none.

    References:
        Image Quality Assessment: From Error Visibility to Structural Similarity (Wang et al., 2004), IEEE TIP 13(4).
    """

    def __init__(self, options: Options, subject: Subject) -> None:
        self.subject = subject

    def compute(self) -> Measure:
        values = []
        for x, found in _reconstructed(self.subject):
            if min(x.shape[-2:]) < WINDOW:
                sides = "×".join(map(str, x.shape[-2:]))
                return Measure(None, f"images of {sides} pixels are smaller than its window of {WINDOW}×{WINDOW}")
            values.append(structural_similarity(found, x))
        return _mean_of(values)


def structural_similarity(found: Tensor, x: Tensor) -> Tensor:
    """Return the structural similarity of images `(B, C, H, W)` in [0, 1], `(B,)`."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    _, places = structural_similarity_index_measure(
        found, x, sigma=1.5, data_range=1.0, reduction="none", return_full_image=True
    )
    # Without the border, where the library continues images by mirroring them.
    margin = WINDOW // 2
    return cast(Tensor, places)[..., margin:-margin, margin:-margin].flatten(1).mean(1)


@final
class BernoulliNll(Metric):
    """Cross-entropy of pixels, -sum x log m + (1 - x) log(1 - m), with m the reconstruction, in nats per image.

    It takes every model's reconstruction for the probabilities of ink, whatever its own likelihood is, so that models
    of different likelihoods share one scale. `distortion` is of the model's own likelihood, and of codes that are drawn
    from the posterior, where this is of its mean. A pixel costs at most 100 nats, which bounds what a reconstruction of
    exactly 0 or 1 costs where it is wrong; what lies outside [0, 1] counts as its edge.
    """

    def __init__(self, options: Options, subject: Subject) -> None:
        self.subject = subject

    def compute(self) -> Measure:
        return _mean_of([cross_entropy(found, x) for x, found in _reconstructed(self.subject)])


def cross_entropy(found: Tensor, x: Tensor) -> Tensor:
    """Return the cross-entropy of images with probabilities of ink, `(B, C, H, W)` each, in nats: `(B,)`."""
    m, x = found.double().clamp(0, 1), x.double()
    each = x * m.log().clamp(min=-MOST) + (1 - x) * (-m).log1p().clamp(min=-MOST)
    return -each.flatten(1).sum(1)
