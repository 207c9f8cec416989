"""Distances to nearest neighbours among many rows, some rows at a time."""

from __future__ import annotations

__all__ = ["distances", "kth_nearest", "nearest"]

from collections.abc import Iterator

import torch
from torch import Tensor

DISTANCES = 2**23
"""Distances that are held at once: a matter of memory alone, 64 MB."""


def distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield the squared distances of rows `(N, F)` to rows `(M, F)`: which rows of `x`, and their block `(n, M)`."""
    size = max(1, DISTANCES // len(y))
    squares = y.square().sum(1)
    for start in range(0, len(x), size):
        part = x[start : start + size]
        block = torch.addmm(squares, part, y.T, alpha=-2).add_(part.square().sum(1, keepdim=True))
        yield slice(start, start + size), block.clamp_(min=0)


def kth_nearest(x: Tensor, k: int) -> Tensor:
    """Return the squared distance of each row `(N, F)` to its k-th nearest other row, `(N,)`; N must exceed k."""
    # The nearest of all is the row itself. The few smallest are found far sooner than the k-th of all in order.
    return torch.cat([block.topk(k + 1, largest=False).values.amax(1) for _, block in distances(x, x)])


def nearest(x: Tensor, y: Tensor) -> Tensor:
    """Return the squared distance of each row of `x (N, F)` to the nearest row of `y (M, F)`, `(N,)`."""
    return torch.cat([block.amin(1) for _, block in distances(x, y)])
