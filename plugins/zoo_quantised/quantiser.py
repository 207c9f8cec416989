"""What posteriors over codes share: a map of features in, a codebook that others can read."""

from __future__ import annotations

__all__ = ["Quantiser", "find_codes", "straight_through"]

from abc import abstractmethod

import torch
from torch import Tensor, nn

from zoo import Network, Posterior, Site, ZooError


class Quantiser(Posterior):
    """A posterior whose latents are maps of codes, `(D, h, w)`: a 1×1 convolution, then a choice at each place.

    Arguments:
        site: Holds the encoder, whose features must be a map.
        dim: The size D of a code.

    Raises:
        ZooError: If the encoder's features have no plane.
    """

    continuous = False
    fitted_prior = "pixelcnn"
    latent_shape: tuple[int, int, int]

    def __init__(self, site: Site, dim: int) -> None:
        super().__init__()
        features = site.part("encoder", Network).out_shape
        if len(features) != 3:
            raise ZooError(
                "a posterior with a code for each place needs an encoder that keeps the places; add --encoder resnet"
            )
        self.layer = nn.Conv2d(features[0], dim, 1)
        self.latent_shape = (dim, features[1], features[2])

    @property
    @abstractmethod
    def codebook(self) -> Tensor:
        """The codes, `(K, D)`."""

    def lookup(self, indices: Tensor) -> Tensor:
        """Return the vectors `(*S, D, h, w)` of codes `(*S, h, w)`."""
        return self.codebook[indices].movedim(-1, -3)


def straight_through(codes: Tensor, source: Tensor) -> Tensor:
    """Return codes, to the bit, whose gradient goes to what they were chosen for, of the same shape."""
    return codes.detach() + (source - source.detach())


def find_codes(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Return which codes `(K, D)` vectors `(*S, D)` are, `(*S,)`: the first that is the same number by number, or -1.

    Number by number it tells codes apart by those seen so far, until all are apart; no distance is computed, so that
    two codes that are nearly the same stay two.
    """
    codes, wanted = len(codebook), vectors.reshape(-1, codebook.shape[1]).to(codebook.dtype)
    start = torch.zeros(len(wanted), dtype=torch.int64, device=wanted.device)
    group, groups, prefixes = start, start.new_zeros(codes), start.new_zeros(1)
    for mine, theirs in zip(wanted.unbind(1), codebook.unbind(1), strict=True):
        if len(prefixes) == codes:
            break
        values, rank = torch.unique(theirs, return_inverse=True)
        prefixes, groups = torch.unique(groups * len(values) + rank, return_inverse=True)
        group = _position(prefixes, group * len(values) + _position(values, mine))
    order = torch.arange(codes, device=wanted.device)
    first = order.new_full((len(prefixes),), codes).scatter_reduce(0, groups, order, "amin")
    found = first[group]
    same = (codebook[found] == wanted).all(1)
    return found.masked_fill(~same, -1).reshape(vectors.shape[:-1])


def _position(values: Tensor, wanted: Tensor) -> Tensor:
    """Return where values are in a sorted `(n,)`; for one that is not there, any place."""
    return torch.searchsorted(values, wanted.contiguous()).clamp(max=len(values) - 1)
