"""The denoising ELBO."""

__all__ = ["DenoisingVaeLoss"]

from typing import final

import torch
from zoo import Batch, LatentModel, Loss, Site, Step, Terms
from zoo.distributions import kl

from zoo_denoising_vae.options import DenoisingVaeOptions


@final
class DenoisingVaeLoss(Loss):
    """E[-log p(x|z)] + KL(q(z|x + noise e) || p(z)) over e of N(0, 1), in nats per image.

    References:
        Denoising Criterion for Variational Auto-Encoding Framework (Im et al., 2017), arXiv:1511.06406.
    """

    def __init__(self, options: DenoisingVaeOptions, site: Site) -> None:
        super().__init__()
        self.noise = options.noise

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q = model.encode(batch.x + self.noise * torch.randn(batch.x.shape, device=batch.x.device))
        z, log_q = q.draw()
        distortion = -model.decode(z).log_prob(batch.x).mean()
        rate = kl(q, model.prior_distribution(), z, log_q).mean()
        return Terms.collect(distortion + rate, {"distortion": distortion, "rate": rate}, q)
