"""Options of flows; imports no torch."""

from __future__ import annotations

__all__ = ["IafOptions", "LogitOptions", "PlanarOptions", "RealNvpOptions", "SylvesterOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class IafOptions(Options):
    """Options of the inverse autoregressive posterior."""

    latent_dim: int = option(16, "Size of the latent code.", min=1)
    steps: int = option(4, "Autoregressive steps, each in the reverse order of the one before.", min=1)
    hidden: tuple[int, ...] = option((128,), "Sizes of the hidden layers of each step's masked network.", min=1)
    context: int = option(32, "Size of what the encoder tells each step of the image.", min=1)


@dataclass(frozen=True, kw_only=True)
class PlanarOptions(Options):
    """Options of the planar posterior."""

    latent_dim: int = option(16, "Size of the latent code.", min=1)
    steps: int = option(8, "Planar steps, each with parameters from the encoder.", min=1)


@dataclass(frozen=True, kw_only=True)
class SylvesterOptions(Options):
    """Options of the Sylvester posterior."""

    latent_dim: int = option(16, "Size of the latent code.", min=1)
    steps: int = option(4, "Sylvester steps, each with parameters from the encoder.", min=1)
    reflections: int = option(4, "Householder reflections whose product is each step's orthogonal matrix.", min=1)


@dataclass(frozen=True, kw_only=True)
class LogitOptions(Options):
    """Options of the logit of dequantised pixels."""

    alpha: float = option(1e-6, "How far from 0 and 1 pixels are kept before the logit.", above=0, below=0.5)


@dataclass(frozen=True, kw_only=True)
class RealNvpOptions(Options):
    """Options of the flow of affine couplings."""

    couplings: int = option(6, "Affine couplings, each moving the half of the values that the last one kept.", min=0)
    hidden: tuple[int, ...] = option((512,), "Sizes of the hidden layers of each coupling's network.", min=1)
    linear: bool = option(True, "Start with a triangular linear map, which alone is a full-covariance Gaussian.")
