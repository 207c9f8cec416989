"""Options of the plain autoencoder's parts; imports no torch."""

from __future__ import annotations

__all__ = ["DeltaOptions", "MseOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class DeltaOptions(Options):
    """Options of the point posterior."""

    latent_dim: int = option(16, "Size of the latent code.", min=1)


@dataclass(frozen=True, kw_only=True)
class MseOptions(Options):
    """Options of the squared error."""

    squash: Literal["sigmoid", "identity"] = option("sigmoid", "What keeps the mean image in [0, 1], if anything.")
