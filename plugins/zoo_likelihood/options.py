"""Options of the metrics of likelihood; imports no torch."""

from __future__ import annotations

__all__ = ["IwaeBoundOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class IwaeBoundOptions(Options):
    """Options of the importance-weighted bound."""

    k: int = option(1000, "Codes drawn for each image; more are tighter and take longer.", min=1)
    images: int = option(10_000, "Use the first N test images.", min=1)
