"""Drawing from a von Mises–Fisher density: the angle to the mean direction, with its exact gradient."""

from __future__ import annotations

__all__ = ["draw_angle"]

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.distributions import Beta

from zoo_sphere.bessel import mean_length, wide

_PROPOSALS, _NODES, _REACH = 4, 64, 12.0


def draw_angle(kappa: Tensor, d: int) -> Tensor:
    """Draw the angle between a sample and the mean direction in R^d, one for each concentration; same shape.

    The angle is drawn by rejection, and its gradient is that of its distribution function at a fixed value,
    d angle / d k = -(dF / dk) / (dF / d angle). So gradients of expectations are exact, without the correction for
    rejected proposals that a gradient through the accepted proposal would need.

    References:
        Simulation of the von Mises Fisher distribution (Wood, 1994).
        Implicit Reparameterization Gradients (Figurnov et al., 2018), arXiv:1805.08498.
    """
    with torch.no_grad():
        angle = _rejection(wide(kappa).flatten(), d).reshape(kappa.shape)
    drawn: Tensor = _Angle.apply(kappa, angle, d)
    return drawn


def _rejection(kappa: Tensor, d: int) -> Tensor:
    """Draw angles for concentrations `(N,)`: the first accepted of a few proposals each, again where there was none."""
    angle, left = torch.empty_like(kappa), torch.arange(len(kappa), device=kappa.device)
    while len(left):
        proposed, accepted = _proposals(kappa[left], d)
        first = accepted.int().argmax(-1, keepdim=True)
        done = accepted.any(-1)
        angle[left[done]] = proposed.gather(-1, first).squeeze(-1)[done]
        left = left[~done]
    return angle


def _proposals(kappa: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """Return proposed angles and whether each is accepted, both `(N, proposals)`."""
    k, n = kappa.unsqueeze(-1), d - 1
    root = torch.sqrt(4 * k**2 + n**2)
    b, a = n / (2 * k + root), (n + 2 * k + root) / 4
    half = torch.full((*kappa.shape, _PROPOSALS), n / 2, dtype=kappa.dtype, device=kappa.device)
    share = Beta(half, half, validate_args=False).sample()
    uniform = torch.rand_like(share)
    below = 1 - (1 - b) * share
    t, largest = 2 * a * b / below, 2 * a * b / (1 + b)
    accepted = n * torch.log(t / n) - t + 2 * largest >= uniform.log()
    # With w the cosine: 1 - w = 2 b share / below and 1 + w = 2 (1 - share) / below, neither a difference.
    return 2 * torch.atan2(torch.sqrt(b * share), torch.sqrt(1 - share)), accepted


class _Angle(torch.autograd.Function):
    """A drawn angle, whose derivative by the concentration is worked out only if it is asked for."""

    @staticmethod
    def forward(ctx: Any, kappa: Tensor, angle: Tensor, d: int) -> Tensor:
        ctx.save_for_backward(kappa, angle)
        ctx.d = d
        return angle.to(kappa)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        kappa, angle = ctx.saved_tensors
        return grad * _slope(wide(kappa), angle, ctx.d).to(grad), None, None


def _slope(kappa: Tensor, angle: Tensor, d: int) -> Tensor:
    """Return d angle / d k by Gauss–Legendre quadrature.

    With p(s) proportional to sin(s)^(d-2) exp(k cos s), it is minus the integral from 0 to the angle of
    (cos s - A) p(s) / p(angle), or plus that from the angle to pi, as the whole is 0. Of the two, the one away from
    the mode is taken, where p falls off, over as much of it as counts.
    """
    nodes, weights = (torch.as_tensor(part).to(kappa) for part in np.polynomial.legendre.leggauss(_NODES))
    short = 1 - mean_length(kappa, d)
    before = (kappa * torch.sin(angle) ** 2 < (d - 2) * torch.cos(angle)) | (angle < 1e-9)
    reach = (_REACH / torch.sqrt(kappa + d - 1)).minimum(torch.where(before, angle, torch.pi - angle))
    sign = torch.where(before, -1.0, 1.0)
    offset = (sign * reach).unsqueeze(-1) * (1 + nodes) / 2
    theta = angle.unsqueeze(-1)
    away = theta + offset
    # cos(away) - cos(theta), and cos(away) - A, without differences of nearly equal numbers.
    drop = -2 * torch.sin(theta + offset / 2) * torch.sin(offset / 2)
    height = short.unsqueeze(-1) - 2 * torch.sin(away / 2) ** 2
    tiny = torch.finfo(kappa.dtype).tiny
    powers = (d - 2) * (torch.sin(away).clamp(min=tiny).log() - torch.sin(theta).clamp(min=tiny).log())
    density = torch.exp(powers + kappa.unsqueeze(-1) * drop)
    return sign * reach / 2 * (weights * height * density).sum(-1)
