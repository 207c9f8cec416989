"""Fully connected backbones: `mlp` and `linear`."""

from __future__ import annotations

__all__ = ["LinearDecoder", "LinearEncoder", "MlpDecoder", "MlpEncoder"]

import math
from typing import final

from torch import Tensor, nn

from zoo import Likelihood, Network, Options, Posterior, Site
from zoo_networks.layers import dense_stack
from zoo_networks.options import MlpOptions


@final
class MlpEncoder(Network):
    """Image `(B, C, H, W)` to features `(B, F)` through hidden layers."""

    def __init__(self, options: MlpOptions, site: Site) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), *dense_stack([site.pixels, *options.hidden], options.activation))
        self.out_shape = (options.hidden[-1] if options.hidden else site.pixels,)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features


@final
class MlpDecoder(Network):
    """Latent `(N, *latent)` to the likelihood's values `(N, K * C, H, W)` through hidden layers."""

    def __init__(self, options: MlpOptions, site: Site) -> None:
        super().__init__()
        self.out_shape = _image_values(site)
        sizes = [_latent_size(site), *options.hidden]
        last = nn.Linear(sizes[-1], math.prod(self.out_shape))
        self.layers = nn.Sequential(nn.Flatten(), *dense_stack(sizes, options.activation), last)

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.layers(x)
        return values.reshape(-1, *self.out_shape)


@final
class LinearEncoder(Network):
    """Image `(B, C, H, W)` as it is, flat: the head's linear layer is the whole encoder."""

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.out_shape = (site.pixels,)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


@final
class LinearDecoder(Network):
    """Latent `(N, *latent)` to the likelihood's values `(N, K * C, H, W)` by one linear layer."""

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.out_shape = _image_values(site)
        self.layer = nn.Linear(_latent_size(site), math.prod(self.out_shape))

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.layer(x.flatten(1))
        return values.reshape(-1, *self.out_shape)


def _latent_size(site: Site) -> int:
    return site.part("posterior", Posterior).latent_size


def _image_values(site: Site) -> tuple[int, int, int]:
    c, h, w = site.shape
    return (site.part("likelihood", Likelihood).values_per_pixel * c, h, w)
