"""The capacity loss of the annealed VAE."""

from __future__ import annotations

__all__ = ["Capacity"]

from typing import final

from zoo import Batch, LatentModel, Loss, Site, Step, Terms, ZooError, at_step
from zoo.distributions import kl
from zoo_beta_vae.options import CapacityOptions


@final
class Capacity(Loss):
    """Distortion plus gamma |rate - C|, with a capacity C that rises over the run, in nats per image.

    References:
        Understanding disentangling in beta-VAE (Burgess et al., 2018), arXiv:1804.03599.
    """

    # The rate that is held is the mean over images.
    whole_batch = True

    def __init__(self, options: CapacityOptions, site: Site) -> None:
        super().__init__()
        self.gamma = options.gamma
        self.capacity = options.capacity

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q = model.encode(batch.x)
        if not q.has_density:
            raise ZooError("loss capacity holds a rate, and a delta posterior has none; choose another --posterior")
        z, log_q = q.draw()
        distortion = -model.decode(z).log_prob(batch.x).mean()
        rate = kl(q, model.prior_distribution(), z, log_q).mean()
        gap = (rate - at_step(self.capacity, step)).abs()
        loss = distortion + at_step(self.gamma, step) * gap
        return Terms(loss, {"distortion": distortion, "rate": rate, "capacity_gap": gap})
