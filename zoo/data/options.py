"""How image data is read; imports no torch."""

from __future__ import annotations

__all__ = ["DataOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo.options import Options, option


@dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """Options of every data set: the same images with the same options on every machine."""

    image_size: int | None = option(None, "Resize images to N × N (folders of mixed sizes need it).", min=4, max=1024)
    colour: Literal["auto", "grey", "rgb"] = option("auto", "Read a folder's pictures as grey or RGB.")
    crop: Literal["none", "centre"] = option("none", "Cut a folder's pictures to their central square first.")
    skip_bad: bool = option(False, "Leave out a folder's unreadable pictures instead of stopping.")
    limit: int | None = option(None, "Use the first N training images only.", min=1)
    val_fraction: float = option(0.0, "Share of the training images held out for validation.", min=0, below=1)
    binarize: Literal["none", "dynamic", "threshold"] = option(
        "none", "Make pixels 0 or 1: drawn anew at each use, or cut at one half."
    )
    augment: Literal["none", "flip", "shift", "flip-shift"] = option("none", "Vary training images at each use.")
