"""What the modified Bessel function says of a von Mises–Fisher density, at any concentration and dimension.

With v = d / 2 - 1 and the mean of exp(k w) over the uniform sphere, w = mu'x,

    g(k) = log E[exp(k w)] = log[Gamma(v + 1) (2 / k)^v I_v(k)],    g(0) = 0,    g'(k) = A(k) = I_{v+1}(k) / I_v(k),

the log-density relative to the uniform one is k w - g(k). I_v itself over- and underflows; g never does. It comes from
Debye's uniform expansion at an order M of 24 or more, where its eight terms are exact to rounding, and from there down
by the recurrence of the ratios I_{m+1} / I_m, which is stable in this direction. All is done in double precision.

References:
    NIST Digital Library of Mathematical Functions, 10.29.1 and 10.41.3, https://dlmf.nist.gov/10.41.
    Computation of modified Bessel functions and their ratios (Amos, 1974), for the recurrence.
"""

from __future__ import annotations

__all__ = ["log_peak", "mean_length", "rate", "wide"]

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_TERMS, _ORDER = 8, 24

Curve: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]


def log_peak(kappa: Tensor, d: int) -> Tensor:
    """Return k - g(k): the log-density at the mean direction in R^d, relative to the uniform sphere's; same shape."""
    return _evaluate(kappa, partial(_log_peak, d=d))


def mean_length(kappa: Tensor, d: int) -> Tensor:
    """Return A(k) in [0, 1): how far from the centre the mean lies; same shape."""
    return _evaluate(kappa, partial(_mean_length, d=d))


def rate(kappa: Tensor, d: int) -> Tensor:
    """Return k A(k) - g(k): the KL divergence to the uniform sphere, in nats; same shape."""
    return _evaluate(kappa, partial(_rate, d=d))


def wide(value: Tensor) -> Tensor:
    """Return values in double precision, on the CPU where their device has none."""
    return value.to("cpu", torch.float64) if value.device.type == "mps" else value.double()


def _log_peak(kappa: Tensor, d: int) -> tuple[Tensor, Tensor]:
    g, length = _log_mean_exp(kappa, d)
    return kappa - g, 1 - length


def _mean_length(kappa: Tensor, d: int) -> tuple[Tensor, Tensor]:
    _, length = _log_mean_exp(kappa, d)
    return length, _slope(kappa, length, d)


def _rate(kappa: Tensor, d: int) -> tuple[Tensor, Tensor]:
    g, length = _log_mean_exp(kappa, d)
    return kappa * length - g, kappa * _slope(kappa, length, d)


def _slope(kappa: Tensor, length: Tensor, d: int) -> Tensor:
    """A'(k) = 1 - A² - (d - 1) A / k, the variance of w; its limit at 0 is 1 / d."""
    tiny = kappa < 1e-12
    return torch.where(tiny, 1 / d, 1 - length**2 - (d - 1) * length / torch.where(tiny, 1.0, kappa))


def _log_mean_exp(kappa: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """Return g(k) and A(k) of concentrations in double precision."""
    low = d / 2 - 1
    steps = max(0, math.ceil(_ORDER - low))
    g, ratio = _expanded(kappa, low + steps)
    for step in reversed(range(steps)):
        order = low + step
        further = 1 + kappa * ratio / (2 * (order + 1))
        g = g + further.log()
        ratio = kappa / (2 * (order + 1)) / further
    return g, ratio


def _expanded(kappa: Tensor, order: float) -> tuple[Tensor, Tensor]:
    """Return g and its derivative at a large order by the uniform expansion, both exact at 0."""
    z = kappa / order
    root = torch.sqrt(1 + z**2)
    above_one = z**2 / (1 + root)
    p = 1 / root
    series, series_slope = _series(p, order), _series(p, order, slope=True)
    at_zero = _series(torch.ones_like(p), order)
    g = order * (above_one - torch.log1p(above_one / 2)) - 0.5 * root.log() + (series / at_zero).log()
    # dp / dz = -z p^3, so that every term is proportional to z.
    slope = z / (1 + root) + z / order * (-0.5 * p**2 - p**3 * series_slope / series)
    return g, slope


def _series(p: Tensor, order: float, slope: bool = False) -> Tensor:
    """Sum over k of U_k(p) / order^k, or its derivative in p, by Horner's rule."""
    total = [0.0] * (3 * _TERMS + 1)
    for k, polynomial in enumerate(_POLYNOMIALS):
        for power, coefficient in polynomial.items():
            total[power] += float(coefficient) / order**k
    if slope:
        total = [power * coefficient for power, coefficient in enumerate(total)][1:]
    value = torch.zeros_like(p)
    for factor in reversed(total):
        value = value * p + factor
    return value


def _polynomials() -> list[dict[int, Fraction]]:
    """Debye's U_k as powers and coefficients: U_{k+1} = p²(1 - p²) U_k' / 2 + 1/8 integral of (1 - 5 t²) U_k."""
    found: list[dict[int, Fraction]] = [{0: Fraction(1)}]
    for _ in range(_TERMS):
        following: dict[int, Fraction] = {}
        for n, c in found[-1].items():
            following[n + 1] = following.get(n + 1, Fraction(0)) + c * Fraction(n, 2) + c / (8 * (n + 1))
            following[n + 3] = following.get(n + 3, Fraction(0)) - c * Fraction(n, 2) - 5 * c / (8 * (n + 3))
        found.append(following)
    return found


_POLYNOMIALS = _polynomials()


class _Known(torch.autograd.Function):
    """A function of one number whose derivative is known."""

    @staticmethod
    def forward(ctx: Any, kappa: Tensor, curve: Curve) -> Tensor:
        value, slope = curve(wide(kappa))
        ctx.save_for_backward(slope.to(kappa))
        return value.to(kappa)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None


def _evaluate(kappa: Tensor, curve: Curve) -> Tensor:
    value: Tensor = _Known.apply(kappa, curve)
    return value
