"""Options of the likelihoods; imports no torch."""

from __future__ import annotations

__all__ = ["GaussianOptions", "LaplaceOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class GaussianOptions(Options):
    """Options of the Gaussian likelihood."""

    sigma: Literal["fixed", "learned", "optimal"] = option(
        "optimal", "Pixel noise: a constant, a parameter, or the batch's root mean squared error."
    )
    std: float = option(0.1, "The constant, or where learning starts.", above=0)
    squash: Literal["sigmoid", "identity"] = option("sigmoid", "What keeps the mean image in [0, 1], if anything.")


@dataclass(frozen=True, kw_only=True)
class LaplaceOptions(Options):
    """Options of the Laplace likelihood."""

    scale: float = option(0.1, "Mean absolute error that the density is made for.", above=0)
    squash: Literal["sigmoid", "identity"] = option("sigmoid", "What keeps the mean image in [0, 1], if anything.")
