"""The prior over codes before anything is learned of them."""

from __future__ import annotations

__all__ = ["UniformCodesPrior"]

from typing import final

from torch import Tensor

from zoo import Options, Posterior, Prior, Site, ZooError
from zoo.distributions import Distribution
from zoo_quantised.distributions import UniformCodes
from zoo_quantised.quantiser import Quantiser


@final
class UniformCodesPrior(Prior):
    """Every code of the posterior's codebook alike at each place, p(z) = K^-n, event `(D, h, w)`.

    Raises:
        ZooError: If the posterior has no codebook.
    """

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        head = site.part("posterior", Posterior)
        if not isinstance(head, Quantiser):
            raise ZooError("prior uniform-codes needs a posterior with a codebook; add --posterior vq, or fsq")
        # Not registered: the codebook is the posterior's.
        self._posterior = (head,)

    def forward(self, c: Tensor | None = None) -> Distribution:
        (head,) = self._posterior
        _, height, width = head.latent_shape
        return UniformCodes(head.codebook, (height, width))
