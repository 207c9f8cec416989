"""Priors of several groups of latents, drawn from the top down."""

from __future__ import annotations

__all__ = ["LadderPrior", "TopDownPrior"]

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from zoo import Options, Posterior, Prior, Site, ZooError
from zoo.distributions import Distribution, Normal
from zoo_hierarchy.chain import Chain, Link
from zoo_hierarchy.networks import between
from zoo_hierarchy.options import BetweenOptions
from zoo_hierarchy.posteriors import GroupPosterior, LadderPosterior


class _GroupPrior(Prior):
    """p(z) = N(z_L; 0, 1) p(z_{L-1}|z_L) ... p(z_1|z_2), event `(d,)`, batch `()`."""

    zeros: Tensor

    def __init__(self, top: int) -> None:
        super().__init__()
        self.register_buffer("zeros", torch.zeros(top))

    def forward(self, c: Tensor | None = None) -> Distribution:
        top = Normal(self.zeros, torch.ones_like(self.zeros))
        return Chain(top, tuple(Link(net) for net in self._nets()), downwards=True)  # type: ignore[arg-type]  # ModuleList

    def _nets(self) -> Sequence[nn.Module]:
        """The nets from each group to the one below."""
        raise NotImplementedError


@final
class LadderPrior(_GroupPrior):
    """The top-down nets that the ladder posterior merges what the image says with.

    References:
        Ladder Variational Autoencoders (Sønderby et al., 2016), arXiv:1602.02282.

    Raises:
        ZooError: If the posterior is no ladder.
    """

    def __init__(self, options: Options, site: Site) -> None:
        posterior = site.part("posterior", Posterior)
        if not isinstance(posterior, LadderPosterior):
            raise ZooError("prior ladder shares the nets of --posterior ladder; choose that, or another --prior")
        super().__init__(posterior.groups[-1])
        # The posterior owns the weights.
        self._posterior = (posterior,)

    def _nets(self) -> Sequence[nn.Module]:
        return list(self._posterior[0].downwards)


@final
class TopDownPrior(_GroupPrior):
    """Nets of its own from each group to the one below.

    Raises:
        ZooError: If the posterior has no groups.
    """

    def __init__(self, options: BetweenOptions, site: Site) -> None:
        posterior = site.part("posterior", Posterior)
        if not isinstance(posterior, GroupPosterior):
            raise ZooError("prior top-down is over groups; choose --posterior bottom-up or ladder, or another --prior")
        super().__init__(posterior.groups[-1])
        self.downwards = between(posterior.groups[::-1], options)

    def _nets(self) -> Sequence[nn.Module]:
        return list(self.downwards)
