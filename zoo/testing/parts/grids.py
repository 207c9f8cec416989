"""Densities of independent units on a grid: what they integrate to, and where samples fall."""

from __future__ import annotations

__all__ = ["Grid", "grid_of", "importance_of_one"]

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.distributions import Distribution, Factorised
from zoo.testing.check import NotApplicable
from zoo.testing.parts.draws import sampled

_POINTS = 4001
_MOST_UNITS = 12
"""The most units of one event over which a mean of samples says anything."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The density of each unit at points that lie close where it is high.

    Arguments:
        x: The points, `(G, *batch, *event)`, from left to right.
        mass: How much mass each point stands for, in the same shape.
    """

    x: Tensor
    mass: Tensor

    @property
    def total(self) -> Tensor:
        """What the density of each unit integrates to, `(*batch, *event)`."""
        return self.mass.sum(0)

    def below(self, z: Tensor) -> Tensor:
        """Return the share of the mass below samples `(N, *batch, *event)`."""
        points = self.x.flatten(1).T.contiguous()
        # Half of a point's own mass lies below it.
        share = ((self.mass.cumsum(0) - 0.5 * self.mass) / self.total).flatten(1).T.contiguous()
        values = z.flatten(1).T.contiguous()
        right = torch.searchsorted(points, values).clamp(1, _POINTS - 1)
        low, high = (points.gather(1, at) for at in (right - 1, right))
        weight = ((values - low) / (high - low)).clamp(0, 1)
        found = torch.lerp(share.gather(1, right - 1), share.gather(1, right), weight)
        return found.T.reshape(z.shape)


def grid_of(law: Factorised) -> Grid:
    """Return the density of each unit on a grid over its support.

    Raises:
        NotApplicable: If the support is none over which to integrate.
    """
    middle = law.point
    if law.support == "real":
        spread = (law.sample((101,)) - middle).abs().mean(0).clamp(1e-3, 1e3)
        u = _line(-16, 16, middle)
        x, slope = middle + spread * torch.sinh(u), spread * torch.cosh(u)
    elif law.support == "positive":
        u = _line(-60, 14, middle)
        x = middle.clamp(min=1e-6) * torch.exp(u)
        slope = x
    elif law.support == "unit-interval":
        u = _line(-36, 34, middle)
        x = torch.sigmoid(u).expand(_POINTS, *middle.shape)
        slope = x * torch.sigmoid(-u)
    else:
        raise NotApplicable(f"there is nothing to integrate over on {law.support}")
    log_prob = law.log_prob_per_unit(x)
    return Grid(x, log_prob.exp() * slope * (u[1] - u[0]))


def _line(low: float, high: float, like: Tensor) -> Tensor:
    return torch.linspace(low, high, _POINTS, dtype=like.dtype).reshape(-1, *[1] * like.ndim)


def importance_of_one(law: Distribution, count: int) -> Tensor:
    """Return r(z) / q(z) at samples z of q, `(count, *batch)`, whose mean is one for any density r that q covers.

    The density r is a normal within the samples, after a map of the support to the real line, or the uniform one of a
    sphere.

    Raises:
        NotApplicable: If the support is none over which to integrate, or has too many units.
    """
    units = math.prod(law.event_shape)
    if law.support not in ("real", "positive", "unit-interval", "sphere"):
        raise NotApplicable(f"there is nothing to integrate over on {law.support}")
    if units > _MOST_UNITS:
        raise NotApplicable(f"{units} units that depend on each other are too many to integrate over")
    z, log_q = sampled(law, (count,))
    flat = z.reshape(*z.shape[: z.ndim - len(law.event_shape)], units)
    if law.support == "sphere":
        log_area = math.log(2) + units / 2 * math.log(math.pi) - math.lgamma(units / 2)
        return torch.exp(-log_area - log_q)
    y, log_slope = _to_line(flat, law.support)
    return torch.exp(_log_normal_within(y) + log_slope - log_q)


def _to_line(z: Tensor, support: str) -> tuple[Tensor, Tensor]:
    """Return samples as real numbers, and log |det| of the way there."""
    if support == "positive":
        return z.log(), -z.log().sum(-1)
    if support == "unit-interval":
        return torch.logit(z), -(z.log() + torch.log1p(-z)).sum(-1)
    return z, z.new_zeros(z.shape[:-1])


def _log_normal_within(y: Tensor) -> Tensor:
    """Return the log-density of samples `(N, *batch, d)` under a normal of half their spread."""
    centre, count = y.mean(0), len(y)
    centred = (y - centre).movedim(0, -2)
    covariance = 0.25 * centred.mT @ centred / (count - 1)
    tiny = 1e-12 * torch.eye(y.shape[-1], dtype=y.dtype)
    normal = torch.distributions.MultivariateNormal(centre, covariance + tiny, validate_args=False)
    found: Tensor = normal.log_prob(y)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return found
