"""The total correlation of the aggregate posterior."""

from __future__ import annotations

__all__ = ["TotalCorrelation", "total_correlation"]

import math
from collections.abc import Sequence
from typing import cast, final

import torch
from torch import Tensor

from zoo import LatentModel, Measure, Metric, Subject, given
from zoo.distributions import Factorised
from zoo_metrics.options import TotalCorrelationOptions

PAIRS = 2**19
"""Values of codes under posteriors that are computed at once: a matter of memory alone."""


@final
class TotalCorrelation(Metric):
    """TC = KL(q(z) || prod_j q(z_j)), in nats, of the aggregate posterior q(z) = 1/N sum_n q(z|x_n) of N images.

    Minibatch-weighted sampling with all N images for a batch, so that each log q(z) is exact and only the codes are
    drawn: one of each image. With few images and narrow posteriors every code is near its own image's posterior alone,
    which looks like dependence: compare models at the same number of images.

    References:
        Isolating Sources of Disentanglement in Variational Autoencoders (Chen et al., 2018), arXiv:1802.04942.
    """

    def __init__(self, options: TotalCorrelationOptions, subject: Subject) -> None:
        self.images = options.images
        self.subject = subject

    def compute(self) -> Measure:
        model = cast(LatentModel, self.subject.model)
        posteriors, codes = [], []
        for batch in self.subject.test(self.images):
            q = given(model, batch.y).encode(batch.x)
            if not isinstance(q, Factorised) or not q.has_density:
                return Measure(None, f"a {type(q).__name__} posterior has no density of each unit")
            posteriors.append(q)
            codes.append(q.rsample())
        found = total_correlation(posteriors, torch.cat(codes))
        return Measure(float(found.mean()), details={"images": len(found)})


@torch.no_grad()
def total_correlation(posteriors: Sequence[Factorised], z: Tensor) -> Tensor:
    """Return log q(z) - sum_j log q(z_j) of each code, `(N,)`, whose mean is the total correlation.

    Arguments:
        posteriors: The posteriors that q(z) averages, in blocks of batch `(B,)`.
        z: Codes drawn from q(z), `(N, *latent)`.
    """
    largest = max(q.batch_shape[0] for q in posteriors)
    codes = max(1, PAIRS // (largest * z[0].numel()))
    count = sum(q.batch_shape[0] for q in posteriors)
    return torch.cat([_of_codes(posteriors, part, math.log(count)) for part in torch.split(z, codes)])


def _of_codes(posteriors: Sequence[Factorised], z: Tensor, log_count: float) -> Tensor:
    size = z[0].numel()
    joint, units = z.new_full((len(z),), -math.inf), z.new_full((len(z), size), -math.inf)
    for q in posteriors:
        # log q(z_i | x_n) per unit, (codes, B, d)
        pairs = q.unsqueeze().log_prob_per_unit(z.unsqueeze(1)).flatten(2)
        joint = torch.logaddexp(joint, pairs.sum(-1).logsumexp(1))
        units = torch.logaddexp(units, pairs.logsumexp(1))
    return (joint - log_count) - (units - log_count).sum(-1)
