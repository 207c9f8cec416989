"""Residual backbones that keep the image's plane: features are a map, and a latent may be one."""

from __future__ import annotations

__all__ = ["ResnetDecoder", "ResnetEncoder"]

import math
from itertools import pairwise
from typing import final

from torch import Tensor, nn

from zoo import Likelihood, Network, Posterior, Site, ZooError
from zoo_networks.layers import LinearToMap, activation, norm, norm_and_activation
from zoo_networks.options import ResnetOptions
from zoo_networks.strides import Strides


@final
class ResnetEncoder(Network):
    """Image `(B, C, H, W)` to a map of features `(B, F, h, w)`: strided convolutions, then residual blocks.

    References:
        Neural Discrete Representation Learning (van den Oord, Vinyals & Kavukcuoglu, 2017), arXiv:1711.00937,
        section 4.1, for the layers.
    """

    def __init__(self, options: ResnetOptions, site: Site) -> None:
        super().__init__()
        strides = _strides(options)
        self.out_shape = (options.channels[-1], *strides.sizes(site.shape[1:])[-1])
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise((site.shape[0], *options.channels)):
            layers.append(strides.conv(c_in, c_out, bias=options.norm == "none"))
            layers += _after(options, c_out)
        self.layers = nn.Sequential(*layers, *_blocks(options))

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features


@final
class ResnetDecoder(Network):
    """Latent `(N, D, h, w)` or `(N, d)` to the likelihood's values `(N, K * C, H, W)`: the encoder's mirror image.

    A 3×3 convolution reads a map, a linear layer a vector; residual blocks and transposed convolutions follow.

    Raises:
        ZooError: If the latent is a map of another size than the one that this decoder starts from.
    """

    def __init__(self, options: ResnetOptions, site: Site) -> None:
        super().__init__()
        c, h, w = site.shape
        values = site.part("likelihood", Likelihood).values_per_pixel * c
        self.out_shape = (values, h, w)
        strides = _strides(options)
        sizes = strides.sizes((h, w))[::-1]
        layers = [*_first(_code_shape(site), sizes[0], options), *_blocks(options)]
        channels = (*options.channels[::-1], values)
        for i, ((c_in, c_out), (small, large)) in enumerate(zip(pairwise(channels), pairwise(sizes), strict=True)):
            last = i == len(options.channels) - 1
            layers.append(strides.transposed(c_in, c_out, small, large, bias=last or options.norm == "none"))
            layers += [] if last else _after(options, c_out)
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.layers(x)
        return values


@final
class Residual(nn.Module):
    """Adds what a 3×3 convolution to half the channels and a 1×1 back make of a map `(N, F, h, w)` to the map."""

    def __init__(self, options: ResnetOptions) -> None:
        super().__init__()
        width, bias = options.channels[-1], options.norm == "none"
        narrow = max(1, width // 2)
        self.layers = nn.Sequential(
            nn.Conv2d(width, narrow, 3, padding=1, bias=bias),
            *_after(options, narrow),
            nn.Conv2d(narrow, width, 1, bias=bias),
            *norm(options.norm, width, spatial=True),
        )
        self.activation = activation(options.activation)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x + self.layers(x))
        return y


def _code_shape(site: Site) -> tuple[int, ...]:
    """The shape of what a decoder reads: a map, or a vector with the condition behind it."""
    shape = site.part("posterior", Posterior).decoder_shape
    return shape if len(shape) == 3 else (site.code_size,)


def _strides(options: ResnetOptions) -> Strides:
    return Strides(options.kernel, options.stride, len(options.channels))


def _after(options: ResnetOptions, channels: int) -> list[nn.Module]:
    return norm_and_activation(options.norm, options.activation, channels, spatial=True)


def _blocks(options: ResnetOptions) -> list[nn.Module]:
    return [Residual(options) for _ in range(options.blocks)]


def _first(latent: tuple[int, ...], size: tuple[int, ...], options: ResnetOptions) -> list[nn.Module]:
    """Return the layers from a latent to the map that the blocks work on."""
    width, bias = options.channels[-1], options.norm == "none"
    if len(latent) != 3:
        to_map = LinearToMap(math.prod(latent), (width, size[0], size[1]), bias=bias)
        # Weights are saved by the places of their layers, one of which was something else once.
        return [nn.Flatten(), to_map, nn.Identity(), *_after(options, width)]
    if latent[1:] != size:
        raise ZooError(
            f"the code is a map of {latent[1]}×{latent[2]} and this decoder starts from {size[0]}×{size[1]}; give "
            f"encoder and decoder as many channels, and the same kernel and stride"
        )
    return [nn.Conv2d(latent[0], width, 3, padding=1, bias=bias), *_after(options, width)]
