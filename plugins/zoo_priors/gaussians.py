"""Mixtures of normals of full covariance, and kernel density estimates, as distributions over latents."""

from __future__ import annotations

__all__ = ["Gaussians", "Kernels"]

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from zoo.distributions import Distribution

_ROWS = 1024
"""Events whose distances to all kernels are held at once."""


@dataclass(frozen=True, eq=False)
class Gaussians(Distribution):
    """p(z) = sum_k w_k N(mean_k, L_k L_k'), batch `()`; with one component, a normal of full covariance.

    Arguments:
        logits: Log-weights `(K,)`, up to a constant.
        means: `(K, d)`.
        factors: The lower Cholesky factors L_k of the covariances, `(K, d, d)`.
        shape: The shape of one event, of d values.
    """

    logits: Tensor
    means: Tensor
    factors: Tensor
    shape: tuple[int, ...]

    reparameterised: ClassVar[bool] = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return ()

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def mean(self) -> Tensor:
        return (self.logits.softmax(-1) @ self.means).reshape(self.event_shape)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw samples; gradients reach the components, not the weights, through which no sample moves."""
        choice = torch.multinomial(self.logits.softmax(-1), torch.Size(shape).numel(), replacement=True)
        noise = torch.randn(len(choice), self.means.shape[1], 1, dtype=self.means.dtype, device=self.means.device)
        values = self.means[choice] + (self.factors[choice] @ noise).squeeze(-1)
        return values.reshape(*shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        batch = value.shape[: value.ndim - len(self.event_shape)]
        events = value.reshape(-1, self.means.shape[1])
        # (K, d, N): each factor is solved for once, not once an event.
        shift = (events.unsqueeze(0) - self.means.unsqueeze(1)).mT
        white = torch.linalg.solve_triangular(self.factors, shift, upper=False)
        log_scale = self.factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        parts = _standard(white.square().sum(1), self.means.shape[1]) - log_scale.unsqueeze(-1)
        return torch.logsumexp(self.logits.log_softmax(-1).unsqueeze(-1) + parts, 0).reshape(batch)

    def tempered(self, temperature: float) -> Gaussians:
        return replace(self, factors=temperature * self.factors)


@dataclass(frozen=True, eq=False)
class Kernels(Distribution):
    """p(z) = 1/M sum_m N(centre + L w_m, bandwidth^2 L L'), batch `()`: a normal kernel at each of M codes.

    Arguments:
        points: The codes, white: L w_m + centre is the m-th, `(M, d)`.
        centre: `(d,)`.
        factor: The lower Cholesky factor L of the covariance of all codes, `(d, d)`.
        bandwidth: Spread of a kernel as a share of theirs, `()`.
        shape: The shape of one event, of d values.
    """

    points: Tensor
    centre: Tensor
    factor: Tensor
    bandwidth: Tensor
    shape: tuple[int, ...]

    reparameterised: ClassVar[bool] = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return ()

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def mean(self) -> Tensor:
        return (self.centre + self.factor @ self.points.mean(0)).reshape(self.event_shape)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw samples; gradients reach the kernels, not the choice of one."""
        choice = torch.randint(len(self.points), (torch.Size(shape).numel(),), device=self.points.device)
        points = self.points[choice]
        white = points + self.bandwidth * torch.randn_like(points)
        return (self.centre + white @ self.factor.mT).reshape(*shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        batch = value.shape[: value.ndim - len(self.event_shape)]
        white = whiten(value.reshape(-1, len(self.centre)), self.centre, self.factor)
        found = torch.cat([self._white_log_prob(rows) for rows in torch.split(white, _ROWS)])
        return (found - self.factor.diagonal().log().sum()).reshape(batch)

    def _white_log_prob(self, white: Tensor) -> Tensor:
        distances = distances_between(white, self.points) / self.bandwidth
        size = len(self.centre)
        parts = _standard(distances.square(), size) - size * self.bandwidth.log()
        return torch.logsumexp(parts, -1) - math.log(len(self.points))

    def tempered(self, temperature: float) -> Kernels:
        return replace(self, bandwidth=temperature * self.bandwidth)


def whiten(events: Tensor, centre: Tensor, factor: Tensor) -> Tensor:
    """Return L^-1 (z - centre) of events `(N, d)`."""
    white: Tensor = torch.linalg.solve_triangular(factor, (events - centre).mT, upper=False).mT
    return white


def distances_between(first: Tensor, second: Tensor) -> Tensor:
    """Return the distances of `(N, d)` and `(M, d)`, `(N, M)`; by differences, which do not cancel near 0."""
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")


def _standard(square: Tensor, size: int) -> Tensor:
    """Log-density of a standard normal of `size` units at a squared distance from its mean."""
    return -0.5 * (square + size * math.log(2 * math.pi))
