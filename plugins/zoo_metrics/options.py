"""Options of the metrics; imports no torch."""

from __future__ import annotations

__all__ = ["TotalCorrelationOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class TotalCorrelationOptions(Options):
    """Options of the total correlation."""

    images: int = option(10_000, "Use the first N test images.", min=2)
