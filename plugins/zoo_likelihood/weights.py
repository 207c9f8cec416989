"""Importance weights, summed as they come, so that memory does not grow with their number."""

from __future__ import annotations

__all__ = ["Bound", "Weights"]

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@dataclass(frozen=True)
class Bound:
    """What k importance weights of each image say of log p(x): `(B,)` each, in double precision.

    Arguments:
        value: L_k, in nats.
        effective_samples: How many of the k samples carry the weight, `(sum w)^2 / sum w^2`, from 1 to k.
        rise: How far L_k is above the mean of the bounds of its two halves, in nats: what the last doubling of k added.
    """

    value: Tensor
    effective_samples: Tensor
    rise: Tensor


@final
class Weights:
    """Running log-sum-exps of importance weights, in double precision.

    Weights at even places and weights at odd ones are summed apart: two halves that need not know how many will come.

    Arguments:
        x: The images `(B, C, H, W)` that they are of.

    Example:
        >>> weights = Weights(torch.zeros(1, 1, 2, 2))
        >>> weights.add(torch.tensor([[0.0], [2.0]]).log())
        >>> [round(float(value), 6) for value in (weights.bound().value.exp(), weights.bound().effective_samples)]
        [1.0, 1.0]
    """

    def __init__(self, x: Tensor) -> None:
        self.count = 0
        nothing = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
        self._halves = [nothing, nothing]
        self._squares = nothing

    def add(self, log_w: Tensor) -> None:
        """Add weights `(S, B)`, given by their logarithms."""
        log_w = log_w.double()
        for i in range(min(2, len(log_w))):
            half = (self.count + i) % 2
            self._halves[half] = torch.logaddexp(self._halves[half], log_w[i::2].logsumexp(0))
        self._squares = torch.logaddexp(self._squares, (2 * log_w).logsumexp(0))
        self.count += len(log_w)

    def bound(self) -> Bound:
        """Return what the weights so far say; at least one must have come."""
        total = torch.logaddexp(*self._halves)
        value = total - math.log(self.count)
        counts = [(self.count + 1) // 2, self.count // 2]
        halves = [
            (half - math.log(count)) * (count / self.count)
            for half, count in zip(self._halves, counts, strict=True)
            if count
        ]
        return Bound(value, torch.exp(2 * total - self._squares), value - torch.stack(halves).sum(0))
