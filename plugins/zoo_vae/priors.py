"""Priors of independent units."""

from __future__ import annotations

__all__ = ["BetaPrior", "GammaPrior", "LaplacePrior", "NormalPrior"]

from typing import final

import torch
from torch import Tensor

from zoo import Posterior, Prior, Site
from zoo.distributions import Beta, Distribution, Gamma, Laplace, Normal
from zoo_vae.prior_options import BetaPriorOptions, GammaPriorOptions, LaplacePriorOptions, NormalPriorOptions


def _full(site: Site, value: float) -> Tensor:
    return torch.full(site.part("posterior", Posterior).latent_shape, value)


@final
class NormalPrior(Prior):
    """p(z) = N(mean, std²) for each unit, event the latent shape."""

    loc: Tensor
    scale: Tensor

    def __init__(self, options: NormalPriorOptions, site: Site) -> None:
        super().__init__()
        self.register_buffer("loc", _full(site, options.mean))
        self.register_buffer("scale", _full(site, options.std))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Normal(self.loc, self.scale, self.loc.ndim)


@final
class LaplacePrior(Prior):
    """p(z) = Laplace(mean, scale) for each unit, event the latent shape."""

    loc: Tensor
    scale: Tensor

    def __init__(self, options: LaplacePriorOptions, site: Site) -> None:
        super().__init__()
        self.register_buffer("loc", _full(site, options.mean))
        self.register_buffer("scale", _full(site, options.scale))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Laplace(self.loc, self.scale, self.loc.ndim)


@final
class GammaPrior(Prior):
    """p(z) = Gamma(concentration, rate) for each unit, event the latent shape."""

    concentration: Tensor
    rate: Tensor

    def __init__(self, options: GammaPriorOptions, site: Site) -> None:
        super().__init__()
        self.register_buffer("concentration", _full(site, options.concentration))
        self.register_buffer("rate", _full(site, options.rate))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Gamma(self.concentration, self.rate, self.rate.ndim)


@final
class BetaPrior(Prior):
    """p(z) = Beta(a, b) for each unit, event the latent shape."""

    a: Tensor
    b: Tensor

    def __init__(self, options: BetaPriorOptions, site: Site) -> None:
        super().__init__()
        self.register_buffer("a", _full(site, options.a))
        self.register_buffer("b", _full(site, options.b))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Beta(self.a, self.b, self.a.ndim)
