"""Student's t as a distribution of latents."""

from __future__ import annotations

__all__ = ["StudentT"]

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Gamma
from zoo.distributions import Distribution, Factorised, Normal

from zoo_student.gammas import digamma_step, lgamma_step


@dataclass(frozen=True, eq=False)
class StudentT(Factorised):
    """Student's t with independent units: density ~ (1 + y^2 / df)^(-(df + 1) / 2), where y = (z - loc) / scale.

    Arguments:
        loc: The mean, `(*batch, *event)`.
        scale: The spread, of the same shape; the standard deviation is sqrt(df / (df - 2)) times it.
        df: The degrees of freedom, of the same shape, above 2.
        event_ndim: How many trailing dimensions are one event.

    Example:
        >>> q = StudentT(torch.zeros(5, 2), torch.ones(5, 2), torch.full((5, 2), 3.0))
        >>> q.log_prob(torch.zeros(5, 2)).shape, q.variance[0, 0]
        (torch.Size([5]), tensor(3.))
    """

    loc: Tensor
    scale: Tensor
    df: Tensor
    event_ndim: int = 1

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance of each unit, `(*batch, *event)`."""
        return self.scale**2 * self.df / (self.df - 2)

    @property
    def log_peak(self) -> Tensor:
        """The log-density of each unit at its mean, `(*batch, *event)`."""
        return lgamma_step(self.df / 2) - 0.5 * (math.pi * self.df).log() - self.scale.log()

    @property
    def entropy_per_unit(self) -> Tensor:
        """The entropy of each unit in nats, `(*batch, *event)`."""
        return 0.5 * (self.df + 1) * digamma_step(self.df / 2) - self.log_peak

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw a normal over the root of a chi-squared; torch differentiates that in df implicitly."""
        noise = torch.randn((*shape, *self.loc.shape), dtype=self.loc.dtype, device=self.loc.device)
        # A rate that is a plain number would be sent to a GPU at each step.
        half = torch.full_like(self.df, 0.5)
        chi2 = Gamma(self.df / 2, half, validate_args=False).rsample(torch.Size(shape))
        return self.loc + self.scale * noise * (self.df / chi2).sqrt()

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        y = (value - self.loc) / self.scale
        return self.log_peak - 0.5 * (self.df + 1) * (y**2 / self.df).log1p()

    def kl_to(self, other: Distribution) -> Tensor | None:
        """Return the KL to a normal, which needs the entropy and two moments; to another t none is known."""
        if not isinstance(other, Normal):
            return None
        square = self.variance + (self.loc - other.loc) ** 2
        cross_entropy = 0.5 * (square / other.scale**2 + math.log(2 * math.pi)) + other.scale.log()
        return cross_entropy - self.entropy_per_unit

    def tempered(self, temperature: float) -> StudentT:
        return StudentT(self.loc, temperature * self.scale, self.df, self.event_ndim)
