"""The evidence lower bound."""

from __future__ import annotations

__all__ = ["Elbo"]

from typing import final

import torch
from torch import Tensor

from zoo import Batch, LatentModel, Loss, Site, Step, Terms, ZooError, at_step
from zoo.distributions import Distribution, kl_per_group
from zoo_vae.options import ElboOptions


@final
class Elbo(Loss):
    """Distortion plus beta times rate: E_q[-log p(x|z)] + beta KL(q(z|x) || p(z)), in nats per image.

    One sample of z per image; the KL in closed form where there is one. With a posterior that has no density
    (a Delta) the second term is the energy -log p(z), and is called so. With `balanced`, two samples per image, drawn
    so that their noise cancels over the batch: the objective of a linear model is then exact. With `free_bits`, each
    group of latents counts at least that much, so that nothing is gained from a group that says less.

    References:
        Differentiable Antithetic Sampling for Variance Reduction in Stochastic Variational Inference
        (Wu, Goodman & Ermon, 2019), arXiv:1810.02555, for balanced.
        Auto-Encoding Variational Bayes (Kingma & Welling, 2014), arXiv:1312.6114.
        beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework (Higgins et al., 2017).
        Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), arXiv:1606.04934, for
        free_bits.
    """

    def __init__(self, options: ElboOptions, site: Site) -> None:
        super().__init__()
        self.beta = options.beta
        self.free_bits = options.free_bits
        self.balanced = options.balanced
        # The least rate is held to the mean over images, and balanced noise cancels over them.
        self.whole_batch = options.balanced or options.free_bits != 0

    def rate_weight(self, step: Step) -> Tensor | float | None:
        return at_step(self.beta, step) if self.free_bits == 0 else None

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q = model.encode(batch.x)
        z, log_q = (_balanced(q), None) if self.balanced else q.draw()
        distortion = -model.decode(z).log_prob(batch.x).mean()
        p = model.prior_distribution()
        rates = _means(kl_per_group(q, p, z, log_q))
        rate = rates.sum()
        counted = rate
        if self.free_bits != 0:
            counted = torch.maximum(rates, torch.as_tensor(at_step(self.free_bits, step)).to(rates)).sum()
        loss = distortion + at_step(self.beta, step) * counted
        groups = {f"rate_{i}": each for i, each in enumerate(rates, 1)} if len(rates) > 1 else {}
        logs = {"distortion": distortion, "rate" if q.has_density else "energy": rate, **groups}
        return Terms.collect(loss, logs, q, p)


def _means(values: Tensor) -> Tensor:
    """Average over all but the last dimension."""
    return values.flatten(0, -2).mean(0)


def _balanced(q: Distribution) -> Tensor:
    z = q.rsample_balanced()
    if z is None:
        raise ZooError(f"--loss.balanced needs a normal posterior, not a {type(q).__name__}; leave it out")
    return z
