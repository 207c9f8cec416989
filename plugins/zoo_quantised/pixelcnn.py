"""Gated PixelCNN over maps of whole numbers: logits at each place of what those before it say."""

from __future__ import annotations

__all__ = ["GatedPixelCnn"]

from typing import final

from torch import Tensor, nn
from torch.nn import functional


@final
class GatedPixelCnn(nn.Module):
    """Two stacks of gated convolutions: one over the rows above a place, one over what is left of it in its row.

    Nothing is masked: kernels cover the places before and no others, so that there is no blind spot, and what comes
    after a place reaches none of its numbers. Places outside the map are zeros, which tells the network where it is.

    Arguments:
        codes: How many codes there are, K.
        channels: Channels of each stack.
        layers: Layers.
        reach: How far a layer looks up, left and right; a kernel of the paper is `2 * reach + 1` wide.

    References:
        Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), arXiv:1606.05328.
    """

    def __init__(self, codes: int, channels: int, layers: int, reach: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, channels)
        self.layers = nn.ModuleList(_GatedLayer(channels, reach, first=i == 0) for i in range(layers))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, codes, 1))

    def features(self, indices: Tensor) -> Tensor:
        """Return what the codes before each place of `(N, h, w)` say of it, `(N, channels, h, w)`."""
        above = row = self.embedding(indices).movedim(-1, 1)
        for layer in self.layers:
            above, row = layer(above, row)
        known: Tensor = row
        return known

    def logits(self, features: Tensor) -> Tensor:
        """Return logits `(N, K, h, w)` of features `(N, channels, h, w)`."""
        found: Tensor = self.head(features)
        return found

    def forward(self, indices: Tensor) -> Tensor:
        """Return logits `(N, K, h, w)` of the code at each place of `(N, h, w)`, given the codes before it."""
        return self.logits(self.features(indices))


class _GatedLayer(nn.Module):
    """Figure 2 of the paper; the first layer looks at the rows and places before alone, later ones at their own too."""

    def __init__(self, channels: int, reach: int, first: bool) -> None:
        super().__init__()
        self.reach, self.first = reach, first
        length = reach if first else reach + 1
        self.vertical = nn.Conv2d(channels, 2 * channels, (length, 2 * reach + 1))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, length))
        self.across = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, above: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """Map what rows above say and what is left of a place says, both `(N, channels, h, w)`, to the same."""
        height, width = row.shape[-2:]
        reach = self.reach
        # The first kernels are one shorter, and give one row or place too many.
        seen = self.vertical(functional.pad(above, (reach, reach, reach, 0)))[:, :, :height]
        left = self.horizontal(functional.pad(row, (reach, 0, 0, 0)))[..., :width]
        told = self.out(_gate(left + self.across(seen)))
        # What enters the first layer is the code at the place itself.
        return _gate(seen), told if self.first else row + told


def _gate(x: Tensor) -> Tensor:
    value, gate = x.chunk(2, dim=1)
    return value.tanh() * gate.sigmoid()
