"""The Sylvester flow: a planar flow through as many directions as the code has dimensions."""

from __future__ import annotations

__all__ = ["SylvesterPosterior", "reflect", "sylvester"]

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import Network, Posterior, Site
from zoo.distributions import Distribution, Normal
from zoo_flows.options import SylvesterOptions
from zoo_flows.pushforward import Pushforward

_LARGEST = 0.999


@dataclass(frozen=True)
class Step:
    """One step's parameters for each image.

    Arguments:
        vectors: Of the reflections whose product is Q, `(B, H, d)`.
        outer, inner: The upper triangles R and R~, `(B, d, d)`; the product of their diagonals is above -1.
        offset: `(B, d)`.
    """

    vectors: Tensor
    outer: Tensor
    inner: Tensor
    offset: Tensor


def reflect(z: Tensor, vectors: Iterable[Tensor]) -> Tensor:
    """Return codes `(*S, B, d)` after a Householder reflection by each vector `(B, d)` in turn."""
    for vector in vectors:
        unit = F.normalize(vector, dim=-1)
        z = z - 2 * (z * unit).sum(-1, keepdim=True) * unit
    return z


def sylvester(z: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    """Return f(z) = z + Q R tanh(R~ Q'z + b), and log |det df/dz| by Sylvester's identity: a product of d numbers.

    Arguments:
        z: Codes `(*S, B, d)`.
        step: The parameters.

    References:
        Sylvester Normalizing Flows for Variational Inference (van den Berg et al., 2018), arXiv:1803.05649.
    """
    vectors = step.vectors.unbind(-2)
    turned = reflect(z, vectors)
    bend = torch.tanh(_times(step.inner, turned) + step.offset)
    diagonals = step.outer.diagonal(dim1=-2, dim2=-1) * step.inner.diagonal(dim1=-2, dim2=-1)
    log_det = torch.log1p((1 - bend**2) * diagonals).sum(-1)
    # Reflections undo themselves, so that Q is the same ones in reverse order.
    return z + reflect(_times(step.outer, bend), reversed(vectors)), log_det


def _times(matrix: Tensor, z: Tensor) -> Tensor:
    return (matrix @ z.unsqueeze(-1)).squeeze(-1)


@final
class SylvesterPosterior(Posterior):
    """A normal pushed through Householder Sylvester steps whose parameters the encoder gives, event `(d,)`.

    One matrix holds both triangles above their diagonals, which pass through a tanh each, as in the paper's code, here
    kept 0.001 from -1 and 1 so that no rounding makes a step singular. Its density is known at its own samples only.

    References:
        Sylvester Normalizing Flows for Variational Inference (van den Berg et al., 2018), arXiv:1803.05649.
    """

    def __init__(self, options: SylvesterOptions, site: Site) -> None:
        super().__init__()
        d = options.latent_dim
        self.latent_shape = (d,)
        self.steps = options.steps
        self.sizes = [options.reflections * d, d * d, d, d, d]
        width = site.part("encoder", Network).out_size
        self.layer = nn.Linear(width, 2 * d)
        self.flow = nn.Linear(width, options.steps * sum(self.sizes))

    def forward(self, features: Tensor) -> Distribution:
        features = features.flatten(1)
        mean, logvar = self.layer(features).chunk(2, dim=-1)
        values = self.flow(features).unflatten(-1, (self.steps, -1)).unbind(-2)
        steps = [self._step(value) for value in values]
        return Pushforward(Normal(mean, torch.exp(0.5 * logvar)), partial(_through, steps), name="sylvester")

    def _step(self, values: Tensor) -> Step:
        d = self.latent_size
        vectors, both, outer, inner, offset = torch.split(values, self.sizes, dim=-1)
        matrix = both.reshape(-1, d, d)
        return Step(
            vectors=vectors.reshape(len(vectors), -1, d),
            outer=matrix.triu(1) + torch.diag_embed(_LARGEST * torch.tanh(outer)),
            inner=matrix.mT.triu(1) + torch.diag_embed(_LARGEST * torch.tanh(inner)),
            offset=offset,
        )


def _through(steps: list[Step], z: Tensor) -> tuple[Tensor, Tensor]:
    total = z.new_zeros(z.shape[:-1])
    for step in steps:
        z, log_det = sylvester(z, step)
        total = total + log_det
    return z, total
