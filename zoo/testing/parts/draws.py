"""Draws of a distribution that a part returns, and what can be said of their means."""

from __future__ import annotations

__all__ = ["SIGMAS", "Look", "gap_in_errors", "look", "look_at", "needs_density", "sampled"]

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.distributions import Distribution
from zoo.interfaces import LatentModel, Posterior
from zoo.testing.check import NotApplicable
from zoo.testing.parts.places import Home, Placed

SIGMAS = 5.0
"""How many standard errors a mean of draws may be off: one right one in two million is further."""

_COUNT = 3
"""Images whose distributions are looked at."""


@dataclass(frozen=True, eq=False)
class Look:
    """The distribution that a part returns, in double precision and away from its first weights.

    Arguments:
        placed: The part in its model.
        told: The model under the labels of some images.
        x: The images, `(B, C, H, W)`.
        law: The distribution.
        batch, event: The shapes that it should have.
    """

    placed: Placed
    told: LatentModel
    x: Tensor
    law: Distribution
    batch: tuple[int, ...]
    event: tuple[int, ...]


def look(case: Home) -> Look:
    """Return the distribution of a posterior, a prior or a likelihood in a model.

    Raises:
        NotApplicable: If the part fits no model, or one without such distributions.
    """
    placed = case.placed(rough=True)
    return look_at(placed, case.kind)


def look_at(placed: Placed, kind: str, count: int = _COUNT) -> Look:
    """Return the distribution of a kind of part in a model.

    Raises:
        NotApplicable: If the model has no such distributions.
    """
    batch = placed.batch(count)
    batch.x.requires_grad_()
    told = placed.told(batch)
    q = told.encode(batch.x)
    if kind == "posterior":
        return Look(placed, told, batch.x, q, (count,), _latent_shape(placed, q))
    if kind == "likelihood":
        return Look(placed, told, batch.x, told.decode(q.rsample()), (count,), placed.shape)
    return Look(placed, told, batch.x, told.prior_distribution(), (), _latent_shape(placed, q))


def _latent_shape(placed: Placed, q: Distribution) -> tuple[int, ...]:
    head = placed.of_kind("posterior")
    return tuple(head.latent_shape) if isinstance(head, Posterior) else q.event_shape


def sampled(law: Distribution, shape: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    """Draw samples with their log-density, from drawing them or from `log_prob`."""
    z, log_prob = law.draw(shape)
    return z, law.log_prob(z) if log_prob is None else log_prob


def needs_density(law: Distribution) -> None:
    """Leave a distribution alone that has no density, or none that integrates to one.

    Raises:
        NotApplicable: If it is such a one.
    """
    if not law.has_density:
        raise NotApplicable(f"a {type(law).__name__} is all mass at a point")
    if not law.normalised:
        raise NotApplicable(f"a {type(law).__name__} says of itself that it is not normalised")


def gap_in_errors(draws: Tensor, wanted: Tensor | float, slack: float = 1e-6) -> Tensor:
    """Return how far the means over the first dimension are from what is wanted, in standard errors.

    Arguments:
        draws: Independent values, `(N, *shape)`.
        wanted: What they are in the mean.
        slack: What rounding and quadrature may add, as a share of what is wanted, or of 1 where that is small.
    """
    wanted = torch.as_tensor(wanted, dtype=draws.dtype)
    error = draws.std(0) / len(draws) ** 0.5 + slack * wanted.abs().clamp(min=1) / SIGMAS
    gap: Tensor = (draws.mean(0) - wanted).abs() / error
    return gap
