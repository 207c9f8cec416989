"""Options of the posterior, the prior and the loss; imports no torch."""

__all__ = ["LossOptions", "PosteriorOptions", "PriorOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, Scheduled, option


@dataclass(frozen=True, kw_only=True)
class PosteriorOptions(Options):
    """Options of the Student-t posterior."""

    latent_dim: int = option(16, "Size of the latent code.", min=1)
    df: float = option(5.0, "Degrees of freedom; where they are learned, those that they start from.", above=2)
    tails: Literal["fixed", "unit", "image"] = option(
        "fixed", "Whose degrees of freedom are learned: nobody's, each unit's, or each unit's of each image."
    )
    least_df: float = option(2.1, "Learned degrees of freedom are this plus a softplus.", above=2)


@dataclass(frozen=True, kw_only=True)
class PriorOptions(Options):
    """Options of the Student-t prior."""

    df: float = option(5.0, "Degrees of freedom.", above=2)
    scale: float = option(1.0, "Scale; the standard deviation is sqrt(df / (df - 2)) times it.", above=0)


@dataclass(frozen=True, kw_only=True)
class LossOptions(Options):
    """Options of the loss."""

    beta: Scheduled = option(1.0, "Weight of the divergence.", min=0)
    divergence: Literal["kl", "power"] = option("kl", "The KL at samples, or the power divergence in closed form.")
    samples: int = option(1, "Codes that are drawn for each image.", min=1)
