"""A distribution over maps of codes, each given those before it in reading order."""

from __future__ import annotations

__all__ = ["AutoregressiveCodes"]

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from zoo.distributions import Distribution, Support
from zoo_quantised.pixelcnn import GatedPixelCnn
from zoo_quantised.quantiser import find_codes


@dataclass(frozen=True, eq=False)
class AutoregressiveCodes(Distribution):
    """p(k) = prod_i p(k_i | k_1 .. k_i-1) over maps of codes, row by row: batch `()`, event `(D, h, w)`.

    `log_prob` is the logarithm of a probability, -inf where a vector is none of the codes. A sample takes one pass for
    each place, and has no gradient. `mean` is that of codes drawn alike: the law's own has no formula.

    Arguments:
        network: Logits of each code, given those before it.
        codebook: The codes, `(K, D)`; one that is the same vector as an earlier code counts as that.
        plane: Height and width of a map.
    """

    network: GatedPixelCnn
    codebook: Tensor
    plane: tuple[int, int]

    support: ClassVar[Support] = "codes"
    exact_mean: ClassVar[bool] = False
    reparameterised: ClassVar[bool] = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return ()

    @property
    def event_shape(self) -> tuple[int, ...]:
        return (self.codebook.shape[1], *self.plane)

    @property
    def mean(self) -> Tensor:
        return self.codebook.mean(0)[:, None, None].expand(self.event_shape)

    @torch.no_grad()
    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        height, width = self.plane
        indices = torch.zeros(math.prod(shape), height, width, dtype=torch.int64, device=self.codebook.device)
        for i in range(height):
            for j in range(width):
                # Rows below have no say.
                here = self.network.features(indices[:, : i + 1])[:, :, i, j, None, None]
                chances = self._told_apart(self.network.logits(here)).flatten(1).softmax(-1)
                indices[:, i, j] = torch.multinomial(chances, 1).squeeze(-1)
        return self.codebook[indices].movedim(-1, -3).reshape(*shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        indices = find_codes(value.movedim(-3, -1), self.codebook)
        known = (indices >= 0).flatten(-2).all(-1)
        nats = self.log_prob_of(indices.clamp(min=0).reshape(-1, *self.plane)).reshape(known.shape)
        return nats.masked_fill(~known, -torch.inf)

    def log_prob_of(self, indices: Tensor) -> Tensor:
        """Return the log-probability of codes `(N, h, w)`, as `find_codes` gives them, `(N,)`."""
        logits = self._told_apart(self.network(indices))
        return -functional.cross_entropy(logits, indices, reduction="none").flatten(1).sum(1)

    def _told_apart(self, logits: Tensor) -> Tensor:
        """Return logits `(N, K, h, w)` without those of codes that are the same vector as an earlier one."""
        places = torch.arange(len(self.codebook), device=self.codebook.device)
        copies = find_codes(self.codebook, self.codebook) != places
        return logits.masked_fill(copies[:, None, None], -torch.inf)
