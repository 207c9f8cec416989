"""Distributions on the unit sphere of R^d: von Mises–Fisher and uniform."""

from __future__ import annotations

__all__ = ["UniformSphere", "VonMisesFisher", "log_area"]

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.distributions import Distribution, Support
from zoo_sphere.bessel import log_peak, mean_length, rate
from zoo_sphere.sampling import draw_angle


def log_area(d: int) -> float:
    """Return the logarithm of the area of the unit sphere in R^d, log(2 pi^(d/2) / Gamma(d/2))."""
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


@dataclass(frozen=True, eq=False)
class UniformSphere(Distribution):
    """The uniform distribution on the unit sphere of R^d, batch `()`.

    Arguments:
        centre: Zeros `(d,)`; also its mean, which is no point of the sphere.
    """

    centre: Tensor

    support: ClassVar[Support] = "sphere"

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return ()

    @property
    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.centre.shape)

    @property
    def mean(self) -> Tensor:
        return self.centre

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        noise = torch.randn((*shape, *self.centre.shape), dtype=self.centre.dtype, device=self.centre.device)
        return F.normalize(noise, dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density by area, which is the same everywhere."""
        return value.new_full(value.shape[:-1], -log_area(value.shape[-1]))

    def detached(self) -> UniformSphere:
        return self


@dataclass(frozen=True, eq=False)
class VonMisesFisher(Distribution):
    """The von Mises–Fisher distribution on the unit sphere of R^d: a density proportional to exp(k mu'x).

    Arguments:
        loc: The mean direction mu, `(*batch, d)`, of length one.
        concentration: k, `(*batch,)`; 0 is uniform, and for large k each direction has a variance of 1 / k.

    Example:
        >>> q = VonMisesFisher(torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([50.0]))
        >>> q.batch_shape, q.event_shape, q.rsample((2,)).shape
        ((1,), (3,), torch.Size([2, 1, 3]))

    References:
        Hyperspherical Variational Auto-Encoders (Davidson et al., 2018), arXiv:1804.00891.
    """

    loc: Tensor
    concentration: Tensor

    support: ClassVar[Support] = "sphere"

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self.loc.shape[:-1])

    @property
    def event_shape(self) -> tuple[int, ...]:
        return (self._d,)

    @property
    def _d(self) -> int:
        return self.loc.shape[-1]

    @property
    def mean(self) -> Tensor:
        """The mean A(k) mu, `(*batch, d)`; it lies inside the ball, and is no code."""
        return mean_length(self.concentration, self._d).unsqueeze(-1) * self.loc

    @property
    def point(self) -> Tensor:
        """The mean direction, `(*batch, d)`."""
        return self.loc

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw an angle to the mean direction, and a direction to go in, uniform among those orthogonal to it."""
        angle = draw_angle(self.concentration.expand((*shape, *self.batch_shape)), self._d).unsqueeze(-1)
        noise = torch.randn((*shape, *self.loc.shape), dtype=self.loc.dtype, device=self.loc.device)
        across = F.normalize(noise - (noise * self.loc).sum(-1, keepdim=True) * self.loc, dim=-1)
        return torch.cos(angle) * self.loc + torch.sin(angle) * across

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density by area, `(*shape, *batch)`, of values of length one."""
        # k mu'x - k by the distance, which keeps its digits where the two nearly agree.
        square = ((value - self.loc) ** 2).sum(-1)
        return log_peak(self.concentration, self._d) - 0.5 * self.concentration * square - log_area(self._d)

    def kl_by_group(self, other: Distribution, z: Tensor) -> Tensor | None:
        """Return KL(self || uniform) as that of one group, `(*batch, 1)`: a sphere does not split into units."""
        return rate(self.concentration, self._d).unsqueeze(-1) if isinstance(other, UniformSphere) else None

    def detached(self) -> VonMisesFisher:
        return VonMisesFisher(self.loc.detach(), self.concentration.detach())
