"""The prior over codes that is learned from them when training is over."""

from __future__ import annotations

__all__ = ["FittedPixelCnn"]

from typing import final

from torch import Tensor

from zoo import FittedPrior, Posterior, Site, ZooError, maximise_likelihood
from zoo_quantised.autoregressive import AutoregressiveCodes
from zoo_quantised.options import PixelCnnOptions
from zoo_quantised.pixelcnn import GatedPixelCnn
from zoo_quantised.quantiser import Quantiser, find_codes

MOST = 2**16
"""The most codes that a place chooses among."""


@final
class FittedPixelCnn(FittedPrior):
    """A gated PixelCNN over the codes of a codebook, event `(D, h, w)`: each code given those before it.

    It is fitted by gradients; see `zoo.maximise_likelihood`.

    Raises:
        ZooError: If the posterior has no codebook, or one too large, or the kernel has no middle.

    References:
        Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), arXiv:1606.05328.
        Neural Discrete Representation Learning (van den Oord, Vinyals & Kavukcuoglu, 2017), arXiv:1711.00937, for a
        PixelCNN fitted to codes after training.
    """

    def __init__(self, options: PixelCnnOptions, site: Site) -> None:
        super().__init__()
        head = site.part("posterior", Posterior)
        if not isinstance(head, Quantiser):
            raise ZooError("pixelcnn is fitted to the codes of a codebook, and this run has none; fit another, as gmm")
        if len(head.codebook) > MOST:
            raise ZooError(f"pixelcnn chooses among {MOST:,} codes at most, and this run has {len(head.codebook):,}")
        if options.kernel % 2 == 0:
            raise ZooError(f"--kernel {options.kernel} has no middle; name an odd one, as {options.kernel + 1}")
        # Not registered: the codebook is the posterior's.
        self._posterior = (head,)
        self.options = options
        self.network = GatedPixelCnn(len(head.codebook), options.channels, options.layers, options.kernel // 2)

    def forward(self, c: Tensor | None = None) -> AutoregressiveCodes:
        (head,) = self._posterior
        _, height, width = head.latent_shape
        return AutoregressiveCodes(self.network, head.codebook.detach(), (height, width))

    def fit(self, codes: Tensor) -> None:
        indices = find_codes(codes.detach().movedim(1, -1), self._posterior[0].codebook.detach())
        if len(indices) < 2:
            raise ZooError("pixelcnn is fitted to the codes of two images at the least; give it more of them")
        if (indices < 0).any():
            raise ZooError("some of what pixelcnn was given is not in the codebook; fit it to the codes of this run")
        # By place, so that the step is of one size however large the map is.
        maximise_likelihood(self, lambda some: self().log_prob_of(some) / some[0].numel(), indices, self.options)
