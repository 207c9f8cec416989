"""Families on the positive half-line and the unit interval: Gamma and Beta, sampled by torch."""

from __future__ import annotations

__all__ = ["Beta", "Gamma"]

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Beta as TorchBeta
from torch.distributions import Gamma as TorchGamma

from zoo.distributions.base import LOG_TWO_PI, Distribution, Factorised, Support
from zoo.distributions.normal import Laplace, Normal


@dataclass(frozen=True, eq=False)
class Gamma(Factorised):
    """The gamma distribution with independent units; samples carry implicit gradients.

    Arguments:
        concentration: The shape parameter, `(*batch, *event)`.
        rate: The inverse scale; broadcasts against it.
        event_ndim: How many trailing dimensions are one event.

    References:
        Implicit Reparameterization Gradients (Figurnov et al., 2018), arXiv:1805.08498.
    """

    concentration: Tensor
    rate: Tensor
    event_ndim: int = 1

    support: ClassVar[Support] = "positive"

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def _mean_log(self) -> Tensor:
        return torch.digamma(self.concentration) - self.rate.log()

    @property
    def _mean_square(self) -> Tensor:
        return self.concentration * (self.concentration + 1) / self.rate**2

    @property
    def _entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + torch.lgamma(a) + (1 - a) * torch.digamma(a)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return TorchGamma(self.concentration, self.rate, validate_args=False).rsample(torch.Size(shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        a, b = self.concentration, self.rate
        return torch.xlogy(a, b) + torch.xlogy(a - 1, value) - b * value - torch.lgamma(a)

    def kl_to(self, other: Distribution) -> Tensor | None:
        if isinstance(other, Gamma):
            cross = other.concentration * other.rate.log() - torch.lgamma(other.concentration)
            cross = cross + (other.concentration - 1) * self._mean_log - other.rate * self.mean
            return -self._entropy - cross
        return _kl_by_moments(self.mean, self._mean_square, self._entropy, other)


@dataclass(frozen=True, eq=False)
class Beta(Factorised):
    """The beta distribution with independent units; samples carry implicit gradients.

    Arguments:
        a: The weight of one, `(*batch, *event)`.
        b: The weight of zero; broadcasts against it.
        event_ndim: How many trailing dimensions are one event.
    """

    a: Tensor
    b: Tensor
    event_ndim: int = 1

    support: ClassVar[Support] = "unit-interval"

    @property
    def mean(self) -> Tensor:
        return self.a / (self.a + self.b)

    @property
    def _log_normaliser(self) -> Tensor:
        return torch.lgamma(self.a) + torch.lgamma(self.b) - torch.lgamma(self.a + self.b)

    @property
    def _mean_log(self) -> Tensor:
        return torch.digamma(self.a) - torch.digamma(self.a + self.b)

    @property
    def _mean_log_rest(self) -> Tensor:
        return torch.digamma(self.b) - torch.digamma(self.a + self.b)

    @property
    def _mean_square(self) -> Tensor:
        total = self.a + self.b
        return self.a * (self.a + 1) / (total * (total + 1))

    @property
    def _entropy(self) -> Tensor:
        return self._log_normaliser - (self.a - 1) * self._mean_log - (self.b - 1) * self._mean_log_rest

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        value = TorchBeta(self.a, self.b, validate_args=False).rsample(torch.Size(shape))
        # A rounded 0 or 1 would have an infinite density.
        tiny = torch.finfo(value.dtype).eps
        return value.clamp(tiny, 1 - tiny)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        return torch.xlogy(self.a - 1, value) + torch.xlogy(self.b - 1, 1 - value) - self._log_normaliser

    def kl_to(self, other: Distribution) -> Tensor | None:
        if isinstance(other, Beta):
            cross = (other.a - 1) * self._mean_log + (other.b - 1) * self._mean_log_rest - other._log_normaliser
            return -self._entropy - cross
        if isinstance(other, Gamma):
            cross = other.concentration * other.rate.log() - torch.lgamma(other.concentration)
            cross = cross + (other.concentration - 1) * self._mean_log - other.rate * self.mean
            return -self._entropy - cross
        return _kl_by_moments(self.mean, self._mean_square, self._entropy, other)


def _kl_by_moments(mean: Tensor, square: Tensor, entropy: Tensor, p: Distribution) -> Tensor | None:
    """KL to a prior whose log-density is a polynomial in z on the posterior's support."""
    if isinstance(p, Normal):
        spread = square - 2 * p.loc * mean + p.loc**2
        return 0.5 * (spread / p.scale**2 + LOG_TWO_PI) + p.scale.log() - entropy
    if isinstance(p, Laplace) and bool((p.loc <= 0).all()):
        return (mean - p.loc) / p.scale + (2 * p.scale).log() - entropy
    return None
