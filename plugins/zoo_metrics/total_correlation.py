"""The total correlation of the aggregate posterior."""

from __future__ import annotations

__all__ = ["TotalCorrelation"]

from typing import cast, final

from zoo import Measure, Metric, Subject
from zoo.distributions import Factorised
from zoo_metrics.aggregate import Aggregates, NoAggregate, log_aggregate_per_unit
from zoo_metrics.options import TotalCorrelationOptions


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
        try:
            found = self.subject.once(Aggregates).of(self.images)
        except NoAggregate as reason:
            return Measure(None, str(reason))
        q = found.posteriors[0]
        if not isinstance(q, Factorised):
            return Measure(None, f"a {type(q).__name__} posterior has no density of each unit")
        units = log_aggregate_per_unit(cast("list[Factorised]", found.posteriors), found.z)
        correlation = found.log_aggregate - units.sum(-1)
        return Measure(float(correlation.double().mean()), details={"images": len(found.z)})
