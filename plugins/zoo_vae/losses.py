"""The evidence lower bound."""

from __future__ import annotations

__all__ = ["Elbo"]

from typing import final

from torch import Tensor

from zoo import Batch, LatentModel, Loss, Site, Step, Terms, at_step
from zoo.distributions import kl
from zoo_vae.options import ElboOptions


@final
class Elbo(Loss):
    """Distortion plus beta times rate: E_q[-log p(x|z)] + beta KL(q(z|x) || p(z)), in nats per image.

    One sample of z per image; the KL in closed form where there is one. With a posterior that has no density
    (a Delta) the second term is the energy -log p(z), and is called so.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), arXiv:1312.6114.
        beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework (Higgins et al., 2017).
    """

    def __init__(self, options: ElboOptions, site: Site) -> None:
        super().__init__()
        self.beta = options.beta

    def rate_weight(self, step: Step) -> Tensor | float | None:
        return at_step(self.beta, step)

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q = model.encode(batch.x)
        z = q.rsample()
        distortion = -model.decode(z).log_prob(batch.x).mean()
        rate = kl(q, model.prior_distribution(), z).mean()
        loss = distortion + at_step(self.beta, step) * rate
        return Terms(loss, {"distortion": distortion, "rate" if q.has_density else "energy": rate})
