"""From stored pixels to real numbers: dequantisation, and the logit."""

from __future__ import annotations

__all__ = ["LEVELS", "Logit", "PixelMap", "dequantise"]

import math
from abc import abstractmethod
from typing import final

import torch
from torch import Tensor

from zoo import Bijection, Site
from zoo_flows.options import LogitOptions

LEVELS = 256
"""Grey levels of a stored pixel."""


def dequantise(x: Tensor) -> Tensor:
    """Return pixels with uniform noise below their last digit, (255 x + u) / 256 for u in [0, 1).

    A density of these is at most the probability of the grey levels, in the mean over u: E_u log p(y) <= log P(x).

    Arguments:
        x: Images in [0, 1], multiples of 1/255 where they were stored as bytes.

    References:
        A Note on the Evaluation of Generative Models (Theis, van den Oord & Bethge, 2016), arXiv:1511.01844.
    """
    return ((LEVELS - 1) * x + torch.rand_like(x)) / LEVELS


class PixelMap(Bijection):
    """A bijection of the unit interval, or a little more, and real numbers: the same for each pixel."""

    @abstractmethod
    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return real numbers for dequantised images `(B, C, H, W)`, and log |det| `(B,)`."""

    @abstractmethod
    def inverse(self, h: Tensor) -> Tensor:
        """Return the dequantised images that `forward` maps to `h`."""


@final
class Logit(PixelMap):
    """h = logit(alpha + (1 - 2 alpha) y), so that a density on the real line is one on pixels.

    References:
        Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), arXiv:1705.07057.
    """

    def __init__(self, options: LogitOptions, site: Site) -> None:
        super().__init__()
        self.alpha = options.alpha

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        # Both from y itself: one minus the other would lose the last digits of white.
        ink, paper = (torch.log(self.alpha + (1 - 2 * self.alpha) * share) for share in (y, 1 - y))
        return ink - paper, (math.log(1 - 2 * self.alpha) - ink - paper).flatten(1).sum(1)

    def inverse(self, h: Tensor) -> Tensor:
        return (torch.sigmoid(h) - self.alpha) / (1 - 2 * self.alpha)
