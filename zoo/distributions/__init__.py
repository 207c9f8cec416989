"""Distributions of latents and pixels: small classes that follow the `torch.distributions` protocol."""

from zoo.distributions.base import (
    Distribution,
    Factorised,
    Support,
    fits,
    kl,
    kl_per_group,
    kl_per_unit,
    normalised,
    sum_event,
)
from zoo.distributions.mixture import Mixture
from zoo.distributions.normal import Delta, Laplace, Normal
from zoo.distributions.pixels import Bernoulli, ContinuousBernoulli, OptimalNormal, SquaredError
from zoo.distributions.positive import Beta, Gamma

__all__ = [
    "Bernoulli",
    "Beta",
    "ContinuousBernoulli",
    "Delta",
    "Distribution",
    "Factorised",
    "Gamma",
    "Laplace",
    "Mixture",
    "Normal",
    "OptimalNormal",
    "SquaredError",
    "Support",
    "fits",
    "kl",
    "kl_per_group",
    "kl_per_unit",
    "normalised",
    "sum_event",
]
