"""The total-correlation loss of the beta-TC-VAE, and its estimators of the aggregate posterior."""

from __future__ import annotations

__all__ = ["TotalCorrelation", "decompose"]

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from zoo import Batch, LatentModel, Loss, Site, Step, Terms, ZooError, at_step
from zoo.distributions import Distribution, Factorised
from zoo_beta_vae.options import TotalCorrelationOptions


@dataclass(frozen=True)
class Decomposition:
    """The rate split in three, each `()` in nats per image; their sum is log q(z|x) - log p(z)."""

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_kl: Tensor


@final
class TotalCorrelation(Loss):
    """The ELBO with its rate split into mutual information, total correlation and dimension-wise KL.

    References:
        Isolating Sources of Disentanglement in Variational Autoencoders (Chen et al., 2018), arXiv:1802.04942.
    """

    compares_images = True

    def __init__(self, options: TotalCorrelationOptions, site: Site) -> None:
        super().__init__()
        self.alpha = options.alpha
        self.beta = options.beta
        self.gamma = options.gamma
        self.estimator = options.estimator
        self.train_size = site.train_size

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q, p = model.encode(batch.x), model.prior_distribution()
        if not isinstance(q, Factorised) or not q.has_density:
            raise ZooError("loss total-correlation needs a posterior of independent units with a density")
        z = q.rsample()
        distortion = -model.decode(z).log_prob(batch.x).mean()
        parts = decompose(q, p, z, self.train_size, self.estimator)
        loss = (
            distortion
            + at_step(self.alpha, step) * parts.mutual_information
            + at_step(self.beta, step) * parts.total_correlation
            + at_step(self.gamma, step) * parts.dimension_kl
        )
        logs = {
            "distortion": distortion,
            "rate": parts.mutual_information + parts.total_correlation + parts.dimension_kl,
            "mutual_information": parts.mutual_information,
            "total_correlation": parts.total_correlation,
            "dimension_kl": parts.dimension_kl,
        }
        return Terms(loss, logs)


def decompose(
    q: Factorised, p: Distribution, z: Tensor, train_size: int, estimator: Literal["mss", "mws"]
) -> Decomposition:
    """Split log q(z|x) - log p(z), averaged over a batch, by an estimate of the aggregate posterior q(z).

    Arguments:
        q: The posteriors of the batch, batch `(B,)`, event `(d,)`.
        p: The prior of independent units.
        z: A sample of each posterior, `(B, d)`.
        train_size: The number N of training images that q(z) averages over.
        estimator: `mws` divides each density by N B (biased down); `mss` weighs the sample's own posterior by
            1 / N, one other by (N - M) / (N M) and the rest by 1 / M, where M = B - 1 (Chen et al., appendix C).
    """
    # log q(z_i | x_j) per unit, (B, B, d)
    pairs = q.unsqueeze().log_prob_per_unit(z.unsqueeze(1))
    weights = _log_weights(z.shape[0], train_size, estimator, z)
    log_qz = torch.logsumexp(weights + pairs.sum(-1), dim=1)
    log_qz_units = torch.logsumexp(weights.unsqueeze(-1) + pairs, dim=1).sum(-1)
    log_qzx = q.log_prob(z)
    return Decomposition(
        mutual_information=(log_qzx - log_qz).mean(),
        total_correlation=(log_qz - log_qz_units).mean(),
        dimension_kl=(log_qz_units - p.log_prob(z)).mean(),
    )


def _log_weights(batch: int, train_size: int, estimator: str, like: Tensor) -> Tensor:
    """Log of each posterior's weight in the estimate of q(z), `(B, B)`."""
    size, others = max(train_size, batch), batch - 1
    if estimator == "mws":
        return like.new_full((batch, batch), -math.log(size * batch))
    if others == 0:
        return like.new_zeros(1, 1)
    row = torch.arange(batch, device=like.device)
    after = (row - row[:, None]) % batch
    weights = like.new_full((batch, batch), -math.log(others)).fill_diagonal_(-math.log(size))
    return weights.masked_fill(after == 1, math.log((size - others) / (size * others)))
