"""Options of quantised parts and of their fitted prior; imports no torch."""

from __future__ import annotations

__all__ = ["FsqOptions", "PixelCnnOptions", "VqOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class VqOptions(Options):
    """Options of the vector-quantised posterior."""

    codes: int = option(256, "Codes in the codebook.", min=2)
    code_dim: int = option(32, "Size of each code.", min=1)
    codebook: Literal["ema", "gradient"] = option(
        "ema", "How codes follow the vectors that chose them: running means, or gradients of the squared distance."
    )
    decay: float = option(0.9, "Decay of the running means, and of the counts that tell dead codes.", min=0, below=1)
    commitment: float = option(0.25, "Weight of the squared distance from vectors to their codes.", min=0)
    start: Literal["k-means", "random"] = option("k-means", "Where codes start: in the first batch, or near zero.")
    revive: float = option(
        0.1, "A code used less than this share of the mean is replaced by a vector of the batch.", min=0, below=1
    )


@dataclass(frozen=True, kw_only=True)
class FsqOptions(Options):
    """Options of the finite scalar posterior."""

    levels: tuple[int, ...] = option((8, 6, 5), "Levels of each number; their product is the number of codes.", min=3)


@dataclass(frozen=True, kw_only=True)
class PixelCnnOptions(Options):
    """Options of the gated PixelCNN over codes."""

    channels: int = option(64, "Channels of each of its two stacks.", min=1)
    layers: int = option(4, "Gated layers; each sees kernel // 2 places further.", min=1)
    kernel: int = option(5, "Side of the kernels, of which only what comes before the middle is there.", min=3, max=15)
    steps: int = option(3000, "Most steps of Adam.", min=1)
    batch_size: int = option(64, "Maps of codes per step.", min=1)
    lr: float = option(1e-3, "Learning rate.", above=0)
    patience: int = option(5, "Stop after N checks, one in 100 steps, without a better held-out likelihood.", min=1)
