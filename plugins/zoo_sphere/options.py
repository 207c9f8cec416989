"""Options of parts on a sphere; imports no torch."""

from __future__ import annotations

__all__ = ["VmfOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class VmfOptions(Options):
    """Options of the von Mises–Fisher posterior head."""

    latent_dim: int = option(10, "Numbers in a code, d; the sphere in R^d has d - 1 dimensions.", min=2)
    least_concentration: float = option(1.0, "Concentration is this plus a softplus; 0 is uniform.", min=0)
