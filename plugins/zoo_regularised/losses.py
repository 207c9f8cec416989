"""Losses that hold codes to a prior or to the origin without a density: `mmd` and `rae`."""

from __future__ import annotations

__all__ = ["Mmd", "Rae"]

from typing import final

import torch
from torch import Tensor

from zoo import Batch, LatentModel, Loss, Network, Posterior, Site, Step, Terms, at_step
from zoo_regularised.discrepancy import discrepancy, imq, rbf
from zoo_regularised.options import MmdOptions, RaeOptions

_KERNELS = {"imq": imq, "rbf": rbf}


@final
class Mmd(Loss):
    """Distortion plus weight times MMD²(q(z), p(z)), between the codes of a batch and as many draws of the prior.

    Kernels have widths C = scale × spread × d for codes of d units: at scale 1, the squared distance at which `imq`
    is a half is that of two draws of the prior. The paper has one `imq` kernel, of scale 1 (`--scales 1`); its code
    sums seven, and so does this. For `rbf` the code takes a median of the batch's distances; here the width is as for
    `imq`, so that the estimate stays unbiased. With the `mse` likelihood the weight is the paper's lambda; its code
    multiplies the squared error by 0.05, so that its lambda of 10 is a weight of 200 here.

    The estimate is of a whole batch, and noisy in a small one: take batches of 100 images and more. A batch of one
    image has no discrepancy, 0.

    References:
        Wasserstein Auto-Encoders (Tolstikhin et al., 2018), arXiv:1711.01558.
    """

    compares_images = True

    def __init__(self, options: MmdOptions, site: Site) -> None:
        super().__init__()
        self.weight = options.weight
        self.kernel = _KERNELS[options.kernels]
        size = site.part("posterior", Posterior).latent_size
        self.widths = tuple(scale * options.spread * size for scale in options.scales)

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q, p = model.encode(batch.x), model.prior_distribution()
        z, _ = q.draw()
        drawn, _ = p.draw((len(z),))
        distortion = -model.decode(z).log_prob(batch.x).mean()
        mmd = discrepancy(z.flatten(1), drawn.flatten(1), self.kernel, self.widths)
        loss = distortion + at_step(self.weight, step) * mmd
        return Terms.collect(loss, {"distortion": distortion, "mmd": mmd}, q, p)


@final
class Rae(Loss):
    """Distortion plus beta |z|² / 2 plus decay |theta|², theta the parameters of the decoder's backbone.

    The norm keeps codes from drifting apart, and the decay keeps the decoder from undoing it by growing. Both are in
    the loss, not in the optimiser, so that they are minimised together whatever the optimiser is.

    The paper's objective is of the squared error, as with `mse` here. Its code for MNIST takes the error per pixel of
    32×32 images, the mean square of a code of 16 units, and the kernels of the transposed convolutions alone; its
    weights 1e-4 and 1e-7 are a beta of 0.0128 and a decay of 1e-4 here.

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020), arXiv:1903.12436.
    """

    def __init__(self, options: RaeOptions, site: Site) -> None:
        super().__init__()
        self.beta = options.beta
        self.decay = options.decay
        # In a tuple, so that the decoder's weights keep their one owner and name.
        self._decoder = (site.part("decoder", Network),)

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q = model.encode(batch.x)
        z, _ = q.draw()
        distortion = -model.decode(z).log_prob(batch.x).mean()
        code = 0.5 * (z**2).flatten(1).sum(1).mean()
        weights = self._weights()
        loss = distortion + at_step(self.beta, step) * code + at_step(self.decay, step) * weights
        return Terms.collect(loss, {"distortion": distortion, "code_norm": code, "weight_norm": weights}, q)

    def _weights(self) -> Tensor:
        """Return the sum of the squares of the decoder's parameters, `()`."""
        return torch.stack([(parameter**2).sum() for parameter in self._decoder[0].parameters()]).sum()
