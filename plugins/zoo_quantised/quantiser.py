"""What posteriors over codes share: a map of features in, a codebook that others can read."""

from __future__ import annotations

__all__ = ["Quantiser", "straight_through"]

from abc import abstractmethod

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
