"""Finite scalar quantisation: numbers rounded to levels, and no codebook to learn."""

from __future__ import annotations

__all__ = ["FsqPosterior"]

import math
from typing import final

import torch
from torch import Tensor
from vector_quantize_pytorch import FSQ

from zoo import Site, ZooError
from zoo.distributions import Distribution
from zoo_quantised.distributions import Quantised
from zoo_quantised.options import FsqOptions
from zoo_quantised.quantiser import Quantiser, straight_through

MOST = 2**20
"""The most codes that are listed, as sampling and usage need."""


@final
class FsqPosterior(Quantiser):
    """Each of D numbers bounded and rounded to its own count of levels, event `(D, h, w)`.

    The codes are the points of a grid in [-1, 1]^D; nothing holds them there but the rounding, so that there is no
    codebook to learn, no penalty and no code that could die.

    Raises:
        ZooError: If there are no levels, or more codes than can be listed.

    References:
        Finite Scalar Quantization: VQ-VAE Made Simple (Mentzer et al., 2023), arXiv:2309.15505.
    """

    def __init__(self, options: FsqOptions, site: Site) -> None:
        codes = math.prod(options.levels)
        if not options.levels or codes > MOST:
            raise ZooError(f"--posterior.levels make {codes:,} codes; name one to a few, such as 8,6,5")
        super().__init__(site, len(options.levels))
        self.quantiser = FSQ(levels=list(options.levels))

    @property
    def codebook(self) -> Tensor:
        codes: Tensor = self.quantiser.implicit_codebook
        return codes

    def forward(self, features: Tensor) -> Distribution:
        rounded, indices = self.quantiser(self.layer(features))
        codes = self.lookup(indices).to(rounded.dtype)
        return Quantised(straight_through(codes, rounded), indices.to(torch.int64), len(self.codebook))
