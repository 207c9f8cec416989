"""Options of the priors; imports no torch."""

from __future__ import annotations

__all__ = ["BetaPriorOptions", "GammaPriorOptions", "LaplacePriorOptions", "NormalPriorOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class NormalPriorOptions(Options):
    """Options of the normal prior."""

    mean: float = option(0.0, "Mean of each unit.")
    std: float = option(1.0, "Standard deviation of each unit.", above=0)


@dataclass(frozen=True, kw_only=True)
class LaplacePriorOptions(Options):
    """Options of the Laplace prior."""

    mean: float = option(0.0, "Mean of each unit.")
    scale: float = option(1.0, "Mean distance from it.", above=0)


@dataclass(frozen=True, kw_only=True)
class GammaPriorOptions(Options):
    """Options of the gamma prior."""

    concentration: float = option(2.0, "Shape of each unit's density.", above=0)
    rate: float = option(1.0, "Inverse scale.", above=0)


@dataclass(frozen=True, kw_only=True)
class BetaPriorOptions(Options):
    """Options of the beta prior."""

    a: float = option(2.0, "Weight of one.", above=0)
    b: float = option(2.0, "Weight of zero.", above=0)
