"""The nets between groups of latents."""

from __future__ import annotations

__all__ = ["GaussianNet", "between", "layers"]

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.distributions import Normal
from zoo_hierarchy.options import BetweenOptions

_SMALLEST = 1e-4


def layers(size: int, options: BetweenOptions) -> nn.Sequential:
    """Return hidden layers from `size` values, each linear and then an activation."""
    activation: type[nn.Module] = nn.Tanh if options.activation == "tanh" else nn.LeakyReLU
    stack: list[nn.Module] = []
    for n_in, n_out in pairwise((size, *options.hidden)):
        stack += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*stack)


@final
class GaussianNet(nn.Module):
    """Values `(*S, n)` to independent normals over `(*S, size)`, through given layers and one linear layer.

    Variances are a softplus, as in Sønderby et al. (2016), arXiv:1602.02282: an exponential lets precisions, by which
    means are weighted here, run away.
    """

    def __init__(self, n: int, size: int, options: BetweenOptions | None = None) -> None:
        super().__init__()
        self.size = size
        self.hidden = nn.Sequential() if options is None else layers(n, options)
        self.last = nn.Linear(n if options is None else (n, *options.hidden)[-1], 2 * size)

    def forward(self, values: Tensor) -> Normal:
        mean, variance = self.last(self.hidden(values)).chunk(2, dim=-1)
        return Normal(mean, torch.sqrt(F.softplus(variance) + _SMALLEST))


def between(sizes: Sequence[int], options: BetweenOptions) -> nn.ModuleList:
    """Return a net from each size to the next."""
    return nn.ModuleList(GaussianNet(n_in, n_out, options) for n_in, n_out in pairwise(sizes))
