"""Options of the metrics of samples; imports no torch."""

from __future__ import annotations

__all__ = ["KernelDistanceOptions", "LabelAccuracyOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class KernelDistanceOptions(Options):
    """Options of the kernel distance."""

    block: int = option(1000, "Images in a block; the standard deviation is over blocks.", min=2)


@dataclass(frozen=True, kw_only=True)
class LabelAccuracyOptions(Options):
    """Options of the label accuracy."""

    samples: int = option(1000, "Images drawn from the model for each label.", min=1)
    label: str = option("label", "Name of the label that the classifier learns; the one that the model is told.")
