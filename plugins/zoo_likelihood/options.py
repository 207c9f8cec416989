"""Options of the metrics of likelihood; imports no torch."""

from __future__ import annotations

__all__ = ["AnnealedBoundOptions", "IwaeBoundOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class IwaeBoundOptions(Options):
    """Options of the importance-weighted bound."""

    k: int = option(1000, "Codes drawn for each image; more are tighter and take longer.", min=1)
    images: int = option(1000, "Use the first N test images.", min=1)


@dataclass(frozen=True, kw_only=True)
class AnnealedBoundOptions(Options):
    """Options of annealed importance sampling."""

    images: int = option(100, "Use the first N test images.", min=1)
    chains: int = option(4, "Chains of each image.", min=1)
    temperatures: int = option(1000, "Steps from prior to posterior; more are tighter and take longer.", min=1)
    leaps: int = option(5, "Leapfrog steps of a trajectory.", min=1)
    simulated: int = option(30, "Images drawn from the model for the gap of the bounds; 0 leaves it out.", min=0)
