"""The posterior and the prior of codes on a sphere."""

from __future__ import annotations

__all__ = ["UniformSpherePrior", "VmfPosterior"]

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import Network, Options, Posterior, Prior, Site
from zoo.distributions import Distribution
from zoo_sphere.distributions import UniformSphere, VonMisesFisher
from zoo_sphere.geometry import SphereGeometry
from zoo_sphere.options import VmfOptions


@final
class VmfPosterior(Posterior):
    """Von Mises–Fisher codes, q(z|x) = vMF(mu, k), event `(d,)` of length one.

    The layer gives a vector, whose direction is mu, and a number, whose softplus is k less its least value.

    References:
        Hyperspherical Variational Auto-Encoders (Davidson et al., 2018), arXiv:1804.00891.
    """

    geometry = SphereGeometry()
    # It draws until enough draws are accepted.
    whole_batch = True
    reads_back = True

    def __init__(self, options: VmfOptions, site: Site) -> None:
        super().__init__()
        self.latent_shape = (options.latent_dim,)
        self.least = options.least_concentration
        self.layer = nn.Linear(site.part("encoder", Network).out_size, options.latent_dim + 1)

    def forward(self, features: Tensor) -> Distribution:
        values = self.layer(features.flatten(1))
        return VonMisesFisher(F.normalize(values[:, :-1], dim=-1), self.least + F.softplus(values[:, -1]))


@final
class UniformSpherePrior(Prior):
    """Codes uniform on the unit sphere, event the latent shape `(d,)`."""

    centre: Tensor

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(site.part("posterior", Posterior).latent_shape))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return UniformSphere(self.centre)
