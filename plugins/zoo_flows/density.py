"""The composition of a pixel map and a flow: a model that is not an autoencoder, with an exact likelihood."""

from __future__ import annotations

__all__ = ["Density"]

import math
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from zoo import Batch, ExactLikelihood, Model, Part, Player, SampleOptions, Site, Step, Terms
from zoo.distributions import Normal
from zoo_flows.pixels import LEVELS, PixelMap, dequantise
from zoo_flows.realnvp import Flow


@final
class Density(Model, ExactLikelihood):
    """log p(x) = log N(f(h); 0, 1) + log |det df/dh| + log |det dh/dy| for h = logit(y), y the dequantised image.

    Minimises -log p(x), in nats per image; counted in grey levels, so that it is bits per dimension × D log 2.

    Arguments:
        parts: A part for each role: pixels, flow.
        site: The shape of an image and the size of the training set.

    References:
        Density Estimation Using Real NVP (Dinh et al., 2017), arXiv:1605.08803.
    """

    def __init__(self, parts: Mapping[str, Part], site: Site) -> None:
        super().__init__()
        site = Site(site.shape, site.train_size, parts)
        self.shape = site.shape
        self.size = site.pixels
        self.pixels = site.part("pixels", PixelMap)
        self.flow = site.part("flow", Flow)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.log_density(dequantise(x))

    def log_density(self, y: Tensor) -> Tensor:
        """Return log p of dequantised images `(B, C, H, W)`, `(B,)` in nats, as a density over grey levels 256 y."""
        h, from_pixels = self.pixels(y)
        z, from_flow = self.flow(h.flatten(1))
        base = Normal(torch.zeros_like(z), torch.ones_like(z))
        log_prob: Tensor = base.log_prob(z) + from_flow + from_pixels - self.size * math.log(LEVELS)
        return log_prob

    def loss(self, batch: Batch, step: Step) -> Terms:
        loss = -self.log_prob(batch.x).mean()
        return Terms(loss, {"bits_per_dim": loss / (self.size * math.log(2))})

    def players(self) -> Mapping[str, Player]:
        return {"model": Player(dict(self.named_parameters()))}

    def prepare(self, batch: Batch) -> None:
        for part in (self.pixels, self.flow):
            part.prepare(batch)

    @torch.no_grad()
    def sample(self, n: int, options: SampleOptions | None = None) -> Tensor:
        chosen = options or SampleOptions()
        like = next(self.parameters())
        std = chosen.temperature * (1.0 if chosen.std is None else chosen.std)
        z = (chosen.mean or 0.0) + std * torch.randn(n, self.size, dtype=like.dtype, device=like.device)
        y = self.pixels.inverse(self.flow.inverse(z).reshape(n, *self.shape))
        return torch.floor(LEVELS * y).clamp(0, LEVELS - 1) / (LEVELS - 1)
