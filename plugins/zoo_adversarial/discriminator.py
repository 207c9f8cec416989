"""The adversary: a classifier of codes, whose logit is the logarithm of a ratio of densities."""

from __future__ import annotations

__all__ = ["Discriminator", "cross_entropy"]

from itertools import pairwise
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from zoo import Player
from zoo_adversarial.options import DiscriminatorOptions

_SLOPE = 0.2


@final
class Discriminator(nn.Module):
    """Tells codes of the first kind from codes of the second: a code `(N, *latent)` to a logit `(N,)`.

    Where it is the best there is, its logit at z is log a(z) - log b(z), for the densities a and b of the two kinds
    (Sugiyama, Suzuki & Kanamori, 2012, Density Ratio Estimation in Machine Learning).

    Arguments:
        size: The number of values in one code.
        options: Its width and depth, and how it learns.
    """

    def __init__(self, size: int, options: DiscriminatorOptions) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((size, *[options.width] * options.depth)):
            layers += [_scaled(n_in, n_out), nn.LeakyReLU(_SLOPE)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(options.width if options.depth else size, 1)
        # It starts undecided, so that the model feels nothing of it before it has learnt something.
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.options = options

    def forward(self, z: Tensor) -> Tensor:
        logits: Tensor = self.last(self.layers(z.flatten(1)))
        return logits.squeeze(-1)

    def player(self) -> Player:
        """Return this adversary's parameters, with a learning rate and decays of their own."""
        return Player(
            dict(self.named_parameters()),
            every=self.options.discriminator_every,
            lr=self.options.discriminator_lr,
            momentum=self.options.discriminator_momentum,
            square_decay=self.options.discriminator_square_decay,
        )


def cross_entropy(first: Tensor, second: Tensor) -> Tensor:
    """Return what a discriminator minimises, `()` in nats: half of it for each kind; log 2 where it cannot tell.

    Arguments:
        first: Logits of codes of the first kind, `(N,)`.
        second: Logits of codes of the second kind, `(M,)`.
    """
    return 0.5 * (F.softplus(-first).mean() + F.softplus(second).mean())


def _scaled(n_in: int, n_out: int) -> nn.Linear:
    # With torch's own first weights a signal fades through six layers, and the learning with it.
    layer = nn.Linear(n_in, n_out)
    nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
    nn.init.zeros_(layer.bias)
    return layer
