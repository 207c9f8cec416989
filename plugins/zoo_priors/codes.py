"""What fitted priors do with codes first: flat, in double precision, with their spread."""

from __future__ import annotations

__all__ = ["covariance_factor", "flat_codes", "spread"]

import torch
from torch import Tensor

from zoo import ZooError

_SMALLEST = 1e-6
"""The least spread of a unit: one that is the same for all images has no density."""


def flat_codes(codes: Tensor) -> Tensor:
    """Return codes `(N, *latent)` as `(N, d)` in double precision on the CPU.

    Raises:
        ZooError: If they are whole numbers, over which there is no density, or a single code.
    """
    if len(codes) < 2:
        raise ZooError("a prior is fitted to the codes of two images at the least; give it more of them")
    if not codes.is_floating_point():
        raise ZooError("this prior is a density over real codes, and those of this run are whole numbers; fit another")
    return codes.detach().flatten(1).to("cpu", torch.float64)


def spread(codes: Tensor) -> Tensor:
    """Return the standard deviation of each unit of `(N, d)`, `(d,)`, never 0."""
    return codes.std(0).clamp(min=_SMALLEST)


def covariance_factor(codes: Tensor, reg: float) -> Tensor:
    """Return the lower Cholesky factor `(d, d)` of the covariance of codes `(N, d)`.

    Arguments:
        codes: The codes.
        reg: What is added to each variance, as a share of their mean.

    Raises:
        ZooError: If the codes are fewer than their units and nothing is added.
    """
    covariance = codes.mT.cov().reshape(codes.shape[1], codes.shape[1])
    added = reg * covariance.diagonal().mean() + _SMALLEST**2
    covariance = covariance + added * torch.eye(codes.shape[1], dtype=codes.dtype)
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if failed:
        raise ZooError(
            f"{len(codes)} codes do not span their {codes.shape[1]} units; take more --limit, or a larger --reg"
        )
    return factor
