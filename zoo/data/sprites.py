"""Sprites: the grid of dSprites, drawn on the fly from its five factors, of which a data set takes a sample.

As in the original, there are three shapes, 6 scales, 40 orientations from 0 to 360 degrees with both ends, and 32 × 32
positions: 737,280 combinations of black and white images of 64 × 64. A pixel is white if its middle lies in the shape;
nothing is smoothed. The outlines are the zoo's own, so that scores are near those on dSprites, and not the same.

Every image is a function of its factors, so any combination can be drawn again with `render`, and the same bytes come
out on every machine, for the reasons that `zoo.data.glyphs` gives.

References:
    dSprites: Disentanglement testing Sprites dataset (Matthey, Higgins, Hassabis & Lerchner, 2017),
    https://github.com/google-deepmind/dsprites-dataset.
"""

from __future__ import annotations

__all__ = ["FACTORS", "SHAPES", "SIDE", "TEST", "TRAIN", "load", "render"]

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.arguments import no_argument
from zoo.data.factors import Factor, columns, numbers
from zoo.data.images import ImageSet, Split
from zoo.data.kept import kept
from zoo.data.options import DataOptions

SIDE = 64
"""The height and width of an image in pixels."""

TRAIN, TEST = 50_000, 5_000
"""The number of images in each split: a sample of the grid in which no image comes twice."""

SHAPES = ("square", "ellipse", "heart")
"""What the values 0, 1 and 2 of `shape` are."""

_VERSION = 1  # part of the cache's file name: raise it whenever a pixel changes
_SEED = 0
_CHUNK = 64  # images drawn at once: few enough that the working arrays stay in the processor's cache
_PLACE = 4  # bytes of an image's place in the grid, which the cache holds before its pixels
_TURN = 360.0

Pixels: TypeAlias = NDArray[np.float32]

FACTORS: tuple[Factor, ...] = (
    Factor("shape", 0, 2, 3, 0, True, "square, ellipse or heart"),
    Factor("scale", 0.5, 1.0, 6, 1.0, False, "size; at 1 a square is 22.2 pixels wide"),
    Factor("orientation", 0, _TURN, 40, 0.0, False, "degrees clockwise about the shape's centre"),
    Factor("x", -15.5, 15.5, 32, 0.5, False, "pixels to the right of the middle"),
    Factor("y", -15.5, 15.5, 32, 0.5, False, "pixels below the middle"),
)
"""The factors of variation, independent of each other; a square looks the same after each quarter of a turn, an ellipse
after each half, and everything after a whole one."""


def load(argument: str | None, options: DataOptions) -> ImageSet:
    """Return the sprites: from the cache folder if they are there, else drawn within seconds and kept there.

    Arguments:
        argument: What follows the colon in `sprites:...`; there must be nothing.
        options: How images are read; applied by the caller.

    Raises:
        ZooError: If there is an argument.
    """
    no_argument("sprites", argument)
    count = TRAIN + TEST
    whole = _unpack(kept(f"sprites-{_VERSION}.bin", (count, _PLACE + SIDE * SIDE // 8), lambda: _sample(count)))
    return ImageSet(
        name="sprites",
        train=whole[:TRAIN],
        test=whole[TRAIN:],
        scale=1 / 255,
        source=f"drawn by zoo.data.sprites, version {_VERSION}",
    )


def render(factors: Mapping[str, Tensor | float]) -> Tensor:
    """Draw images for given factors; those that are not given take their default.

    Arguments:
        factors: Values by name, each a number or a tensor `(N,)`, on the grid of `FACTORS` or between.

    Returns:
        Images `(N, 1, 64, 64)` as `uint8`, 255 in the shape and 0 outside; one image if every factor is a number.

    Raises:
        ZooError: If a name is unknown, a value lies outside its range or the lengths differ.

    Example:
        >>> turning = render({"shape": 2, "orientation": torch.tensor([0.0, 90.0, 180.0])})
        >>> turning.shape
        torch.Size([3, 1, 64, 64])
    """
    given = columns("sprites", FACTORS, factors)
    images = np.zeros((len(given["shape"]), SIDE, SIDE), np.uint8)
    for number, inside in enumerate(_OUTLINES):
        members = np.flatnonzero(given["shape"] == number)
        for start in range(0, len(members), _CHUNK):
            chunk = members[start : start + _CHUNK]
            frame = _frame({name: column[chunk] for name, column in given.items()})
            images[chunk] = np.multiply(inside(*frame), 255, dtype=np.uint8)
    return torch.from_numpy(images)[:, None]


def _frame(factors: Mapping[str, NDArray[np.float64]]) -> tuple[Pixels, Pixels]:
    """Return how far right and down of a shape's middle pixels lie in its own frame, at scale 1: `(N, 64, 64)` each."""
    grid = np.arange(SIDE) - (SIDE - 1) / 2
    right, down = grid - factors["x"][:, None], grid - factors["y"][:, None]
    sin, cos = ((part / factors["scale"])[:, None] for part in _sin_cos(factors["orientation"]))
    parts = (right * cos, down * sin, down * cos, right * sin)
    across, lowered, along, leant = (part.astype(np.float32) for part in parts)
    return across[:, None, :] + lowered[:, :, None], along[:, :, None] - leant[:, None, :]


def _square(u: Pixels, v: Pixels) -> NDArray[np.bool_]:
    return np.asarray(np.maximum(np.abs(u), np.abs(v)) <= np.float32(11.1))


def _ellipse(u: Pixels, v: Pixels) -> NDArray[np.bool_]:
    s, t = u / np.float32(15.5), v / np.float32(8.0)
    return np.asarray(s * s + t * t <= 1)


def _heart(u: Pixels, v: Pixels) -> NDArray[np.bool_]:
    # (s^2 + t^2 - 1)^3 <= s^2 t^3 with t upwards, moved so that its centre of mass is in the middle.
    s, t = u / np.float32(11.5), np.float32(0.295) - v / np.float32(11.5)
    s, square = s * s, t * t
    ring = s + square - 1
    return np.asarray(ring * ring * ring <= s * square * t)


_OUTLINES: tuple[Callable[[Pixels, Pixels], NDArray[np.bool_]], ...] = (_square, _ellipse, _heart)


def _sin_cos(degrees: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Series instead of libm's functions, whose last bit differs between machines; exact to 1e-13 within a turn.
    t = np.where(degrees == _TURN, 0.0, degrees) * 0.017453292519943295
    square = t * t
    sin, cos = np.ones_like(t), np.ones_like(t)
    for n in range(40, 0, -2):
        sin = 1 - square / (n * (n + 1)) * sin
        cos = 1 - square / (n * (n - 1)) * cos
    return t * sin, cos


def _sample(count: int) -> Tensor:
    """Draw images from the grid without replacement: their places and pixels, `(count, 4 + 512)` bytes.

    An image that looks like an earlier one is left out, as a square may after about a quarter of a turn.
    """
    grid = np.arange(np.prod([factor.count for factor in FACTORS]), dtype=np.uint64)
    places = np.argsort(numbers(_SEED, grid), kind="stable")[: count + count // 20 + 10]
    pixels = np.concatenate([_bits(part) for part in np.array_split(places, -(-len(places) // 1000))])
    first: dict[bytes, int] = {}
    for row, image in enumerate(pixels):
        first.setdefault(image.tobytes(), row)
    chosen = list(first.values())[:count]
    return torch.from_numpy(np.hstack([places[chosen, None].astype("<u4").view(np.uint8), pixels[chosen]]))


def _bits(places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Draw the images at places of the grid, eight pixels to a byte: `(N, 512)`."""
    return np.packbits(render(_factors(places)).flatten(1).numpy(), axis=1)


def _factors(places: NDArray[np.int64]) -> dict[str, Tensor]:
    """Return the factors of the images at places of the grid, of which the last factor changes fastest."""
    index = np.unravel_index(places, [factor.count for factor in FACTORS])
    return {factor.name: factor.at(torch.from_numpy(part)) for factor, part in zip(FACTORS, index, strict=True)}


def _unpack(sample: Tensor) -> Split:
    rows = sample.numpy()
    images = np.unpackbits(rows[:, _PLACE:], axis=1)
    images *= 255
    places = np.ascontiguousarray(rows[:, :_PLACE]).view("<u4")[:, 0].astype(np.int64)
    return Split(torch.from_numpy(images).view(-1, 1, SIDE, SIDE), _factors(places))
