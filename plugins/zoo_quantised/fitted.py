"""The prior over codes that is learned from them when training is over."""

from __future__ import annotations

__all__ = ["FittedPixelCnn"]

import math
from typing import final

import torch
from torch import Tensor, nn

from zoo import FittedPrior, Posterior, Site, ZooError
from zoo_quantised.autoregressive import AutoregressiveCodes
from zoo_quantised.options import PixelCnnOptions
from zoo_quantised.pixelcnn import GatedPixelCnn
from zoo_quantised.quantiser import Quantiser, find_codes

MOST = 2**16
"""The most codes that a place chooses among."""

_CHECK_EVERY = 100
_LARGEST_GRADIENT = 5.0


@final
class FittedPixelCnn(FittedPrior):
    """A gated PixelCNN over the codes of a codebook, event `(D, h, w)`: each code given those before it.

    A tenth of the maps is held out; every hundredth step looks at their likelihood. The best weights are kept.

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

    @torch.enable_grad()
    def fit(self, codes: Tensor) -> None:
        indices = find_codes(codes.detach().movedim(1, -1), self._posterior[0].codebook.detach())
        if len(indices) < 2:
            raise ZooError("pixelcnn is fitted to the codes of two images at the least; give it more of them")
        if (indices < 0).any():
            raise ZooError("some of what pixelcnn was given is not in the codebook; fit it to the codes of this run")
        indices = indices[torch.randperm(len(indices))]
        held = max(1, len(indices) // 10)
        self._maximise(indices[held:], indices[:held])

    def _maximise(self, indices: Tensor, held: Tensor) -> None:
        optimiser = torch.optim.Adam(self.parameters(), self.options.lr)
        best, waited, kept = -math.inf, 0, self._copy()
        for step in range(self.options.steps + 1):
            if step % _CHECK_EVERY == 0 or step == self.options.steps:
                found = self._likelihood(held)
                waited = 0 if found > best else waited + 1
                if found > best:
                    best, kept = found, self._copy()
                if waited >= self.options.patience or step == self.options.steps:
                    break
            self._step(optimiser, indices[torch.randint(len(indices), (self.options.batch_size,))])
        if not math.isfinite(best):
            raise ZooError("pixelcnn never gave held-out codes a finite likelihood; take a lower --lr")
        self.load_state_dict(kept)

    def _step(self, optimiser: torch.optim.Optimizer, batch: Tensor) -> None:
        optimiser.zero_grad()
        loss = -self().log_prob_of(batch).mean() / batch[0].numel()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters(), _LARGEST_GRADIENT)
        optimiser.step()

    @torch.no_grad()
    def _likelihood(self, indices: Tensor) -> float:
        p = self()
        return float(torch.cat([p.log_prob_of(some) for some in torch.split(indices, self.options.batch_size)]).mean())

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.state_dict().items()}
