"""What codes say of images, and how far all codes together are from the prior: the two halves of the rate."""

from __future__ import annotations

__all__ = ["AggregateGap", "MutualInformation"]

import math
from typing import final

from zoo import Measure, Metric, Subject
from zoo_metrics.aggregate import Aggregates, NoAggregate
from zoo_metrics.options import AggregateOptions

NEAR = 1.0
"""Nats below log N at which the number of images begins to hold the mutual information down."""


@final
class MutualInformation(Metric):
    """I(x; z) = E log q(z|x) / q(z), in nats, of the aggregate posterior q(z) = 1/N sum_n q(z|x_n) of N images.

    One code of each image. It is the information about which of these N images was encoded, and so at most log N:
    near that limit it says that the images can be told apart, and not by how much.

    References:
        ELBO surgery: yet another way to carve up the variational evidence lower bound (Hoffman & Johnson, 2016).
    """

    def __init__(self, options: AggregateOptions, subject: Subject) -> None:
        self.images = options.images
        self.subject = subject

    def compute(self) -> Measure:
        return _measured(self.subject, self.images, wants_information=True)


@final
class AggregateGap(Metric):
    """KL(q(z) || p(z)), in nats: how far the codes of all images together are from what samples are drawn from.

    The rate is the mutual information and this gap. What the number of images hides of the one it adds to the other.

    References:
        ELBO surgery: yet another way to carve up the variational evidence lower bound (Hoffman & Johnson, 2016).
    """

    def __init__(self, options: AggregateOptions, subject: Subject) -> None:
        self.images = options.images
        self.subject = subject

    def compute(self) -> Measure:
        return _measured(self.subject, self.images, wants_information=False)


def _measured(subject: Subject, images: int, *, wants_information: bool) -> Measure:
    try:
        found = subject.once(Aggregates).of(images)
    except NoAggregate as reason:
        return Measure(None, str(reason))
    count, limit = len(found.z), math.log(len(found.z))
    information = float((found.log_q - found.log_aggregate).double().mean())
    warning = _warning(information, limit, count)
    if wants_information:
        return Measure(information, details={"images": count, "limit": limit}, warning=warning)
    gap = float((found.log_aggregate - found.log_p).double().mean())
    return Measure(gap, details={"images": count}, warning=warning)


def _warning(information: float, limit: float, images: int) -> str:
    if information < limit - NEAR:
        return ""
    return (
        f"{images:,} images can show at most {limit:.2f} nats of mutual information, and show {information:.2f}: "
        "there may be more, and the gap may be smaller by as much"
    )
