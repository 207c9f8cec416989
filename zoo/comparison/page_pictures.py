"""The pictures of a comparison's page, each as text that stands in the page itself."""

from __future__ import annotations

__all__ = ["KINDS", "Kind", "Pair", "Picture", "Sampled", "picture_of", "sampled"]

import base64
import io
import math
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zoo.comparison.nearest import nearest_training
from zoo.errors import ZooError, one_line
from zoo.figures.images import cells
from zoo.registry import Registry
from zoo.runs.folder import Run

WIDEST = 960
"""Pixels of a picture, which is shown a third of a page wide, on screens of up to two dots a pixel."""

QUALITY = 85
SIDE = 64
"""Pixels of a sample: the page enlarges it without smoothing."""


class Kind(NamedTuple):
    """What a picture of a run shows: its file, a heading, what to look for."""

    file: str
    heading: str
    about: str


KINDS = (
    Kind("reconstructions.png", "Reconstructions", "Test images above what the model makes of their codes."),
    Kind("samples.png", "Samples", "Images decoded from codes that are drawn from the prior."),
    Kind("latent.png", "Latent maps", "Codes of test images, in the colours of their labels where there are any."),
    Kind("latent-grid.png", "Decoded grids", "What the model decodes at the places of a grid over its codes."),
    Kind("traversals.png", "Traversals", "What changes with one latent at a time."),
)


class Picture(NamedTuple):
    """A picture as a data URI, with its size in pixels."""

    uri: str
    width: int
    height: int


class Pair(NamedTuple):
    """A sample, the training image nearest to it, which one that is, and how far away."""

    sample: Picture
    nearest: Picture
    which: int
    distance: str


class Sampled(NamedTuple):
    """What is shown of a model's samples, or why there is nothing."""

    pairs: tuple[Pair, ...] = ()
    distance: str = ""
    of_test: str = ""
    searched: str = ""
    missing: str = ""


def picture_of(path: Path) -> Picture | None:
    """Return a PNG file, made as small as the page shows it; nothing where there is none that can be read."""
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, Image.DecompressionBombError):
        return None
    if picture.width > WIDEST:
        height = max(1, round(picture.height * WIDEST / picture.width))
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    # Of text and flat colours this quality leaves nothing to see; it takes half of what a PNG file does.
    return _encoded(picture, "WEBP", quality=QUALITY)


def _encoded(image: Image.Image, form: Literal["PNG", "WEBP"], **options: int) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return Picture(f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}", *image.size)


def sampled(registry: Registry, run: Run) -> Sampled:
    """Return samples of a run beside their nearest training images, or in one line why they cannot be had."""
    try:
        found = nearest_training(registry, run)
    except ZooError as error:
        return Sampled(missing=str(error))
    # A plugin's model may fail in whatever way; the rest of the page stands without it.
    except Exception as error:
        return Sampled(missing=one_line(error))
    samples, nearest = _tiles(found.samples), _tiles(found.nearest)
    pairs = (
        Pair(sample, image, int(index), f"{float(distance):.2f}")
        for sample, image, index, distance in zip(samples, nearest, found.index, found.distance, strict=True)
    )
    return Sampled(tuple(pairs), _median(found.distance), _median(found.of_test), f"{found.searched:,}")


def _median(distances: Tensor) -> str:
    value = float(torch.quantile(distances.double(), 0.5)) if len(distances) else math.nan
    return f"{value:.2f}"


def _tiles(images: Tensor) -> list[Picture]:
    return [_encoded(_grey(pixels), "PNG") for pixels in cells(images.cpu(), 1, limit=SIDE)]


def _grey(pixels: NDArray[np.uint8]) -> Image.Image:
    grey = bool((pixels == pixels[..., :1]).all())
    return Image.fromarray(pixels[..., 0] if grey else pixels)
