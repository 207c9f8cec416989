"""The flow of affine couplings over pixels."""

from __future__ import annotations

__all__ = ["Flow", "RealNvp"]

from abc import abstractmethod
from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor, nn

from zoo import Batch, Bijection, Site
from zoo_flows.layers import Coupling, InvertibleLayer, Standardise, Triangular
from zoo_flows.options import RealNvpOptions
from zoo_flows.pixels import PixelMap, dequantise


class Flow(Bijection):
    """A bijection between images as real numbers and codes of a standard normal, both `(B, D)`."""

    @abstractmethod
    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes `(B, D)` and log |det| `(B,)`."""

    @abstractmethod
    def inverse(self, z: Tensor) -> Tensor:
        """Return what `forward` maps to `z`, `(B, D)`."""


@final
class RealNvp(Flow):
    """A standardised start, a triangular linear map, and affine couplings.

    Couplings come in pairs, which move one half of the values each: by turns the two colours of a checkerboard and two
    random halves. The paper's are convolutional and of several scales, for photographs; these are fully connected, as
    in the experiments of arXiv:1705.07057, and take images of any shape.

    References:
        Density Estimation Using Real NVP (Dinh et al., 2017), arXiv:1605.08803.
    """

    def __init__(self, options: RealNvpOptions, site: Site) -> None:
        super().__init__()
        # Elsewhere in the model already: held, not owned.
        self._pixels = (site.part("pixels", PixelMap),)
        # One value has no other half.
        couplings = options.couplings if site.pixels > 1 else 0
        layers: list[InvertibleLayer] = [Standardise(site.pixels)]
        layers += [Triangular(site.pixels)] if options.linear else []
        layers += [Coupling(mask, options.hidden) for mask in _masks(site.shape, couplings)]
        self.layers = nn.ModuleList(layers)

    def _in_order(self) -> Iterator[InvertibleLayer]:
        for layer in self.layers:
            assert isinstance(layer, InvertibleLayer)
            yield layer

    def prepare(self, batch: Batch) -> None:
        h = self._pixels[0](dequantise(batch.x))[0].flatten(1)
        for layer in self._in_order():
            layer.start(h)
            h, _ = layer(h)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        total = h.new_zeros(len(h))
        for layer in self._in_order():
            h, log_det = layer(h)
            total = total + log_det
        return h, total

    def inverse(self, z: Tensor) -> Tensor:
        for layer in reversed(list(self._in_order())):
            z = layer.inverse(z)
        return z


def _masks(shape: tuple[int, int, int], count: int) -> Iterator[Tensor]:
    """Yield `count` masks `(D,)` of what each coupling keeps."""
    checkerboard = torch.cartesian_prod(*map(torch.arange, shape)).reshape(-1, 3).sum(-1) % 2 == 1
    kept = checkerboard
    for number in range(count):
        if number % 2:
            kept = ~kept
        elif number % 4:
            kept = torch.randperm(len(checkerboard)) < len(checkerboard) // 2
        else:
            kept = checkerboard
        yield kept
