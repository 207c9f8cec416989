"""Normalising flows as priors: the distribution of a zuko flow, and a RealNVP trained with the model."""

from __future__ import annotations

__all__ = ["FlowDistribution", "RealNvpPrior"]

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
import zuko
from torch import Tensor

from zoo import Posterior, Prior, Site
from zoo.distributions import Distribution
from zoo_priors.options import RealNvpPriorOptions


@dataclass(frozen=True, eq=False)
class FlowDistribution(Distribution):
    """z = loc + scale * g(e) for noise e ~ N(0, temperature² I) and an invertible g, batch `()`.

    log p(z) = log N(g⁻¹(w); 0, temperature² I) + log |det dg⁻¹/dw| - sum log scale, at w = (z - loc) / scale.

    Arguments:
        inverse: A `zuko` transform from w `(*S, d)` to noise.
        loc, scale: Where and how wide codes lie, `(d,)`; 0 and 1 where the flow has to find that by itself.
        shape: The shape of one event, of d values.
        temperature: Spread of the noise.
    """

    inverse: Any
    loc: Tensor
    scale: Tensor
    shape: tuple[int, ...]
    temperature: float = 1.0

    exact_mean: ClassVar[bool] = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return ()

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def mean(self) -> Tensor:
        """The image of noise 0; the expectation of a flow has no closed form."""
        return self._image(torch.zeros_like(self.loc)).reshape(self.event_shape)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        noise = torch.randn((*shape, len(self.loc)), dtype=self.loc.dtype, device=self.loc.device)
        return self._image(self.temperature * noise).reshape(*shape, *self.event_shape)

    def _image(self, noise: Tensor) -> Tensor:
        image: Tensor = self.loc + self.scale * self.inverse.inv(noise)
        return image

    def log_prob(self, value: Tensor) -> Tensor:
        batch = value.shape[: value.ndim - len(self.event_shape)]
        noise, log_det = self.inverse.call_and_ladj((value.reshape(*batch, -1) - self.loc) / self.scale)
        normaliser = math.log(2 * math.pi) + 2 * math.log(self.temperature)
        base = -0.5 * ((noise / self.temperature).square() + normaliser).sum(-1)
        found: Tensor = base + log_det - self.scale.log().sum()
        return found

    def tempered(self, temperature: float) -> FlowDistribution:
        return replace(self, temperature=temperature * self.temperature)


@final
class RealNvpPrior(Prior):
    """p(z) = N(f(z); 0, I) |det df/dz| with f a stack of affine couplings, event the latent shape.

    The layers are those of zuko; a lone unit, which has nothing to be coupled to, gets a learned scale and shift.
    Its KL has no closed form, so that the rate is log q(z|x) - log p(z) at a sample, in nats.

    References:
        Density Estimation using Real NVP (Dinh, Sohl-Dickstein & Bengio, 2017), arXiv:1605.08803.
        Variational Lossy Autoencoder (Chen et al., 2017), arXiv:1611.02731, for a flow as the prior.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, options: RealNvpPriorOptions, site: Site) -> None:
        super().__init__()
        head = site.part("posterior", Posterior)
        self.latent_shape = head.latent_shape
        self.register_buffer("loc", torch.zeros(head.latent_size))
        self.register_buffer("scale", torch.ones(head.latent_size))
        flow = zuko.flows.RealNVP(head.latent_size, transforms=options.transforms, hidden_features=options.hidden)
        self.flow = flow.transform

    def forward(self, c: Tensor | None = None) -> Distribution:
        return FlowDistribution(self.flow(), self.loc, self.scale, self.latent_shape)
