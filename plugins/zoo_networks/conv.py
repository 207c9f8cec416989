"""Convolutional backbones for images of any channels, height and width, and their mirror image."""

from __future__ import annotations

__all__ = ["ConvDecoder", "ConvEncoder"]

import math
from itertools import pairwise
from typing import final

from torch import Tensor, nn

from zoo import Likelihood, Network, Posterior, Site, ZooError
from zoo_networks.layers import ToMap, activation, dense_stack, norm
from zoo_networks.options import ConvOptions


@final
class ConvEncoder(Network):
    """Image `(B, C, H, W)` to features `(B, F)`: Conv–norm–activation, then fully connected layers."""

    def __init__(self, options: ConvOptions, site: Site) -> None:
        super().__init__()
        last = _sizes(options, site.shape[1:])[-1]
        flat = options.channels[-1] * math.prod(last)
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise((site.shape[0], *options.channels)):
            layers.append(_conv(c_in, c_out, options))
            layers += [*norm(options.norm, c_out, spatial=True), activation(options.activation)]
        dense = dense_stack([flat, *options.hidden], options.activation, options.norm)
        self.layers = nn.Sequential(*layers, nn.Flatten(), *dense)
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
        sizes = _sizes(options, (h, w))[::-1]
        rows, columns = sizes[0]
        first = (options.channels[-1], rows, columns)
        latent = site.part("posterior", Posterior).decoder_size
        dense = dense_stack([latent, *options.hidden[::-1]], options.activation, options.norm)
        last = options.hidden[0] if options.hidden else latent
        dense.append(nn.Linear(last, math.prod(first), bias=options.norm == "none"))
        layers = [*norm(options.norm, first[0], spatial=True), activation(options.activation)]
        steps = list(zip(pairwise((*options.channels[::-1], values)), pairwise(sizes), strict=True))
        for (c_in, c_out), (small, large) in steps[:-1]:
            layers.append(_transposed(c_in, c_out, small, large, options, bias=options.norm == "none"))
            layers += [*norm(options.norm, c_out, spatial=True), activation(options.activation)]
        (c_in, c_out), (small, large) = steps[-1]
        layers.append(_transposed(c_in, c_out, small, large, options, bias=True))
        self.layers = nn.Sequential(nn.Flatten(), *dense, ToMap(first), *layers)

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.layers(x)
        return values


def _conv(c_in: int, c_out: int, options: ConvOptions) -> nn.Module:
    # A bias before a normalisation would be taken away again.
    bias = options.norm == "none"
    return nn.Conv2d(c_in, c_out, options.kernel, options.stride, _padding(options), bias=bias)


def _padding(options: ConvOptions) -> int:
    return (options.kernel - 1) // 2


def _sizes(options: ConvOptions, size: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the height and width before each convolution and after the last."""
    if not options.channels:
        raise ZooError("conv needs the channels of at least one convolution, such as 32,64; without any, use mlp")
    sizes = [size]
    for _ in options.channels:
        room = [side + 2 * _padding(options) - options.kernel for side in sizes[-1]]
        if min(room) < 0:
            raise ZooError(
                f"images of {size[0]}×{size[1]} are too small for {len(options.channels)} convolutions of kernel "
                f"{options.kernel} and stride {options.stride}; name fewer channels or a smaller kernel or stride"
            )
        sizes.append(tuple(r // options.stride + 1 for r in room))
    return sizes


def _transposed(
    c_in: int, c_out: int, small: tuple[int, ...], large: tuple[int, ...], options: ConvOptions, *, bias: bool
) -> nn.Module:
    """A transposed convolution from one size to exactly another, of which `small` is the convolution's."""
    pad, kernel, stride = _padding(options), options.kernel, options.stride
    rows, columns = (b - ((a - 1) * stride - 2 * pad + kernel) for a, b in zip(small, large, strict=True))
    return nn.ConvTranspose2d(c_in, c_out, kernel, stride, pad, output_padding=(rows, columns), bias=bias)
