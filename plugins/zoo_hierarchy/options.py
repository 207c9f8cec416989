"""Options of posteriors and priors over groups of latents; imports no torch."""

from __future__ import annotations

__all__ = ["BetweenOptions", "GroupOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class BetweenOptions(Options):
    """Options of the nets from one group to the next."""

    hidden: tuple[int, ...] = option((128,), "Sizes of the hidden layers of each net between groups.", min=1)
    activation: Literal["tanh", "leaky-relu"] = option("leaky-relu", "Activation after each of them.")


@dataclass(frozen=True, kw_only=True)
class GroupOptions(BetweenOptions):
    """Options of a posterior of several groups."""

    groups: tuple[int, ...] = option((32, 16), "Sizes of the groups of the code, from the image upwards.", min=1)
