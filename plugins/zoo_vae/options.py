"""Options of the posteriors, the condition and the bound; imports no torch."""

from __future__ import annotations

__all__ = [
    "ElboOptions",
    "LabelOptions",
    "LatentOptions",
    "NormalPosteriorOptions",
]

from dataclasses import dataclass

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
class ElboOptions(Options):
    """Options of the evidence lower bound."""

    beta: Scheduled = option(1.0, "Weight of the rate; 1 is the plain ELBO.", min=0)
    free_bits: Scheduled = option(0.0, "Nats of each group's rate, averaged over the batch, that cost nothing.", min=0)
    balanced: bool = option(False, "Draw two codes per image whose noise cancels over the batch; normal posteriors.")
