"""Options of priors with parameters and of fitted priors; imports no torch."""

from __future__ import annotations

__all__ = [
    "FlowFitOptions",
    "GaussianFitOptions",
    "GmmFitOptions",
    "KdeFitOptions",
    "MixturePriorOptions",
    "RealNvpPriorOptions",
    "SplineFitOptions",
    "VampPriorOptions",
]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class VampPriorOptions(Options):
    """Options of the VampPrior."""

    components: int = option(500, "Pseudo-inputs, each of which is encoded at every step.", min=1)
    start: Literal["data", "random"] = option("data", "Where they start: images of the first batch, or random pixels.")
    squash: Literal["hardtanh", "sigmoid"] = option(
        "hardtanh", "What keeps their pixels in [0, 1]: cut off, as in the paper, or by logits."
    )


@dataclass(frozen=True, kw_only=True)
class MixturePriorOptions(Options):
    """Options of the mixture of normals with learned parameters."""

    components: int = option(50, "Normals in the mixture.", min=1)
    start_std: float = option(1.0, "Spread of their first means.", above=0)


@dataclass(frozen=True, kw_only=True)
class RealNvpPriorOptions(Options):
    """Options of the RealNVP prior."""

    transforms: int = option(6, "Coupling layers, each of which moves every other unit.", min=1)
    hidden: tuple[int, ...] = option((64, 64), "Sizes of the hidden layers in each.", min=1)


@dataclass(frozen=True, kw_only=True)
class GaussianFitOptions(Options):
    """Options of the fitted normal of full covariance."""

    reg: float = option(1e-6, "Added to each variance, as a share of their mean.", min=0)


@dataclass(frozen=True, kw_only=True)
class GmmFitOptions(Options):
    """Options of the fitted mixture of normals."""

    components: int = option(10, "Normals in the mixture.", min=1)
    covariance: Literal["full", "diag"] = option("full", "Whether units of one component may depend on each other.")
    starts: int = option(1, "Starts by k-means, of which the best is kept.", min=1)
    iterations: int = option(200, "Most steps of expectation and maximisation from each.", min=1)
    reg: float = option(1e-6, "Added to each variance, as a share of the unit's variance over all codes.", min=0)


@dataclass(frozen=True, kw_only=True)
class KdeFitOptions(Options):
    """Options of the kernel density estimate."""

    points: int = option(5000, "Most codes that get a kernel.", min=1)
    bandwidth: float | None = option(
        None,
        "Spread of a kernel as a share of the spread of all codes; the likeliest for held-out codes without.",
        above=0,
    )


@dataclass(frozen=True, kw_only=True)
class FlowFitOptions(Options):
    """Options of a flow that is fitted by gradients."""

    transforms: int = option(5, "Autoregressive layers.", min=1)
    hidden: tuple[int, ...] = option((64, 64), "Sizes of the hidden layers in each.", min=1)
    steps: int = option(3000, "Most steps of Adam.", min=1)
    batch_size: int = option(256, "Codes per step.", min=1)
    lr: float = option(1e-3, "Learning rate.", above=0)
    patience: int = option(5, "Stop after N checks, one in 100 steps, without a better held-out likelihood.", min=1)


@dataclass(frozen=True, kw_only=True)
class SplineFitOptions(FlowFitOptions):
    """Options of a neural spline flow."""

    transforms: int = option(3, "Autoregressive layers.", min=1)
    bins: int = option(8, "Pieces of each spline.", min=2)
