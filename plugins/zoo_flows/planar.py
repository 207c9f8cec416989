"""The planar flow: codes are pushed along one direction, by how far they lie along another."""

from __future__ import annotations

__all__ = ["PlanarPosterior", "planar"]

from functools import partial
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import Network, Posterior, Site
from zoo.distributions import Distribution, Normal
from zoo_flows.options import PlanarOptions
from zoo_flows.pushforward import Pushforward

_SMALLEST = 1e-8


def planar(z: Tensor, u: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return f(z) = z + v tanh(w·z + b) and log |det df/dz|.

    The direction v is u, moved along w until 1 + w·v = softplus(w·u), which is positive: that makes f invertible.

    Arguments:
        z: Codes `(*S, B, d)`.
        u, w: Directions `(B, d)`.
        b: Offsets `(B,)`.

    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015), arXiv:1505.05770, appendix A.
    """
    dot, square = (w * u).sum(-1), w.square().sum(-1)
    length = square.clamp_min(_SMALLEST)
    v = u + ((F.softplus(dot) - 1 - dot) / length).unsqueeze(-1) * w
    # 1 + w·v; a share below one only where w is all but zero and nothing is moved along it.
    slope = torch.lerp(1 + dot, F.softplus(dot), square / length)
    bend = torch.tanh((w * z).sum(-1) + b)
    # 1 + (1 - bend²) w·v, written as a sum of positive terms.
    return z + v * bend.unsqueeze(-1), torch.log(bend**2 + (1 - bend**2) * slope)


@final
class PlanarPosterior(Posterior):
    """A normal pushed through planar steps whose parameters the encoder gives, event `(d,)`.

    Its density is known at its own samples only.

    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015), arXiv:1505.05770.
    """

    def __init__(self, options: PlanarOptions, site: Site) -> None:
        super().__init__()
        d = options.latent_dim
        self.latent_shape = (d,)
        self.steps = options.steps
        width = site.part("encoder", Network).out_size
        self.layer = nn.Linear(width, 2 * d)
        self.flow = nn.Linear(width, options.steps * (2 * d + 1))

    def forward(self, features: Tensor) -> Distribution:
        features = features.flatten(1)
        mean, logvar = self.layer(features).chunk(2, dim=-1)
        steps = self.flow(features).unflatten(-1, (self.steps, -1)).unbind(-2)
        return Pushforward(Normal(mean, torch.exp(0.5 * logvar)), partial(_through, steps), name="planar")


def _through(steps: tuple[Tensor, ...], z: Tensor) -> tuple[Tensor, Tensor]:
    total = z.new_zeros(z.shape[:-1])
    for values in steps:
        u, w = values[..., :-1].chunk(2, dim=-1)
        z, log_det = planar(z, u, w, values[..., -1])
        total = total + log_det
    return z, total
