"""Likelihoods over pixels: squared error, Bernoulli, continuous Bernoulli, and Gaussian of optimal variance."""

from __future__ import annotations

__all__ = ["Bernoulli", "ContinuousBernoulli", "OptimalNormal", "SquaredError"]

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.distributions.base import Distribution, Factorised, Support, sum_event
from zoo.distributions.normal import Normal


@dataclass(frozen=True, eq=False)
class SquaredError(Factorised):
    """The squared error as an unnormalised log-density: -log p(x|z) = sum over pixels of (x - mean)².

    With a weight beta on the rate it is the Gaussian of variance beta / 2.

    Arguments:
        loc: The mean image, `(*batch, C, H, W)`.
        event_ndim: How many trailing dimensions are one event.
    """

    loc: Tensor
    event_ndim: int = 3

    normalised: ClassVar[bool] = False

    @property
    def mean(self) -> Tensor:
        return self.loc

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.loc.expand(*shape, *self.loc.shape)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        return -((value - self.loc) ** 2)

    def log_prob(self, value: Tensor) -> Tensor:
        # The sign after the sum: one image-sized tensor less.
        return -sum_event((value - self.loc) ** 2, self.event_ndim)

    def with_variance(self, variance: Tensor | float) -> Distribution:
        # Filled in where the mean is, as a number that is sent there would have a GPU wait for it.
        scale = variance.to(self.loc).sqrt() if isinstance(variance, Tensor) else self.loc.new_full((), variance).sqrt()
        return Normal(self.loc, scale, self.event_ndim)


@dataclass(frozen=True, eq=False)
class OptimalNormal(Factorised):
    """The Gaussian whose one variance maximises the likelihood of the batch it is asked about.

    `log_prob` of a batch is -D/2 (1 + log(2 pi v)) with v the mean squared error over batch and pixels.

    Arguments:
        loc: The mean image, `(*batch, C, H, W)`.
        variance: A running mean of v, a buffer `()` that `log_prob` moves towards each batch's v.
        momentum: How far.

    References:
        Simple and Effective VAE Training with Calibrated Decoders (Rybkin et al., 2021), arXiv:2006.13202.
    """

    loc: Tensor
    variance: Tensor
    momentum: float = 0.01
    event_ndim: int = 3

    @property
    def mean(self) -> Tensor:
        return self.loc

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return Normal(self.loc, self.variance.sqrt(), self.event_ndim).rsample(shape)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        square = (value - self.loc) ** 2
        variance = square.mean().clamp(min=1e-6)
        with torch.no_grad():
            self.variance.lerp_(variance.to(self.variance.dtype), self.momentum)
        return Normal(self.loc, variance.sqrt(), self.event_ndim).log_prob_per_unit(value)


@dataclass(frozen=True, eq=False)
class Bernoulli(Factorised):
    """Independent Bernoulli pixels, by logits.

    On grey pixels `log_prob` is the mean over their binarisations, which cannot exceed minus their entropy
    (-45.5 nats on the MNIST test set).

    Arguments:
        logits: Log-odds of ink, `(*batch, C, H, W)`.
        event_ndim: How many trailing dimensions are one event.
    """

    logits: Tensor
    event_ndim: int = 3

    support: ClassVar[Support] = "binary"
    reparameterised: ClassVar[bool] = False

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logits)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return torch.bernoulli(self.mean.expand(*shape, *self.logits.shape))

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        return _log_bernoulli(self.logits, value)

    def log_prob(self, value: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            # The gradient of the kernel for each unit is one kernel too; of stacked models, logits do not tell theirs.
            return super().log_prob(value)
        logits = self.logits.to(torch.promote_types(self.logits.dtype, value.dtype))
        linear = torch.addcmul(logits.clamp(min=0), value, logits, value=-1)
        return _log_sigmoid_of_size(logits, self.event_ndim) - sum_event(linear, self.event_ndim)


@dataclass(frozen=True, eq=False)
class ContinuousBernoulli(Factorised):
    """Independent continuous Bernoulli pixels in [0, 1], by logits: the normalised density for grey images.

    Arguments:
        logits: Log-odds of its parameter, `(*batch, C, H, W)`.
        event_ndim: How many trailing dimensions are one event.

    References:
        The Continuous Bernoulli: Fixing a Pervasive Error in Variational Autoencoders
        (Loaiza-Ganem & Cunningham, 2019), arXiv:1907.06845.
    """

    logits: Tensor
    event_ndim: int = 3

    support: ClassVar[Support] = "unit-interval"

    @property
    def mean(self) -> Tensor:
        """With u = logits: 1 / (1 - exp(-u)) - 1 / u, whose limit at 0 is one half."""
        u, near = self._away_from_zero()
        series = 0.5 + self.logits / 12 - self.logits**3 / 720
        # By the sign that cannot overflow: the mean at -u is one minus that at u.
        positive = 1 / -torch.expm1(-u.abs()) - 1 / u.abs()
        return torch.where(near, series, torch.where(u > 0, positive, 1 - positive))

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        y = torch.rand((*shape, *self.logits.shape), dtype=self.logits.dtype, device=self.logits.device)
        u, near = self._away_from_zero()
        # The inverse of its distribution function, log(1 + y (e^u - 1)) / u, by the sign that cannot overflow.
        share = torch.where(u > 0, y, 1 - y)
        positive = 1 + torch.log(share + (1 - share) * torch.exp(-u.abs())) / u.abs()
        series = y + y * (1 - y) * (self.logits / 2 + (1 - 2 * y) * self.logits**2 / 6)
        return torch.where(near, series, torch.where(u > 0, positive, 1 - positive)).clamp(0, 1)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        return _log_bernoulli(self.logits, value) + self._log_normaliser()

    def _away_from_zero(self) -> tuple[Tensor, Tensor]:
        near = self.logits.abs() < 0.02
        return torch.where(near, torch.full_like(self.logits, 0.02), self.logits), near

    def _log_normaliser(self) -> Tensor:
        """Log of u / tanh(u / 2), whose limit at 0 is 2."""
        u, near = self._away_from_zero()
        size = u.abs()
        far = size.log() - torch.log(torch.tanh(size / 2))
        series = math.log(2) + self.logits**2 / 12
        return torch.where(near, series - self.logits**4 * (7 / 1440), far)


def _log_bernoulli(logits: Tensor, value: Tensor) -> Tensor:
    """Return value * logits - softplus(logits), by torch's one kernel for it."""
    kind = torch.promote_types(logits.dtype, value.dtype)
    logits, value = torch.broadcast_tensors(logits.to(kind), value.to(kind))  # type: ignore[no-untyped-call]  # torch's
    return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")


_FACTORS = 64
"""Factors of at least one half, of which a product is far from the smallest number of single precision."""


def _log_sigmoid_of_size(logits: Tensor, event_ndim: int) -> Tensor:
    """Return the sum over an event of log sigmoid(|logits|), which is -log(1 + exp(-|logits|)).

    Of products of a few dozen factors, so that there are as many logarithms fewer: they cost more than all else.
    """
    factors = logits.abs().sigmoid_().flatten(-event_ndim) if event_ndim else logits.abs().sigmoid_().unsqueeze(-1)
    units = factors.shape[-1]
    several = max(count for count in range(1, min(units, _FACTORS) + 1) if units % count == 0)
    products = factors.reshape(*factors.shape[:-1], units // several, several).prod(-1)
    return products.log_().sum(-1)
