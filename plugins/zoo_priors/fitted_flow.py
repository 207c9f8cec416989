"""Flows fitted to codes by gradients, with an early stop: masked autoregressive, affine or by splines."""

from __future__ import annotations

__all__ = ["FittedAffineFlow", "FittedSplineFlow"]

from typing import Any, final

import torch
import zuko
from torch import Tensor

from zoo import FittedPrior, Posterior, Site, maximise_likelihood
from zoo.distributions import Distribution
from zoo_priors.codes import flat_codes, spread
from zoo_priors.flow import FlowDistribution
from zoo_priors.options import FlowFitOptions, SplineFitOptions


class _FittedFlow(FittedPrior):
    """A flow over standardised codes, fitted by gradients; see `zoo.maximise_likelihood`."""

    loc: Tensor
    scale: Tensor

    def __init__(self, options: FlowFitOptions, site: Site, flow: Any) -> None:
        super().__init__()
        head = site.part("posterior", Posterior)
        self.latent_shape = head.latent_shape
        self.options = options
        self.register_buffer("loc", torch.zeros(head.latent_size))
        self.register_buffer("scale", torch.ones(head.latent_size))
        self.flow = flow.transform

    def forward(self, c: Tensor | None = None) -> Distribution:
        return FlowDistribution(self.flow(), self.loc, self.scale, self.latent_shape)

    def fit(self, codes: Tensor) -> None:
        z = flat_codes(codes)
        self.loc.copy_(z.mean(0))
        self.scale.copy_(spread(z))
        maximise_likelihood(self, lambda batch: self().log_prob(batch), codes.detach(), self.options)


@final
class FittedAffineFlow(_FittedFlow):
    """A masked autoregressive flow: each unit is scaled and shifted by what those before it say.

    The layers are those of zuko, in turn from the first unit on and from the last.

    References:
        Masked Autoregressive Flow for Density Estimation (Papamakarios, Pavlakou & Murray, 2017), arXiv:1705.07057.
    """

    def __init__(self, options: FlowFitOptions, site: Site) -> None:
        size = site.part("posterior", Posterior).latent_size
        flow = zuko.flows.MAF(size, transforms=options.transforms, hidden_features=options.hidden)
        super().__init__(options, site, flow)


@final
class FittedSplineFlow(_FittedFlow):
    """A neural spline flow: each unit passes through a monotonic rational spline that those before it shape.

    The layers are those of zuko; the splines lie between -5 and 5 standard deviations, and leave what is beyond alone.

    References:
        Neural Spline Flows (Durkan et al., 2019), arXiv:1906.04032.
    """

    def __init__(self, options: SplineFitOptions, site: Site) -> None:
        size = site.part("posterior", Posterior).latent_size
        flow = zuko.flows.NSF(size, transforms=options.transforms, bins=options.bins, hidden_features=options.hidden)
        super().__init__(options, site, flow)
