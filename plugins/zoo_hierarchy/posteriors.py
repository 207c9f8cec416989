"""Posteriors of several groups of latents: the ladder's and the bottom-up one."""

from __future__ import annotations

__all__ = ["BottomUpPosterior", "GroupPosterior", "LadderPosterior"]

from typing import final

from torch import Tensor, nn

from zoo import Network, Posterior, Site
from zoo.distributions import Distribution
from zoo_hierarchy.chain import Chain, Link
from zoo_hierarchy.networks import GaussianNet, between, layers
from zoo_hierarchy.options import GroupOptions


class GroupPosterior(Posterior):
    """A posterior whose code is groups side by side, z = [z_1, ..., z_L]; the decoder reads z_1.

    Attributes:
        groups: The number of units in each group, z_1 first.
    """

    groups: tuple[int, ...]

    def __init__(self, options: GroupOptions) -> None:
        super().__init__()
        self.groups = options.groups
        self.latent_shape = (sum(options.groups),)

    @property
    def decoder_shape(self) -> tuple[int, ...]:
        return self.groups[:1]

    def decoder_input(self, z: Tensor) -> Tensor:
        return z[..., : self.groups[0]]


@final
class LadderPosterior(GroupPosterior):
    """Inference from the top down: q(z|x) = q(z_L|x) q(z_{L-1}|z_L, x) ... q(z_1|z_2, x).

    A deterministic pass upwards gives each group a normal of what the image says. Going down, that of a group is
    multiplied with the net's normal given the group above, means weighted by precision. These nets are those of the
    prior `ladder`, which takes them from here. Without the batch normalisation of the paper, which two groups do
    without and which would tie the codes of a batch together.

    References:
        Ladder Variational Autoencoders (Sønderby et al., 2016), arXiv:1602.02282.
    """

    def __init__(self, options: GroupOptions, site: Site) -> None:
        super().__init__(options)
        size = site.part("encoder", Network).out_size
        width = options.hidden[-1] if options.hidden else size
        self.upwards = nn.ModuleList(layers(size if i == 0 else width, options) for i in range(len(self.groups) - 1))
        self.heads = nn.ModuleList(GaussianNet(width if i else size, n) for i, n in enumerate(self.groups))
        self.downwards = between(self.groups[::-1], options)

    def forward(self, features: Tensor) -> Distribution:
        features = features.flatten(1)
        said = [self.heads[0](features)]
        for up, head in zip(self.upwards, list(self.heads)[1:], strict=True):
            features = up(features)
            said.append(head(features))
        top, *below = said[::-1]
        others = (Link(net, evidence) for net, evidence in zip(self.downwards, below, strict=True))  # type: ignore[arg-type]  # ModuleList
        return Chain(top, tuple(others), downwards=True)


@final
class BottomUpPosterior(GroupPosterior):
    """Inference from the bottom up: q(z|x) = q(z_1|x) q(z_2|z_1) ... q(z_L|z_{L-1}).

    References:
        Importance Weighted Autoencoders (Burda et al., 2016), arXiv:1509.00519.
    """

    def __init__(self, options: GroupOptions, site: Site) -> None:
        super().__init__(options)
        self.head = GaussianNet(site.part("encoder", Network).out_size, self.groups[0])
        self.upwards = between(self.groups, options)

    def forward(self, features: Tensor) -> Distribution:
        others = tuple(Link(net) for net in self.upwards)  # type: ignore[arg-type]  # a ModuleList holds any module
        return Chain(self.head(features.flatten(1)), others, downwards=False)
