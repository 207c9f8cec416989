"""Convolutional backbones for images of any channels, height and width, and their mirror image."""

from __future__ import annotations

__all__ = ["ConvDecoder", "ConvEncoder"]

import math
from itertools import pairwise
from typing import final

from torch import Tensor, nn

from zoo import Likelihood, Network, Site
from zoo_networks.layers import LinearToMap, ToVector, dense_stack, norm_and_activation
from zoo_networks.options import ConvOptions
from zoo_networks.strides import Strides


@final
class ConvEncoder(Network):
    """Image `(B, C, H, W)` to features `(B, F)`: Conv–norm–activation, then fully connected layers."""

    def __init__(self, options: ConvOptions, site: Site) -> None:
        super().__init__()
        strides = _strides(options)
        last = strides.sizes(site.shape[1:])[-1]
        flat = options.channels[-1] * math.prod(last)
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise((site.shape[0], *options.channels)):
            # A bias before a normalisation would be taken away again.
            layers.append(strides.conv(c_in, c_out, bias=options.norm == "none"))
            layers += _after(options, c_out)
        dense = dense_stack([flat, *options.hidden], options.activation, options.norm)
        self.layers = nn.Sequential(*layers, ToVector(), *dense)
        self.out_shape = (options.hidden[-1] if options.hidden else flat,)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features


@final
class ConvDecoder(Network):
    """What is read of a latent, `(N, *read)`, to values `(N, K * C, H, W)`: the encoder's mirror image.

    Fully connected layers, then transposed convolutions, each but the last followed by norm and activation.
    Sizes are those of the encoder backwards, so that any height and width comes out exactly.
    """

    def __init__(self, options: ConvOptions, site: Site) -> None:
        super().__init__()
        c, h, w = site.shape
        values = site.part("likelihood", Likelihood).values_per_pixel * c
        self.out_shape = (values, h, w)
        strides = _strides(options)
        sizes = strides.sizes((h, w))[::-1]
        rows, columns = sizes[0]
        first = (options.channels[-1], rows, columns)
        latent = site.code_size
        dense = dense_stack([latent, *options.hidden[::-1]], options.activation, options.norm)
        last = options.hidden[0] if options.hidden else latent
        dense.append(LinearToMap(last, first, bias=options.norm == "none"))
        layers = _after(options, first[0])
        steps = list(zip(pairwise((*options.channels[::-1], values)), pairwise(sizes), strict=True))
        for (c_in, c_out), (small, large) in steps[:-1]:
            layers.append(strides.transposed(c_in, c_out, small, large, bias=options.norm == "none"))
            layers += _after(options, c_out)
        (c_in, c_out), (small, large) = steps[-1]
        layers.append(strides.transposed(c_in, c_out, small, large, bias=True))
        # Weights are saved by the places of their layers, one of which was something else once.
        self.layers = nn.Sequential(nn.Flatten(), *dense, nn.Identity(), *layers)

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.layers(x)
        return values


def _strides(options: ConvOptions) -> Strides:
    return Strides(options.kernel, options.stride, len(options.channels))


def _after(options: ConvOptions, channels: int) -> list[nn.Module]:
    return norm_and_activation(options.norm, options.activation, channels, spatial=True)
