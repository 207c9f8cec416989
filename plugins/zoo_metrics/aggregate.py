"""The aggregate posterior q(z) = 1/N sum_n q(z|x_n): one code of each image, against the posteriors of all."""

from __future__ import annotations

__all__ = ["Aggregate", "Aggregates", "NoAggregate", "log_aggregate", "log_aggregate_per_unit"]

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast, final

import torch
from torch import Tensor

from zoo import LatentModel, Subject, given
from zoo.distributions import Distribution, Factorised

Q = TypeVar("Q", bound=Distribution)

PAIRS = 2**19
"""Values of codes under posteriors that are computed at once: a matter of memory alone."""


class NoAggregate(Exception):
    """Why a model has no density of the aggregate posterior, as the end of a sentence."""


@final
@dataclass(frozen=True)
class Aggregate:
    """The posteriors of N images, and one code of each.

    Arguments:
        posteriors: The posteriors, in blocks of batch `(B,)`.
        z: A code drawn from each, `(N, *latent)`.
        log_q: log q(z|x) of each code under its own image's posterior, `(N,)`.
        log_p: log p(z) of each, under the prior that its image has, `(N,)`.
    """

    posteriors: Sequence[Distribution]
    z: Tensor
    log_q: Tensor
    log_p: Tensor

    @cached_property
    def log_aggregate(self) -> Tensor:
        """The log-density of each code under q(z), `(N,)`."""
        return log_aggregate(self.posteriors, self.z)


@final
class Aggregates:
    """What metrics of the aggregate posterior share: a model's codes, looked at once for each number of images.

    Example:
        >>> import zoo
        >>> batch = zoo.Batch(torch.rand(8, 1, 28, 28), {}, torch.arange(8))
        >>> subject = Subject(zoo.build("vae.tiny", (1, 28, 28)), zoo.Step.of(0, 0, 0), lambda: iter([batch]))
        >>> subject.once(Aggregates).of(5).z.shape
        torch.Size([5, 4])
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._found: dict[int, Aggregate] = {}

    def of(self, images: int) -> Aggregate:
        """Return the posteriors and codes of the first test images.

        Raises:
            NoAggregate: If the posterior has no density that can be asked for any code.
        """
        if images not in self._found:
            self._found[images] = self._look(images)
        return self._found[images]

    @torch.no_grad()
    def _look(self, images: int) -> Aggregate:
        posteriors, codes, log_q, log_p = [], [], [], []
        for batch in self.subject.test(images):
            model = given(cast(LatentModel, self.subject.model), batch.y)
            q = model.encode(batch.x)
            if not q.has_density:
                raise NoAggregate("a posterior that is a point has no density")
            z, known_by_drawing = q.draw()
            if known_by_drawing is not None:
                raise NoAggregate(f"a {type(q).__name__} posterior knows the density of its own draws alone")
            posteriors.append(q)
            codes.append(z)
            log_q.append(q.log_prob(z))
            log_p.append(model.prior_distribution().log_prob(z))
        return Aggregate(posteriors, torch.cat(codes), torch.cat(log_q), torch.cat(log_p))


@torch.no_grad()
def log_aggregate(posteriors: Sequence[Distribution], z: Tensor) -> Tensor:
    """Return log q(z) of codes, `(N,)`, in nats.

    Arguments:
        posteriors: The posteriors that q(z) averages, in blocks of batch `(B,)`.
        z: Codes, `(N, *latent)`; of discrete ones, those of the posteriors themselves.
    """
    if posteriors[0].support == "codes":
        return _log_share(z)
    return _averaged(posteriors, z, lambda q, part: _of_each(q, part).logsumexp(1))


@torch.no_grad()
def log_aggregate_per_unit(posteriors: Sequence[Factorised], z: Tensor) -> Tensor:
    """Return log q(z_j) of each unit of codes, `(N, d)`; arguments as `log_aggregate`."""
    return _averaged(
        posteriors,
        z,
        # log q(z_j | x_n), (codes, B, d)
        lambda q, part: q.unsqueeze().log_prob_per_unit(part.unsqueeze(1)).flatten(2).logsumexp(1),
    )


def _averaged(posteriors: Sequence[Q], z: Tensor, summed: Callable[[Q, Tensor], Tensor]) -> Tensor:
    """Average densities over all posteriors, some codes at a time; `summed` gives the log-sum over a block's."""
    codes = max(1, PAIRS // (max(q.batch_shape[0] for q in posteriors) * z[0].numel()))
    log_count = math.log(sum(q.batch_shape[0] for q in posteriors))
    parts = [torch.stack([summed(q, part) for q in posteriors]).logsumexp(0) for part in torch.split(z, codes)]
    return torch.cat(parts) - log_count


def _of_each(q: Distribution, z: Tensor) -> Tensor:
    """Return log q(z | x) of codes under each posterior of a block: `(codes, B)`."""
    if isinstance(q, Factorised):
        return q.log_prob_of_each(z)
    return q.log_prob(z.unsqueeze(1).expand(-1, *q.batch_shape, *q.event_shape))


def _log_share(z: Tensor) -> Tensor:
    """Return the logarithm of each code's share of all, `(N,)`: q(z) of posteriors that are all mass at one code."""
    _, which, counts = torch.unique(z.flatten(1), dim=0, return_inverse=True, return_counts=True)
    share: Tensor = counts[which].double() / len(z)
    return share.log().to(z.dtype)
