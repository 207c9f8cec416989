"""Fully connected backbones: `mlp` and `linear`."""

from __future__ import annotations

__all__ = ["LinearDecoder", "LinearEncoder", "MlpDecoder", "MlpEncoder"]

import math
from typing import final

import torch
from torch import Tensor, nn

from zoo import Batch, Likelihood, Network, Site
from zoo_networks.dense_options import LinearDecoderOptions, LinearOptions, MlpOptions
from zoo_networks.layers import dense_stack


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
    """What is read of a latent, `(N, *read)`, to values `(N, K * C, H, W)` through hidden layers."""

    def __init__(self, options: MlpOptions, site: Site) -> None:
        super().__init__()
        self.out_shape = _image_values(site)
        sizes = [site.code_size, *options.hidden]
        last = nn.Linear(sizes[-1], math.prod(self.out_shape))
        self.layers = nn.Sequential(nn.Flatten(), *dense_stack(sizes, options.activation), last)

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.layers(x)
        return values.reshape(-1, *self.out_shape)


@final
class LinearEncoder(Network):
    """Image `(B, C, H, W)` as it is, flat: the head's linear layer is the whole encoder.

    Pixels may be counted from the mean image of a run's first batch: it takes the largest direction of raw images
    away, along which gradient descent would otherwise spend its steps. The map stays linear.
    """

    centre: Tensor

    def __init__(self, options: LinearOptions, site: Site) -> None:
        super().__init__()
        self.out_shape = (site.pixels,)
        self.centred = options.centre
        self.register_buffer("centre", torch.zeros(site.pixels))

    def prepare(self, batch: Batch) -> None:
        if self.centred:
            self.centre.copy_(batch.x.flatten(1).mean(0))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) - self.centre


@final
class LinearDecoder(Network):
    """What is read of a latent, `(N, *read)`, to values `(N, K * C, H, W)` by one linear layer."""

    centre: Tensor

    def __init__(self, options: LinearDecoderOptions, site: Site) -> None:
        super().__init__()
        self.out_shape = _image_values(site)
        self.layer = nn.Linear(site.code_size, math.prod(self.out_shape))
        if options.start_std is not None:
            nn.init.normal_(self.layer.weight, std=options.start_std)
        self.centred = options.centre
        self.register_buffer("centre", torch.zeros(self.out_shape))

    def prepare(self, batch: Batch) -> None:
        # Heads that want several values a pixel have no one mean image.
        if self.centred and self.out_shape == batch.x.shape[1:]:
            self.centre.copy_(batch.x.mean(0))

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.layer(x.flatten(1))
        return values.reshape(-1, *self.out_shape) + self.centre


def _image_values(site: Site) -> tuple[int, int, int]:
    c, h, w = site.shape
    return (site.part("likelihood", Likelihood).values_per_pixel * c, h, w)
