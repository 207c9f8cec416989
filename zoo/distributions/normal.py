"""Location-scale families on the real line, and the point mass: Normal, Laplace, Delta."""

from __future__ import annotations

__all__ = ["Delta", "Laplace", "Normal"]

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zoo.distributions.base import LOG_TWO_PI, Distribution, Factorised, sum_event


@dataclass(frozen=True, eq=False)
class Normal(Factorised):
    """The normal distribution with independent units.

    Arguments:
        loc: The mean, `(*batch, *event)`.
        scale: The standard deviation; broadcasts against `loc`.
        event_ndim: How many trailing dimensions are one event.

    Example:
        >>> q = Normal(torch.zeros(5, 2), torch.ones(5, 2))
        >>> q.batch_shape, q.event_shape, q.log_prob(torch.zeros(5, 2)).shape
        ((5,), (2,), torch.Size([5]))
    """

    loc: Tensor
    scale: Tensor
    event_ndim: int = 1

    @property
    def mean(self) -> Tensor:
        return self.loc

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        noise = torch.randn((*shape, *self.loc.shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + self.scale * noise

    def rsample_balanced(self) -> Tensor:
        noise = _orthogonal(torch.randn_like(self.loc).reshape(-1, math.prod(self.event_shape))).reshape(self.loc.shape)
        return torch.stack([self.loc + self.scale * noise, self.loc - self.scale * noise])

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        return -0.5 * (((value - self.loc) / self.scale) ** 2 + LOG_TWO_PI) - self.scale.log()

    def log_prob(self, value: Tensor) -> Tensor:
        # Sums come first, so that few tensors are as large as the value.
        deviation = value - self.loc
        event = deviation.shape[deviation.ndim - self.event_ndim :]
        units = math.prod(event)
        if self.scale.ndim == 0:
            square, log_scale = sum_event(deviation**2, self.event_ndim) / self.scale**2, units * self.scale.log()
        else:
            square = sum_event((deviation / self.scale) ** 2, self.event_ndim)
            batch = self.scale.shape[: max(0, self.scale.ndim - self.event_ndim)]
            log_scale = sum_event(self.scale.log().expand(*batch, *event), self.event_ndim)
        return -0.5 * (square + units * LOG_TWO_PI) - log_scale

    def log_prob_of_each(self, value: Tensor) -> Tensor:
        if value.device.type == "mps":
            return super().log_prob_of_each(value)
        # As products of matrices, which need no memory for every pair of value, event and unit. They take the
        # difference of squares that may be large beside it, hence double precision.
        loc, scale = (parameter.expand(self.loc.shape).flatten(1).double() for parameter in (self.loc, self.scale))
        z, precision = value.flatten(value.ndim - self.event_ndim).double(), scale**-2
        square = z**2 @ precision.T - 2 * (z @ (loc * precision).T) + (loc**2 * precision).sum(-1)
        log_prob = -0.5 * (square + z.shape[-1] * LOG_TWO_PI) - scale.log().sum(-1)
        return log_prob.to(value.dtype)

    def kl_to(self, other: Distribution) -> Tensor | None:
        if isinstance(other, Normal):
            # The logarithm of the ratio, not of its square, which rounds to 0 long before.
            ratio = self.scale / other.scale
            shift = (self.loc - other.loc) / other.scale
            return 0.5 * (ratio**2 + shift**2 - 1) - ratio.log()
        if isinstance(other, Laplace):
            entropy = 0.5 * (1 + LOG_TWO_PI) + self.scale.log()
            return _mean_distance(self, other.loc) / other.scale + (2 * other.scale).log() - entropy
        return None

    def tempered(self, temperature: float) -> Normal:
        return Normal(self.loc, temperature * self.scale, self.event_ndim)


def _orthogonal(noise: Tensor) -> Tensor:
    """Turn normal noise `(B, d)` into noise whose second moments over the batch are exactly one and zero, if B >= d."""
    rows, columns = noise.shape
    if rows < columns:
        return noise
    basis, triangle = torch.linalg.qr(noise)
    # The signs make the basis uniform over all of them (Mezzadri, 2007, arXiv:math-ph/0609050).
    uniform: Tensor = basis * triangle.diagonal().sign() * math.sqrt(rows)
    return uniform


def _mean_distance(q: Normal, point: Tensor) -> Tensor:
    """E|z - point| under a normal: the mean of a folded normal."""
    shift = q.loc - point
    folded = q.scale * math.sqrt(2 / math.pi) * torch.exp(-0.5 * (shift / q.scale) ** 2)
    return folded + shift * torch.erf(shift / (q.scale * math.sqrt(2)))


@dataclass(frozen=True, eq=False)
class Laplace(Factorised):
    """The Laplace distribution with independent units.

    Arguments:
        loc: The mean, `(*batch, *event)`.
        scale: The mean distance from it; broadcasts against `loc`.
        event_ndim: How many trailing dimensions are one event.
    """

    loc: Tensor
    scale: Tensor
    event_ndim: int = 1

    @property
    def mean(self) -> Tensor:
        return self.loc

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        uniform = torch.rand((*shape, *self.loc.shape), dtype=self.loc.dtype, device=self.loc.device) - 0.5
        # The largest magnitude below one half keeps the logarithm finite.
        magnitude = (2 * uniform.abs()).clamp(max=1 - torch.finfo(self.loc.dtype).eps)
        return self.loc - self.scale * uniform.sign() * torch.log1p(-magnitude)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        return -(value - self.loc).abs() / self.scale - (2 * self.scale).log()

    def kl_to(self, other: Distribution) -> Tensor | None:
        if isinstance(other, Laplace):
            distance = (self.loc - other.loc).abs()
            ratio = self.scale / other.scale
            return ratio * torch.exp(-distance / self.scale) + distance / other.scale - 1 - ratio.log()
        if isinstance(other, Normal):
            square = 2 * self.scale**2 + (self.loc - other.loc) ** 2
            cross = 0.5 * (square / other.scale**2 + LOG_TWO_PI) + other.scale.log()
            return cross - 1 - (2 * self.scale).log()
        return None

    def tempered(self, temperature: float) -> Laplace:
        return Laplace(self.loc, temperature * self.scale, self.event_ndim)


@dataclass(frozen=True, eq=False)
class Delta(Factorised):
    """All mass at one point: the posterior of a plain autoencoder.

    It has no density, so that its KL to a prior is infinite; `log_prob` is 0 at the point by convention, which
    makes `kl` the energy -log p(z).

    Arguments:
        loc: The point, `(*batch, *event)`.
        event_ndim: How many trailing dimensions are one event.
    """

    loc: Tensor
    event_ndim: int = 1

    has_density: ClassVar[bool] = False

    @property
    def mean(self) -> Tensor:
        return self.loc

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.loc.expand(*shape, *self.loc.shape)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        infinity = torch.full_like(self.loc, -torch.inf)
        return torch.where(value == self.loc, torch.zeros_like(self.loc), infinity)
