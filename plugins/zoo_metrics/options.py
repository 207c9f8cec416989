"""Options of the metrics; imports no torch."""

from __future__ import annotations

__all__ = ["AggregateOptions", "CostOptions", "TotalCorrelationOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class TotalCorrelationOptions(Options):
    """Options of the total correlation."""

    images: int = option(10_000, "Use the first N test images.", min=2)


@dataclass(frozen=True, kw_only=True)
class AggregateOptions(Options):
    """Options of the mutual information, and of the gap between aggregate posterior and prior."""

    images: int = option(10_000, "Use the first N test images; at most log N nats can be found.", min=2)


@dataclass(frozen=True, kw_only=True)
class CostOptions(Options):
    """Options of what a model costs."""

    images: int = option(128, "Look at this many images at once.", min=1, max=500)
