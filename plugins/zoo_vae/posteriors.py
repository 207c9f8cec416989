"""Posterior heads: one linear layer gives the parameters of q(z|x)."""

from __future__ import annotations

__all__ = ["BetaPosterior", "GammaPosterior", "LaplacePosterior", "NormalPosterior"]

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import Network, Posterior, Site
from zoo.distributions import Beta, Distribution, Gamma, Laplace, Normal
from zoo_vae.options import LatentOptions, NormalPosteriorOptions

_SMALLEST = 1e-4


def _pair(options: LatentOptions, site: Site) -> nn.Linear:
    return nn.Linear(site.part("encoder", Network).out_size, 2 * options.latent_dim)


@final
class NormalPosterior(Posterior):
    """Independent normals, q(z|x) = N(mean, diag exp(logvar)), event `(d,)`.

    The layer gives the log-variance, never sigma, so that no output can make the density invalid.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), arXiv:1312.6114.
    """

    def __init__(self, options: NormalPosteriorOptions, site: Site) -> None:
        super().__init__()
        self.latent_shape = (options.latent_dim,)
        self.layer = _pair(options, site)
        mean, logvar = self.layer.weight.data.chunk(2)
        if options.start_std is not None:
            nn.init.normal_(mean, std=options.start_std)
        if options.start_logvar is not None:
            nn.init.zeros_(logvar)
            nn.init.constant_(self.layer.bias.data[options.latent_dim :], options.start_logvar)

    def forward(self, features: Tensor) -> Distribution:
        mean, logvar = self.layer(features.flatten(1)).chunk(2, dim=-1)
        return Normal(mean, torch.exp(0.5 * logvar))


@final
class LaplacePosterior(Posterior):
    """Independent Laplace units by mean and log-scale, event `(d,)`."""

    def __init__(self, options: LatentOptions, site: Site) -> None:
        super().__init__()
        self.latent_shape = (options.latent_dim,)
        self.layer = _pair(options, site)

    def forward(self, features: Tensor) -> Distribution:
        mean, logscale = self.layer(features.flatten(1)).chunk(2, dim=-1)
        return Laplace(mean, torch.exp(logscale))


@final
class GammaPosterior(Posterior):
    """Independent gamma units, event `(d,)`; softplus keeps both parameters positive.

    References:
        Implicit Reparameterization Gradients (Figurnov et al., 2018), arXiv:1805.08498.
    """

    # Its draws are by rejection.
    whole_batch = True

    def __init__(self, options: LatentOptions, site: Site) -> None:
        super().__init__()
        self.latent_shape = (options.latent_dim,)
        self.layer = _pair(options, site)

    def forward(self, features: Tensor) -> Distribution:
        concentration, rate = _positive(self.layer(features.flatten(1))).chunk(2, dim=-1)
        return Gamma(concentration, rate)


@final
class BetaPosterior(Posterior):
    """Independent beta units, event `(d,)`; softplus keeps both parameters positive."""

    whole_batch = True

    def __init__(self, options: LatentOptions, site: Site) -> None:
        super().__init__()
        self.latent_shape = (options.latent_dim,)
        self.layer = _pair(options, site)

    def forward(self, features: Tensor) -> Distribution:
        a, b = _positive(self.layer(features.flatten(1))).chunk(2, dim=-1)
        return Beta(a, b)


def _positive(values: Tensor) -> Tensor:
    # The first gammas drawn at a concentration near 0 underflow to 0, where the density is infinite.
    return F.softplus(values + 1) + _SMALLEST
