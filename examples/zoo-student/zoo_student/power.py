"""The power divergence of Student's t."""

__all__ = ["log_power_norm", "power_divergence"]

import math

from torch import Tensor

from zoo_student.distribution import StudentT
from zoo_student.gammas import lgamma_step


def log_power_norm(q: StudentT, gamma: Tensor) -> Tensor:
    """Return log |q|, where |q| = (integral q^(1 + gamma))^(1 / (1 + gamma)), of each unit: `(*batch, *event)`.

    Arguments:
        q: Any Student's t.
        gamma: Above -1, and such that (df + 1) (1 + gamma) is above 1, or the integral is infinite; broadcasts.
    """
    rest = 0.5 * ((q.df + 1) * (1 + gamma) - 1)
    integral = 0.5 * (math.pi * q.df).log() + q.scale.log() - lgamma_step(rest)
    return q.log_peak + integral / (1 + gamma)


def power_divergence(q: StudentT, p: StudentT) -> Tensor:
    """Return the gamma-power divergence of each unit, `(*batch, *event)`, at gamma = -2 / (p.df + 1).

        D = (|q| - integral q (p / |p|)^gamma) / gamma,  |q| = (integral q^(1 + gamma))^(1 / (1 + gamma))

    It is 0 where q is p, and above 0 elsewhere; with many degrees of freedom it is the KL of normals. At this gamma
    the power of p's density is a square, so that q's variance is all that the integral needs.

    Arguments:
        q: A posterior, degrees of freedom above 2.
        p: A prior over the same events, degrees of freedom above 2, which need not be those of q.

    References:
        t3-Variational Autoencoder: Learning Heavy-tailed Data with Student's t and Power Divergence
        (Kim et al., 2024), arXiv:2312.01133, where q and p are multivariate, and the divergence is of all units
        together.
    """
    gamma = -2 / (p.df + 1)
    square = (q.variance + (q.loc - p.loc) ** 2) / p.scale**2
    log_cross = gamma * (p.log_peak - log_power_norm(p, gamma)) + (square / p.df).log1p()
    return (log_power_norm(q, gamma).expm1() - log_cross.expm1()) / gamma
