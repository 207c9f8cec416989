"""Options of the losses without a density; imports no torch."""

from __future__ import annotations

__all__ = ["MmdOptions", "RaeOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, Scheduled, option


@dataclass(frozen=True, kw_only=True)
class MmdOptions(Options):
    """Options of the maximum mean discrepancy."""

    weight: Scheduled = option(200.0, "Weight of the discrepancy, lambda.", min=0)
    kernels: Literal["imq", "rbf"] = option("imq", "Inverse multiquadratic or Gaussian kernels.")
    scales: tuple[float, ...] = option(
        (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
        "Widths of the kernels that are summed, relative to that of the prior.",
        above=0,
    )
    spread: float = option(
        2.0, "Squared distance of two draws of the prior, per unit; 2 for a standard normal.", above=0
    )


@dataclass(frozen=True, kw_only=True)
class RaeOptions(Options):
    """Options of the regularised autoencoder's loss."""

    beta: Scheduled = option(0.01, "Weight of half the squared norm of a code.", min=0)
    decay: Scheduled = option(1e-4, "Weight of the squared norm of the decoder's parameters, lambda.", min=0)
