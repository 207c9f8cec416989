"""Checks of units: losses are in nats per image, averaged over images and summed over pixels."""

from __future__ import annotations

__all__ = ["repeated_batch_has_the_same_loss", "twice_the_pixels_have_twice_the_distortion"]

from zoo.testing.check import NotApplicable, require
from zoo.testing.models.case import ModelCase

_SIGMAS = 5
_ROUNDING = 1e-4
_ENOUGH = 0.2
"""An error of the means beyond this share of the loss would not tell a loss from its double."""

_RATIO = (2**0.5, 2**1.5)
_LEVEL = 0.01
"""Nats per pixel; a distortion nearer to 0 says nothing by its ratio."""


def repeated_batch_has_the_same_loss(case: ModelCase) -> None:
    """A batch repeated twice has the same loss, in eval mode and but for noise."""
    from zoo.testing.models.averages import average_loss, compares_images, repeated

    model, batch = case.model().eval(), case.batch(5)
    name = "distortion" if compares_images(model) else "loss"
    once, twice = (average_loss(model, each, case.end, name) for each in (batch, repeated(batch)))
    if once is None or twice is None:
        raise NotApplicable("its loss compares images with each other, and it logs no distortion")
    noise = _SIGMAS * (once.error**2 + twice.error**2) ** 0.5
    if noise > _ENOUGH * abs(once.mean):
        raise NotApplicable(f"its {name} is too noisy to tell: {once.mean:.4g} ± {noise:.2g}")
    found = f"the {name} of a batch is {once.mean:.6g}, and {twice.mean:.6g} when the batch is repeated"
    cure = "take the mean over images, or declare 'compares_images = True' in the loss if it compares them"
    require(abs(once.mean - twice.mean) <= noise + _ROUNDING * abs(once.mean), f"{found}; {cure}")


def twice_the_pixels_have_twice_the_distortion(case: ModelCase) -> None:
    """Images of twice the pixels at equal error have twice the distortion: exactly by the likelihood, nearly by all."""
    from zoo.testing.models.averages import distortions_of_tiled, likelihoods_of_tiled

    cure = "sum over pixels, do not average"
    for name, single, double in likelihoods_of_tiled(case):
        close = abs(double - 2 * single) <= 1e-4 * abs(single) + 1e-6
        require(close, f"{name} gives an image {single:.6g} nats, and its double {double:.6g}; {cure}")
    single, double = distortions_of_tiled(case)
    if abs(single) < _LEVEL * case.shape[0] * case.shape[1] * case.shape[2]:
        raise NotApplicable(f"the distortion of its first weights is near 0: {single:.3g} nats")
    low, high = _RATIO
    told = f"images have {single:.6g} nats, and those of twice the pixels {double:.6g}, before any step"
    require(low < double / single < high, f"{told}; {cure}")
