"""What an epoch adds up: the terms of its steps, on the device until the epoch ends."""

from __future__ import annotations

__all__ = ["Sums"]

from collections.abc import Mapping

import torch
from torch import Tensor

from zoo.interfaces import Terms


class Sums:
    """Sums of terms over images, in double precision where the device has it.

    Arguments:
        device: Where the terms are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # Apple's GPUs have no double precision.
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self._totals: dict[str, Tensor] = {}

    def add(self, terms: Terms, images: int) -> None:
        """Add the terms of a batch, each as often as it has images; in place, as a captured step has to."""
        for name, value in {"loss": terms.loss, **terms.logs, **terms.adversaries}.items():
            if name not in self._totals:
                self._totals[name] = torch.zeros((), dtype=self._dtype, device=self._device)
            self._totals[name].add_(value.detach().to(self._dtype), alpha=images)

    def means(self, images: int) -> dict[str, float]:
        """Return each term's mean over so many images."""
        return {name: float(total) / images for name, total in self._totals.items()}

    def clear(self) -> None:
        """Start again from nothing."""
        for total in self._totals.values():
            total.zero_()

    def state(self) -> dict[str, Tensor]:
        """Return the sums by name."""
        return dict(self._totals)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back a state from `state`."""
        self._totals = {name: value.to(self._device, self._dtype, copy=True) for name, value in state.items()}
