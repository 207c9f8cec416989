"""A running mean of the weights."""

from __future__ import annotations

__all__ = ["Average"]

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """The exponential moving average of a model's parameters, started at their first values.

    Arguments:
        model: The model that is trained.
        decay: How much of the mean stays at each step; early steps use (1 + n) / (10 + n) while that is less.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._names, self._live = zip(*model.named_parameters(), strict=True)
        self._mean = [parameter.detach().clone() for parameter in self._live]

    @torch.no_grad()
    def update(self, count: Tensor) -> None:
        """Move the mean towards the weights after step `count`, a tensor, so that a captured step sees it change."""
        share = (9 / (10 + count)).clamp(min=1 - self.decay)
        way = torch._foreach_sub([parameter.detach() for parameter in self._live], self._mean)
        torch._foreach_mul_(way, share)
        torch._foreach_add_(self._mean, way)

    def state(self) -> dict[str, Tensor]:
        """Return the mean by parameter name."""
        return dict(zip(self._names, self._mean, strict=True))

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back a state from `state`."""
        for name, mean in zip(self._names, self._mean, strict=True):
            mean.copy_(state[name])

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange weights and mean; a second call puts them back."""
        for parameter, mean in zip(self._live, self._mean, strict=True):
            held = parameter.detach().clone()
            parameter.copy_(mean)
            mean.copy_(held)
