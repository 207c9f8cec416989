"""The inverse autoregressive flow: each unit of a code moves by what the units before it are, all in one pass."""

from __future__ import annotations

__all__ = ["IafPosterior"]

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, final

import torch
from torch import Tensor, nn
from zuko.flows import MaskedAutoregressiveTransform

from zoo import Network, Posterior, Site
from zoo.distributions import Distribution, Normal
from zoo_flows.options import IafOptions
from zoo_flows.pushforward import Pushforward


class _Step(Protocol):
    """What zuko makes of a context: a bijection, with the log-determinant along."""

    @property
    def inv(self) -> Callable[[Tensor], Tensor]: ...

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]: ...

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor: ...


@final
class IafPosterior(Posterior):
    """A normal pushed through autoregressive steps that read the image, event `(d,)`.

    Each step is z_i <- scale_i z_i + shift_i, both of the units before i and of a context from the encoder. A draw and
    its density take one pass; the density of another code takes d, one a unit. The masked networks are zuko's. They
    bound the logarithm of the scale smoothly by ±6.9, which does what the gate of the paper's equation 14 is for.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), arXiv:1606.04934.
    """

    def __init__(self, options: IafOptions, site: Site) -> None:
        super().__init__()
        d = options.latent_dim
        self.latent_shape = (d,)
        width = site.part("encoder", Network).out_size
        self.layer = nn.Linear(width, 2 * d)
        self.context = nn.Linear(width, options.context)
        forth = torch.arange(d)
        self.steps = nn.ModuleList(
            MaskedAutoregressiveTransform(
                d,
                options.context,
                order=forth if number % 2 == 0 else forth.flip(0),
                hidden_features=options.hidden,
                activation=nn.ELU,
            )
            for number in range(options.steps)
        )

    def forward(self, features: Tensor) -> Distribution:
        features = features.flatten(1)
        mean, logvar = self.layer(features).chunk(2, dim=-1)
        context = self.context(features)
        steps = [step(context) for step in self.steps]
        base = Normal(mean, torch.exp(0.5 * logvar))
        return Pushforward(base, partial(_through, steps), partial(_back, steps), name="iaf")


def _through(steps: Sequence[_Step], z: Tensor) -> tuple[Tensor, Tensor]:
    total = z.new_zeros(z.shape[:-1])
    for step in steps:
        z, log_det = step.call_and_ladj(z)
        total = total + log_det
    return z, total


def _back(steps: Sequence[_Step], z: Tensor) -> tuple[Tensor, Tensor]:
    total = z.new_zeros(z.shape[:-1])
    for step in reversed(steps):
        start = step.inv(z)
        total = total + step.log_abs_det_jacobian(start, z)
        z = start
    return z, total
