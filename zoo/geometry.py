"""How the codes of a model lie: in flat space, unless its posterior says otherwise."""

from __future__ import annotations

__all__ = ["Chart", "Geometry"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Chart:
    """A map of all codes there are in two dimensions, for spaces that have one of their own.

    Arguments:
        axes: What its axes are.
        low: Its left and lower edge.
        high: Its right and upper edge.
        places: Codes `(N, d)` to their places on the map `(N, 2)`.
        codes: The way back.
    """

    axes: tuple[str, str]
    low: tuple[float, float]
    high: tuple[float, float]
    places: Callable[[Tensor], Tensor]
    codes: Callable[[Tensor], Tensor]


class Geometry:
    """Flat space, where the way between two codes is a straight line and any vector is a code."""

    def between(self, start: Tensor, end: Tensor, share: Tensor) -> Tensor:
        """Return the codes `(S, *latent)` at shares `(S,)` of the shortest way between two codes `(*latent)`."""
        return torch.lerp(start, end, share.reshape(-1, *[1] * start.ndim))

    def nearest(self, z: Tensor) -> Tensor:
        """Return the code nearest to each vector `(N, d)`."""
        return z

    def chart(self, d: int) -> Chart | None:
        """Return the map of codes of `d` numbers, or nothing where they are to be projected as any others."""
        return None
