"""Options of the importance-weighted bounds; imports no torch."""

from __future__ import annotations

__all__ = ["CiwaeOptions", "Estimator", "IwaeOptions", "MiwaeOptions"]

from dataclasses import dataclass
from typing import Literal, TypeAlias

from zoo import Options, Scheduled, option

Estimator: TypeAlias = Literal["plain", "stl", "dreg"]


@dataclass(frozen=True, kw_only=True)
class BoundOptions(Options):
    """Options of every importance-weighted bound."""

    estimator: Estimator = option(
        "plain", "The encoder's gradient: plain, sticking the landing, or doubly reparameterised."
    )


@dataclass(frozen=True, kw_only=True)
class IwaeOptions(BoundOptions):
    """Options of the importance-weighted bound."""

    k: int = option(50, "Codes drawn for each image; 1 is the ELBO.", min=1)


@dataclass(frozen=True, kw_only=True)
class CiwaeOptions(IwaeOptions):
    """Options of the combination of ELBO and importance-weighted bound."""

    elbo_share: Scheduled = option(0.05, "Share of the ELBO, the paper's beta: 0 is IWAE, 1 the ELBO.", min=0, max=1)


@dataclass(frozen=True, kw_only=True)
class MiwaeOptions(BoundOptions):
    """Options of the bounds that weigh codes in groups."""

    groups: int = option(8, "Groups of codes, over which the bound is averaged; 1 is IWAE.", min=1)
    k: int = option(8, "Codes in each group, within which they are weighted; 1 is the ELBO.", min=1)
