"""Likelihood heads: what a decoder's values say about pixels."""

from __future__ import annotations

__all__ = ["BernoulliLikelihood", "ContinuousBernoulliLikelihood", "GaussianLikelihood", "LaplaceLikelihood"]

import math
from typing import final

import torch
from torch import Tensor, nn

from zoo import Likelihood, Options, Site
from zoo.distributions import Bernoulli, ContinuousBernoulli, Distribution, Laplace, Normal, OptimalNormal
from zoo_vae.likelihood_options import GaussianOptions, LaplaceOptions


@final
class BernoulliLikelihood(Likelihood):
    """Independent Bernoulli pixels by logits, event `(C, H, W)`."""

    values_per_pixel = 1

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()

    def forward(self, values: Tensor) -> Distribution:
        return Bernoulli(values)


@final
class ContinuousBernoulliLikelihood(Likelihood):
    """Independent continuous Bernoulli pixels by logits, event `(C, H, W)`.

    References:
        The Continuous Bernoulli: Fixing a Pervasive Error in Variational Autoencoders
        (Loaiza-Ganem & Cunningham, 2019), arXiv:1907.06845.
    """

    values_per_pixel = 1

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()

    def forward(self, values: Tensor) -> Distribution:
        return ContinuousBernoulli(values)


@final
class GaussianLikelihood(Likelihood):
    """A normal for each pixel with one noise level for all, event `(C, H, W)`.

    The noise is fixed, a learned parameter (its log-variance, soft-clipped below), or optimal: the mean squared
    error of each training batch, with a running mean of it where the model is evaluated. A beta of 1 is then
    the right one: learning the noise is learning beta.

    References:
        Simple and Effective VAE Training with Calibrated Decoders (Rybkin et al., 2021), arXiv:2006.13202.
    """

    values_per_pixel = 1
    logvar: Tensor
    variance: Tensor

    def __init__(self, options: GaussianOptions, site: Site) -> None:
        super().__init__()
        self.unit_range = self.squash = options.squash == "sigmoid"
        self.sigma = options.sigma
        self.whole_batch = options.sigma == "optimal"
        start = torch.tensor(2 * math.log(options.std))
        if options.sigma == "learned":
            self.logvar = nn.Parameter(start)
        else:
            self.register_buffer("variance", start.exp())

    def forward(self, values: Tensor) -> Distribution:
        mean = torch.sigmoid(values) if self.squash else values
        if self.sigma == "optimal" and self.training:
            return OptimalNormal(mean, self.variance)
        return Normal(mean, self._variance().sqrt(), event_ndim=3)

    def _variance(self) -> Tensor:
        # The floor keeps sigma above exp(-6), as in the paper's code, so that black borders cannot take it to 0.
        return self.logvar.exp() + math.exp(-12) if self.sigma == "learned" else self.variance


@final
class LaplaceLikelihood(Likelihood):
    """A Laplace density for each pixel with one fixed scale, event `(C, H, W)`."""

    values_per_pixel = 1
    scale: Tensor

    def __init__(self, options: LaplaceOptions, site: Site) -> None:
        super().__init__()
        self.unit_range = self.squash = options.squash == "sigmoid"
        self.register_buffer("scale", torch.tensor(options.scale))

    def forward(self, values: Tensor) -> Distribution:
        mean = torch.sigmoid(values) if self.squash else values
        return Laplace(mean, self.scale, event_ndim=3)
