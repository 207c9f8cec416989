"""A mixture of normals whose means, variances and weights are trained with the model."""

from __future__ import annotations

__all__ = ["MixturePrior"]

from typing import final

import torch
from torch import Tensor, nn

from zoo import Posterior, Prior, Site
from zoo.distributions import Distribution, Mixture, Normal
from zoo_priors.options import MixturePriorOptions


@final
class MixturePrior(Prior):
    """p(z) = sum_k w_k N(mean_k, diag exp(logvar_k)), event the latent shape.

    Its KL has no closed form, so that the rate is log q(z|x) - log p(z) at a sample, in nats.

    References:
        Approximate Inference for Deep Latent Gaussian Mixtures (Nalisnick, Hertel & Smyth, 2016).
        VAE with a VampPrior (Tomczak & Welling, 2018), arXiv:1705.07120, where it is the one to beat.
    """

    def __init__(self, options: MixturePriorOptions, site: Site) -> None:
        super().__init__()
        shape = (options.components, *site.part("posterior", Posterior).latent_shape)
        self.means = nn.Parameter(options.start_std * torch.randn(shape))
        self.logvars = nn.Parameter(torch.zeros(shape))
        self.logits = nn.Parameter(torch.zeros(options.components))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Mixture(self.logits, Normal(self.means, torch.exp(0.5 * self.logvars), self.means.ndim - 1))
