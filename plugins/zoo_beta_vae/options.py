"""Options of the disentangling losses; imports no torch."""

from __future__ import annotations

__all__ = ["CapacityOptions", "TotalCorrelationOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, Scheduled, option


@dataclass(frozen=True, kw_only=True)
class CapacityOptions(Options):
    """Options of the capacity loss."""

    gamma: Scheduled = option(100.0, "Weight of the rate's distance from the capacity.", min=0)
    capacity: Scheduled = option("linear:0..25@80%", "The rate to hold, C, in nats.", min=0)


@dataclass(frozen=True, kw_only=True)
class TotalCorrelationOptions(Options):
    """Options of the total-correlation loss."""

    alpha: Scheduled = option(1.0, "Weight of the index-code mutual information.", min=0)
    beta: Scheduled = option(6.0, "Weight of the total correlation.", min=0)
    gamma: Scheduled = option(1.0, "Weight of the dimension-wise KL.", min=0)
    estimator: Literal["mss", "mws"] = option("mss", "Minibatch stratified or weighted sampling of log q(z).")
