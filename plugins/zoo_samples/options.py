"""Options of the metrics of samples; imports no torch."""

from __future__ import annotations

__all__ = ["FeatureOptions", "Features", "KernelDistanceOptions", "LabelAccuracyOptions"]

from dataclasses import dataclass
from typing import Literal, TypeAlias

from zoo import Options, option

Features: TypeAlias = Literal["auto", "classifier", "inception"]
"""Whose features images and samples are compared in."""


@dataclass(frozen=True, kw_only=True)
class FeatureOptions(Options):
    """Options of everything that compares samples with images."""

    features: Features = option(
        "auto", "Compare in features of a classifier of the data, of Inception v3, or of the first that can be had."
    )


@dataclass(frozen=True, kw_only=True)
class KernelDistanceOptions(FeatureOptions):
    """Options of the kernel distance."""

    block: int = option(1000, "Images in a block; the standard deviation is over blocks.", min=2)


@dataclass(frozen=True, kw_only=True)
class LabelAccuracyOptions(Options):
    """Options of the label accuracy."""

    samples: int = option(1000, "Images drawn from the model for each label.", min=1)
    label: str = option("label", "Name of the label that the classifier learns; the one that the model is told.")
