"""The best weights of a run, and how long it has been waiting for better ones."""

from __future__ import annotations

__all__ = ["Patience"]

import math
from collections.abc import Mapping

from torch import Tensor


class Patience:
    """Keeps the weights with the best objective, and says when there was none better for too long.

    Arguments:
        limit: How many epochs to wait for better ones; None looks for none.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.best = math.inf
        self.waited = 0
        self.weights: dict[str, Tensor] = {}

    def see(self, objective: float, weights: Mapping[str, Tensor]) -> None:
        """Look at an epoch's objective and weights, which are copied if they are the best so far."""
        if objective < self.best:
            self.best, self.waited = objective, 0
            self.weights = {name: value.detach().clone() for name, value in weights.items()}
        else:
            self.waited += 1

    @property
    def over(self) -> bool:
        """Whether it has waited long enough."""
        return self.limit is not None and self.waited >= self.limit
