"""A codebook: who chooses which code, and how the codes follow; nothing in a step depends on what is computed."""

from __future__ import annotations

__all__ = ["Codebook"]

import math
from typing import final

import torch
from torch import Tensor, nn
from vector_quantize_pytorch.vector_quantize_pytorch import kmeans

from zoo_quantised.options import VqOptions

_SMOOTHING = 1e-5


@final
class Codebook(nn.Module):
    """K codes of size D, moved by running means of the vectors that choose them, or by gradients.

    A code that is chosen too seldom takes the place of a vector of the batch. Which ones do is a mask and no list, and
    each code draws a vector whether it needs one or not, so that a step is the same work each time and never waits.

    Arguments:
        options: Their number, size, and how they follow.

    References:
        Neural Discrete Representation Learning (van den Oord, Vinyals & Kavukcuoglu, 2017), arXiv:1711.00937;
        running means are those of its appendix A.1.
        Jukebox: A Generative Model for Music (Dhariwal et al., 2020), arXiv:2005.00341, for the revival of dead codes.
    """

    codes: Tensor
    counts: Tensor
    totals: Tensor

    def __init__(self, options: VqOptions) -> None:
        super().__init__()
        self._decay = options.decay
        self._revive = options.revive
        self._by_means = options.codebook == "ema"
        codes = nn.init.kaiming_uniform_(torch.empty(1, options.codes, options.code_dim))[0]
        if self._by_means:
            self.register_buffer("codes", codes)
        else:
            self.codes = nn.Parameter(codes)
        self.register_buffer("counts", torch.ones(options.codes))
        self.register_buffer("totals", codes.detach().clone())

    def choose(self, vectors: Tensor) -> Tensor:
        """Return the nearest code of each vector `(N, D)`, `(N,)`."""
        codes = self.codes.detach()
        return torch.addmm(codes.square().sum(1), vectors, codes.T, alpha=-2).argmin(1)

    @torch.no_grad()
    def follow(self, vectors: Tensor, chosen: Tensor) -> None:
        """Move the codes after a batch of vectors `(N, D)` that chose `(N,)`."""
        if not self._by_means and not self._revive:
            return
        choices = vectors.new_zeros(len(vectors), len(self.codes)).scatter_(1, chosen[:, None], 1.0)
        self.counts.lerp_(choices.sum(0), 1 - self._decay)
        self.totals.lerp_(choices.T @ vectors, 1 - self._decay)
        if self._by_means:
            self.codes.copy_(self._means())
        if self._revive:
            self._replace_dead(vectors)

    def _means(self) -> Tensor:
        whole = self.counts.sum()
        smoothed = (self.counts + _SMOOTHING) / (whole + len(self.counts) * _SMOOTHING) * whole
        return self.totals / smoothed[:, None]

    def _replace_dead(self, vectors: Tensor) -> None:
        least = self._revive * len(vectors) / len(self.codes)
        dead = (self.counts < least)[:, None]
        drawn = vectors[_some(len(self.codes), len(vectors), vectors.device)]
        self.codes.copy_(torch.where(dead, drawn, self.codes))
        self.totals.copy_(torch.where(dead, least * drawn, self.totals))
        self.counts.clamp_(min=least)

    @torch.no_grad()
    def start(self, vectors: Tensor) -> None:
        """Start codes from the k-means of vectors `(N, D)`."""
        # Where there are fewer vectors than codes, some codes start alike, and are replaced when nothing chooses them.
        enough = vectors.repeat(math.ceil(len(self.codes) / len(vectors)), 1)
        means, sizes = kmeans(enough[None], len(self.codes))
        self.counts.copy_(sizes[0])
        self.totals.copy_(means[0] * sizes[0, :, None])
        self.codes.copy_(self._means())


def _some(count: int, among: int, device: torch.device) -> Tensor:
    """Draw `count` of so many places, without repetition where there are enough."""
    if among >= count:
        return torch.randperm(among, device=device)[:count]
    return torch.randint(among, (count,), device=device)
