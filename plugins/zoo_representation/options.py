"""Options of the metrics of representation; imports no torch."""

from __future__ import annotations

__all__ = ["BinnedOptions", "DciOptions", "FactorOptions", "NeighboursOptions", "ProbeOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class ProbeOptions(Options):
    """Options of what learns a label from codes."""

    images: int = option(10_000, "Learn from the first N training images.", min=2)
    label: str | None = option(None, "Name of the label; the first one that has classes by default.")


@dataclass(frozen=True, kw_only=True)
class NeighboursOptions(ProbeOptions):
    """Options of the nearest neighbours."""

    k: int = option(10, "Neighbours that vote.", min=1)


@dataclass(frozen=True, kw_only=True)
class FactorOptions(Options):
    """Options of a score of codes against factors."""

    images: int = option(10_000, "Use the first N test images.", min=2)


@dataclass(frozen=True, kw_only=True)
class BinnedOptions(FactorOptions):
    """Options of a score that counts codes in bins."""

    bins: int = option(20, "Bins of equal width between the lowest and the highest value of a latent.", min=2)


@dataclass(frozen=True, kw_only=True)
class DciOptions(Options):
    """Options of the scores of DCI."""

    trees: Literal["forest", "boosted"] = option(
        "forest", "What predicts factors: a random forest, or boosted trees as in Locatello et al., far slower."
    )
