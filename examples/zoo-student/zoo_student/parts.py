"""Student's t as a posterior and as a prior."""

__all__ = ["StudentTPosterior", "StudentTPrior"]

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # everyone's name for it
from zoo import Network, Posterior, Prior, Site, ZooError
from zoo.distributions import Distribution

from zoo_student.distribution import StudentT
from zoo_student.options import PosteriorOptions, PriorOptions


class FixedTails(nn.Module):
    """The same degrees of freedom everywhere, `(B, F)` to `(B, d)`."""

    df: Tensor

    def __init__(self, size: int, df: float) -> None:
        super().__init__()
        self.register_buffer("df", torch.full((size,), df))

    def forward(self, features: Tensor) -> Tensor:
        return self.df.expand(len(features), -1)


class UnitTails(nn.Module):
    """Degrees of freedom that each unit learns, `(B, F)` to `(B, d)`."""

    def __init__(self, size: int, least: float, start: float) -> None:
        super().__init__()
        self.least = least
        self.excess = nn.Parameter(torch.full((size,), start))

    def forward(self, features: Tensor) -> Tensor:
        return (self.least + F.softplus(self.excess)).expand(len(features), -1)


class ImageTails(nn.Module):
    """Degrees of freedom that are read off each image, `(B, F)` to `(B, d)`."""

    def __init__(self, features: int, size: int, least: float, start: float) -> None:
        super().__init__()
        self.least, self.start = least, start
        self.layer = nn.Linear(features, size)

    def forward(self, features: Tensor) -> Tensor:
        df: Tensor = self.least + F.softplus(self.start + self.layer(features))
        return df


def build_tails(options: PosteriorOptions, features: int) -> nn.Module:
    """Return what gives the degrees of freedom.

    Raises:
        ZooError: If learned ones cannot start where they should, below the least.
    """
    if options.tails == "fixed":
        return FixedTails(options.latent_dim, options.df)
    excess = options.df - options.least_df
    if excess <= 0:
        raise ZooError(
            f"--posterior.df {options.df:g} must be above --posterior.least-df {options.least_df:g}"
            f" where --posterior.tails is {options.tails}"
        )
    # The inverse of softplus; expm1 of large numbers is none.
    start = excess + math.log(-math.expm1(-excess))
    if options.tails == "unit":
        return UnitTails(options.latent_dim, options.least_df, start)
    return ImageTails(features, options.latent_dim, options.least_df, start)


@final
class StudentTPosterior(Posterior):
    """q(z|x) = prod_i t(z_i; loc_i(x), scale_i(x), df_i), event `(d,)`.

    The layer gives the log of the scale, never the scale, so that no output can make the density invalid. Degrees of
    freedom stay above 2, where there is a variance and so a finite KL to a normal prior.

    Raises:
        ZooError: If degrees of freedom are learned and start below the least.

    References:
        t3-Variational Autoencoder: Learning Heavy-tailed Data with Student's t and Power Divergence
        (Kim et al., 2024), arXiv:2312.01133.
    """

    def __init__(self, options: PosteriorOptions, site: Site) -> None:
        super().__init__()
        features = site.part("encoder", Network).out_size
        self.latent_shape = (options.latent_dim,)
        self.layer = nn.Linear(features, 2 * options.latent_dim)
        self.tails = build_tails(options, features)

    def forward(self, features: Tensor) -> Distribution:
        flat = features.flatten(1)
        loc, log_scale = self.layer(flat).chunk(2, dim=-1)
        return StudentT(loc, log_scale.exp(), self.tails(flat))


@final
class StudentTPrior(Prior):
    """p(z) = prod_i t(z_i; 0, scale, df), event the latent shape.

    References:
        t3-Variational Autoencoder: Learning Heavy-tailed Data with Student's t and Power Divergence
        (Kim et al., 2024), arXiv:2312.01133.
    """

    loc: Tensor
    scale: Tensor
    df: Tensor

    def __init__(self, options: PriorOptions, site: Site) -> None:
        super().__init__()
        shape = site.part("posterior", Posterior).latent_shape
        self.register_buffer("loc", torch.zeros(shape))
        self.register_buffer("scale", torch.full(shape, options.scale))
        self.register_buffer("df", torch.full(shape, options.df))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return StudentT(self.loc, self.scale, self.df, self.loc.ndim)
