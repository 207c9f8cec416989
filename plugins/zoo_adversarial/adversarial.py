"""The adversarial autoencoder: codes that a discriminator cannot tell from draws of the prior."""

from __future__ import annotations

__all__ = ["Adversarial"]

from collections.abc import Mapping
from dataclasses import replace
from typing import final

from torch.nn import functional as F

from zoo import Batch, LatentModel, Loss, Player, Posterior, Site, Step, Terms, at_step
from zoo_adversarial.discriminator import Discriminator, cross_entropy
from zoo_adversarial.options import AdversarialOptions


@final
class Adversarial(Loss):
    """Distortion plus weight times E_q[-log D(z)], where D(z) is how likely z is a draw of the prior.

    The logit of the best discriminator is log p(z) - log q(z), so that minus its mean over the codes, logged as
    `aggregate_kl`, estimates KL(q(z) || p(z)) in nats. Codes are pushed by -log D(z), whose gradient does not fade
    where the discriminator is sure (Goodfellow et al., 2014), and not by log(1 - D(z)) as in the paper. Where
    it cannot tell, that is half the gradient of `aggregate_kl`. The paper moves reconstruction, discriminator and codes
    in turn, each by an optimiser of its own. Here one step moves the model down both of its terms, with a weight
    between them, and the discriminator down its own.

    With a delta posterior the code is a function of the image, with a normal one it is noisy; either is held to the
    prior in the aggregate, not image by image, so that there is no rate. The prior is taken as given: parameters of
    its own would not be trained.

    References:
        Adversarial Autoencoders (Makhzani et al., 2016), arXiv:1511.05644.
        Generative Adversarial Networks (Goodfellow et al., 2014), arXiv:1406.2661.
    """

    def __init__(self, options: AdversarialOptions, site: Site) -> None:
        super().__init__()
        self.weight = options.weight
        self.discriminator = Discriminator(site.part("posterior", Posterior).latent_size, options)

    def players(self) -> Mapping[str, Player]:
        return {"discriminator": self.discriminator.player()}

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q, p = model.encode(batch.x), model.prior_distribution()
        z, _ = q.draw()
        distortion = -model.decode(z).log_prob(batch.x).mean()
        logits = self.discriminator(z)
        mismatch = F.softplus(-logits).mean()
        loss = distortion + at_step(self.weight, step) * mismatch
        logs = {"distortion": distortion, "mismatch": mismatch, "aggregate_kl": -logits.mean()}
        error = cross_entropy(self.discriminator(p.sample((len(z),))), self.discriminator(z.detach()))
        return replace(Terms.collect(loss, logs, q, p), adversaries={"discriminator": error})
