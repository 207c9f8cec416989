"""Options of variational parts; imports no torch."""

from __future__ import annotations

__all__ = [
    "BetaPriorOptions",
    "ElboOptions",
    "GammaPriorOptions",
    "GaussianOptions",
    "LabelOptions",
    "LaplaceOptions",
    "LaplacePriorOptions",
    "LatentOptions",
    "NormalPosteriorOptions",
    "NormalPriorOptions",
]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, Scheduled, option


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Options):
    """Options of the label condition."""

    name: str = option("label", "Which label of the data, such as a factor of glyphs.")


@dataclass(frozen=True, kw_only=True)
class LatentOptions(Options):
    """Options of a posterior head."""

    latent_dim: int = option(16, "Size of the latent code.", min=1)


@dataclass(frozen=True, kw_only=True)
class NormalPosteriorOptions(LatentOptions):
    """Options of the normal posterior head."""

    start_std: float | None = option(None, "Spread of the mean's first weights; torch's own rule without.", min=0)
    start_logvar: float | None = option(None, "First log-variance of every image; torch's own rule without.")


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


@dataclass(frozen=True, kw_only=True)
class ElboOptions(Options):
    """Options of the evidence lower bound."""

    beta: Scheduled = option(1.0, "Weight of the rate; 1 is the plain ELBO.", min=0)
    free_bits: Scheduled = option(0.0, "Nats of each group's rate, averaged over the batch, that cost nothing.", min=0)
    balanced: bool = option(False, "Draw two codes per image whose noise cancels over the batch; normal posteriors.")
