"""Invertible layers over flat vectors: a scale and shift that start from data, a triangular map, an affine coupling."""

from __future__ import annotations

__all__ = ["Coupling", "InvertibleLayer", "Standardise", "Triangular"]

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from zuko.flows import GeneralCouplingTransform

_SMALLEST = 1e-2


class InvertibleLayer(nn.Module, ABC):
    """A bijection of R^D."""

    def start(self, h: Tensor) -> None:
        """Start from the first batch `(B, D)` as it reaches this layer; nothing by default."""
        return

    @abstractmethod
    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mapped `(B, D)` and log |det|, `(B,)` or `()`."""

    @abstractmethod
    def inverse(self, z: Tensor) -> Tensor:
        """Return what `forward` maps to `z`, `(B, D)`."""


@final
class Standardise(InvertibleLayer):
    """A scale and a shift of each value, which start so that the first batch has mean 0 and variance 1.

    References:
        Glow: Generative Flow with Invertible 1×1 Convolutions (Kingma & Dhariwal, 2018), arXiv:1807.03039.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(size))
        self.log_scale = nn.Parameter(torch.zeros(size))

    def start(self, h: Tensor) -> None:
        self.shift.copy_(-h.mean(0))
        # One image tells no spread.
        if len(h) > 1:
            self.log_scale.copy_(-(h.std(0) + _SMALLEST).log())

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return (h + self.shift) * self.log_scale.exp(), self.log_scale.sum()

    def inverse(self, z: Tensor) -> Tensor:
        return z * torch.exp(-self.log_scale) - self.shift


@final
class Triangular(InvertibleLayer):
    """h -> L h + b with a lower triangle L of positive diagonal; starts as the identity.

    With a normal base it is any full-covariance Gaussian: L'L is the inverse covariance, and each row predicts a value
    from those before it.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.below = nn.Parameter(torch.zeros(size, size))
        self.log_diagonal = nn.Parameter(torch.zeros(size))
        self.shift = nn.Parameter(torch.zeros(size))

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return h @ self._matrix().T + self.shift, self.log_diagonal.sum()

    def inverse(self, z: Tensor) -> Tensor:
        solved: Tensor = torch.linalg.solve_triangular(self._matrix().T, z - self.shift, upper=True, left=False)
        return solved

    def _matrix(self) -> Tensor:
        return self.below.tril(-1) + torch.diag(self.log_diagonal.exp())


@final
class Coupling(InvertibleLayer):
    """The values outside a mask, scaled and shifted by what a network makes of those inside; zuko's coupling.

    It starts close to the identity, so that what comes before it is learned first. The logarithm of the scale is
    bounded smoothly by ±6.9.

    References:
        Density Estimation Using Real NVP (Dinh et al., 2017), arXiv:1605.08803.
    """

    inside: Tensor
    outside: Tensor
    back: Tensor

    def __init__(self, mask: Tensor, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.coupling = GeneralCouplingTransform(mask.numel(), mask=mask, hidden_features=hidden)
        # Zuko looks them up in the mask each time, for which a GPU would be waited for.
        self.register_buffer("inside", mask.nonzero().squeeze(-1), persistent=False)
        self.register_buffer("outside", (~mask).nonzero().squeeze(-1), persistent=False)
        self.register_buffer("back", torch.cat([self.inside, self.outside]).argsort(), persistent=False)
        last = self.coupling.hyper[-1]
        nn.init.zeros_(last.bias)
        last.weight.data.mul_(1e-2)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = h[..., self.inside], h[..., self.outside]
        mapped, log_det = self.coupling.meta(None, kept).call_and_ladj(moved)
        return self._together(kept, mapped), log_det

    def inverse(self, z: Tensor) -> Tensor:
        kept, moved = z[..., self.inside], z[..., self.outside]
        return self._together(kept, self.coupling.meta(None, kept).inv(moved))

    def _together(self, kept: Tensor, moved: Tensor) -> Tensor:
        return torch.cat([kept, moved], -1)[..., self.back]
