"""The FactorVAE: the total correlation of the codes, as a discriminator sees it, made heavier."""

from __future__ import annotations

__all__ = ["Factor", "permute_units"]

from collections.abc import Mapping
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from zoo import Batch, LatentModel, Loss, Player, Posterior, Site, Step, Terms, ZooError, at_step
from zoo.distributions import kl
from zoo_adversarial.discriminator import Discriminator, cross_entropy
from zoo_adversarial.options import FactorOptions

_FEWEST = 4


@final
class Factor(Loss):
    """The ELBO with gamma times the total correlation TC(z) = KL(q(z) || prod_j q(z_j)), in nats per image.

    A discriminator learns to tell codes of q(z) from codes whose units come from different images; its logit estimates
    log q(z) - sum_j log q(z_j), whose mean over the batch is the total correlation.

    The paper draws two batches a step: codes of the one stand for q(z), permuted codes of the other for the product of
    the marginals, so that the discriminator cannot know a permuted code by its source. Here they are the two halves of
    the batch; the ELBO and the total correlation are of all of it, so that no image is encoded for the discriminator
    alone. A batch of fewer than four images has no half to permute: the discriminator's loss is then 0. The paper
    moves the model before it draws the codes for the discriminator; here both move from where they stood.

    References:
        Disentangling by Factorising (Kim & Mnih, 2018), arXiv:1802.05983.
    """

    # Units are shuffled over the images.
    whole_batch = True

    def __init__(self, options: FactorOptions, site: Site) -> None:
        super().__init__()
        self.gamma = options.gamma
        self.discriminator = Discriminator(site.part("posterior", Posterior).latent_size, options)

    def players(self) -> Mapping[str, Player]:
        return {"discriminator": self.discriminator.player()}

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q, p = model.encode(batch.x), model.prior_distribution()
        if not q.has_density:
            raise ZooError("loss factor keeps the rate, and a delta posterior has none; choose another --posterior")
        z, log_q = q.draw()
        distortion = -model.decode(z).log_prob(batch.x).mean()
        rate = kl(q, p, z, log_q).mean()
        correlation = self.discriminator(z).mean()
        loss = distortion + rate + at_step(self.gamma, step) * correlation
        logs = {"distortion": distortion, "rate": rate, "total_correlation": correlation}
        return replace(Terms.collect(loss, logs, q, p), adversaries={"discriminator": self._error(z.detach())})

    def _error(self, z: Tensor) -> Tensor:
        """Return the discriminator's loss on codes `(B, *latent)` of the batch."""
        if len(z) < _FEWEST:
            nothing: Tensor = 0 * self.discriminator(z).sum()
            return nothing
        together, apart = z.tensor_split(2)
        return cross_entropy(self.discriminator(together), self.discriminator(permute_units(apart)))


def permute_units(z: Tensor) -> Tensor:
    """Return codes `(M, *latent)` with each unit shuffled over the batch by itself: marginals stay, joints go.

    Example:
        >>> z = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
        >>> permute_units(z).sort(0).values.equal(z)
        True
    """
    units = z.flatten(1)
    return units.gather(0, torch.rand_like(units).argsort(0)).reshape(z.shape)
