"""Options of quantised parts; imports no torch."""

from __future__ import annotations

__all__ = ["FsqOptions", "VqOptions"]

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
