"""Glyphs: handwritten-looking digits drawn from labelled factors, made on first use without a download.

Every image is a function of eight factors and of nothing else, so any combination can be drawn again with `render`.
The same bytes come out on every machine: factors are drawn by an integer hash, and pixels use only the operations that
IEEE 754 rounds exactly (add, multiply, divide, square root, minimum, maximum), one per array expression, with no sine,
no power, no reduction and no matrix product whose last bit depends on a library. What is left to trust is that numpy
does one such operation per call, unfused; checked with numpy 1.26 and 2.4 on x86-64, with and without AVX.

Styles are numbered anew for each class: style 1 of a 7 has a bar, style 1 of a 0 a slash (`zoo.data.strokes`). A 1
without flag and foot is a bare line, where slant and rotation nearly coincide.
"""

from __future__ import annotations

__all__ = ["FACTORS", "SIDE", "TEST", "TRAIN", "Factor", "load", "render"]

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.arguments import no_argument
from zoo.data.factors import Factor, columns, numbers
from zoo.data.images import ImageSet, Split
from zoo.data.kept import kept
from zoo.data.options import DataOptions
from zoo.data.strokes import PATHS, STYLES, draw, segments

SIDE = 28
"""The height and width of an image in pixels."""

TRAIN, TEST = 20_000, 4_000
"""The number of images in each split."""

_VERSION = 1  # part of the cache's file name: raise it whenever a pixel changes
_SEED = 41  # the first with which no training image is a test image
_HALF_HEIGHT = 8.75  # pixels from the centre to the top of the pen's path at scale 1: about the most that fits
_CHUNK = 64  # images drawn at once: few enough that the working arrays stay in the processor's cache

FACTORS: tuple[Factor, ...] = (
    Factor("label", 0, 9, len(PATHS), 0, True, "the digit"),
    Factor("style", 0, STYLES - 1, STYLES, 0, True, "the way of writing this digit"),
    Factor("slant", -0.125, 0.3125, 8, 0.0, False, "columns to the right per row upwards"),
    Factor("thickness", 2.0, 3.5, 7, 2.75, False, "width of the pen in pixels, whatever the scale"),
    Factor("scale", 0.8125, 1.0, 7, 0.90625, False, "size; at 1 the pen's path is 17.5 pixels tall"),
    Factor("rotation", -10, 10, 11, 0.0, False, "degrees clockwise about the digit's centre"),
    Factor("x", -1.5, 1.5, 13, 0.0, False, "pixels to the right of the middle"),
    Factor("y", -1.5, 1.5, 13, 0.0, False, "pixels below the middle"),
)
"""The factors of variation, independent of each other. All values are exact in `float32`."""


def load(argument: str | None, options: DataOptions) -> ImageSet:
    """Return the glyphs: from the cache folder if they are there, else drawn within seconds and kept there.

    Arguments:
        argument: What follows the colon in `glyphs:...`; there must be nothing.
        options: How images are read; applied by the caller.

    Raises:
        ZooError: If there is an argument.
    """
    no_argument("glyphs", argument)
    y = _draw_factors(TRAIN + TEST)
    shape = (TRAIN + TEST, 1, SIDE, SIDE)
    whole = Split(kept(f"glyphs-{_VERSION}.bin", shape, lambda: render(y)), y)
    return ImageSet(
        name="glyphs",
        train=whole[:TRAIN],
        test=whole[TRAIN:],
        scale=1 / 255,
        source=f"drawn by zoo.data.glyphs, version {_VERSION}",
    )


def render(factors: Mapping[str, Tensor | float]) -> Tensor:
    """Draw images for given factors; those that are not given take their default.

    Arguments:
        factors: Values by name, each a number or a tensor `(N,)`, on the grid of `FACTORS` or between.

    Returns:
        Images `(N, 1, 28, 28)` as `uint8`, 255 for ink; one image if every factor is a number.

    Raises:
        ZooError: If a name is unknown, a value lies outside its range or the lengths differ.

    Example:
        >>> row = render({"label": 7, "style": torch.arange(3)})
        >>> row.shape
        torch.Size([3, 1, 28, 28])
    """
    given = columns("glyphs", FACTORS, factors)
    images = np.empty((len(given["label"]), SIDE, SIDE), np.uint8)
    shape = (given["label"] * STYLES + given["style"]).astype(np.int64)
    for key in np.unique(shape).tolist():
        label, style = divmod(key, STYLES)
        members = np.flatnonzero(shape == key)
        for start in range(0, len(members), _CHUNK):
            chunk = members[start : start + _CHUNK]
            part = {name: column[chunk] for name, column in given.items()}
            images[chunk] = draw(_place(segments(label, style), part), part["thickness"], SIDE)
    return torch.from_numpy(images)[:, None]


def _place(strokes: NDArray[np.float64], factors: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Scale, slant, turn and shift the segments `(S, 4)` of one shape into pixels `(N, S, 4)` from the middle."""
    size = (_HALF_HEIGHT * factors["scale"])[:, None]
    sin, cos = (part[:, None] for part in _sin_cos(factors["rotation"]))
    placed = np.empty((len(size), *strokes.shape))
    for end in (0, 2):
        down = size * strokes[:, end + 1]
        right = size * strokes[:, end] - factors["slant"][:, None] * down
        placed[:, :, end] = cos * right - sin * down + factors["x"][:, None]
        placed[:, :, end + 1] = sin * right + cos * down + factors["y"][:, None]
    return placed


def _sin_cos(degrees: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Series instead of libm's functions, whose last bit differs between machines; exact to 1e-8 for these small angles.
    t = degrees * 0.017453292519943295
    s = t * t
    return t * (1 - s / 6 * (1 - s / 20)), 1 - s / 2 * (1 - s / 12 * (1 - s / 30))


def _draw_factors(count: int) -> dict[str, Tensor]:
    """Draw the factors of images 0 to `count`, each from its own numbers of one sequence."""
    first = np.arange(count, dtype=np.uint64) * np.uint64(len(FACTORS))
    return {factor.name: _draw(factor, first + np.uint64(column)) for column, factor in enumerate(FACTORS)}


def _draw(factor: Factor, counter: NDArray[np.uint64]) -> Tensor:
    index = ((numbers(_SEED, counter) >> np.uint64(32)) * np.uint64(factor.count)) >> np.uint64(32)
    return factor.at(torch.from_numpy(index.astype(np.int64)))
