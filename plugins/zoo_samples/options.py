"""Options of the metrics of samples; imports no torch."""

from __future__ import annotations

__all__ = ["FrechetOptions", "LabelAccuracyOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class FrechetOptions(Options):
    """Options of the Fréchet distance."""

    images: int = option(10_000, "Use the first N test images: half to train the classifier, half to compare.", min=16)
    label: str = option("label", "Name of the label that the classifier learns.")


@dataclass(frozen=True, kw_only=True)
class LabelAccuracyOptions(Options):
    """Options of the label accuracy."""

    samples: int = option(1000, "Images drawn from the model for each label.", min=1)
    images: int = option(10_000, "Use the first N test images: half to train the classifier, half to test it.", min=16)
    label: str = option("label", "Name of the label that the classifier learns; the one that the model is told.")
