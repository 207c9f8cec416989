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

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.arguments import no_argument
from zoo.data.cache import user_cache
from zoo.data.images import ImageSet, Split
from zoo.data.options import DataOptions
from zoo.data.strokes import PATHS, STYLES, draw, segments
from zoo.errors import ZooError, did_you_mean

SIDE = 28
"""The height and width of an image in pixels."""

TRAIN, TEST = 20_000, 4_000
"""The number of images in each split."""

_VERSION = 1  # part of the cache's file name: raise it whenever a pixel changes
_SEED = 41  # the first with which no training image is a test image
_HALF_HEIGHT = 8.75  # pixels from the centre to the top of the pen's path at scale 1: about the most that fits
_CHUNK = 64  # images drawn at once: few enough that the working arrays stay in the processor's cache
_DIGEST = 32  # bytes of a SHA-256


@dataclass(frozen=True)
class Factor:
    """A factor of variation: `count` equally likely values, evenly spaced from `low` to `high`.

    Arguments:
        name: The name in `Split.y` and in `render`.
        low, high: The ends of the range, both included; `render` takes whatever lies between.
        count: The number of values that the data set holds.
        default: The value that `render` takes for a factor that is not given.
        discrete: Whether only whole numbers make sense, kept as `int64`; others are `float32`.
        meaning: The unit and the direction.
    """

    name: str
    low: float
    high: float
    count: int
    default: float
    discrete: bool
    meaning: str

    @property
    def values(self) -> Tensor:
        """The values `(count,)`, ascending."""
        return self.at(torch.arange(self.count))

    def at(self, index: Tensor) -> Tensor:
        """Return the values at whole-number places in the grid."""
        values = self.low + index.to(torch.float64) * ((self.high - self.low) / (self.count - 1))
        return values.to(torch.int64 if self.discrete else torch.float32)


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
    whole = Split(_cached_images(y), y)
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
    columns = _columns(factors)
    images = np.empty((len(columns["label"]), SIDE, SIDE), np.uint8)
    shape = (columns["label"] * STYLES + columns["style"]).astype(np.int64)
    for key in np.unique(shape).tolist():
        label, style = divmod(key, STYLES)
        members = np.flatnonzero(shape == key)
        for start in range(0, len(members), _CHUNK):
            chunk = members[start : start + _CHUNK]
            part = {name: column[chunk] for name, column in columns.items()}
            images[chunk] = draw(_place(segments(label, style), part), part["thickness"], SIDE)
    return torch.from_numpy(images)[:, None]


def _columns(factors: Mapping[str, Tensor | float]) -> dict[str, NDArray[np.float64]]:
    names = [factor.name for factor in FACTORS]
    for name in factors:
        if name not in names:
            raise ZooError(f"glyphs have no factor '{name}'{did_you_mean(name, names)}")
    given = [_check(factor, factors.get(factor.name, factor.default)) for factor in FACTORS]
    lengths = {len(values) for values in given if values.ndim}
    if len(lengths) > 1:
        raise ZooError(f"factors must have the same length, got {', '.join(map(str, sorted(lengths)))}")
    shape = (max(lengths, default=1),) if 0 not in lengths else (0,)
    return {name: np.broadcast_to(values, shape) for name, values in zip(names, given, strict=True)}


def _check(factor: Factor, given: Tensor | float) -> NDArray[np.float64]:
    values: NDArray[np.float64] = torch.as_tensor(given, dtype=torch.float64, device="cpu").detach().numpy()
    if values.ndim > 1:
        raise ZooError(f"{factor.name} must be a number or have shape (N,), got {tuple(values.shape)}")
    if not ((values >= factor.low) & (values <= factor.high)).all():
        raise ZooError(f"{factor.name} must lie between {factor.low:g} and {factor.high:g}")
    if factor.discrete and (values != np.floor(values)).any():
        raise ZooError(f"{factor.name} must be a whole number")
    return values


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
    index = ((_hash(counter) >> np.uint64(32)) * np.uint64(factor.count)) >> np.uint64(32)
    return factor.at(torch.from_numpy(index.astype(np.int64)))


def _hash(counter: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers of the SplitMix64 sequence by their place in it.

    References:
        Fast splittable pseudorandom number generators (Steele, Lea, Flood, 2014).
    """
    z = (counter + np.uint64(_SEED << 32) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _cached_images(y: Mapping[str, Tensor]) -> Tensor:
    try:
        path = user_cache() / f"glyphs-{_VERSION}.bin"
    except RuntimeError:  # a user without a home
        return render(y)
    images = _read(path, len(y["label"]))
    if images is None:
        images = render(y)
        _write(path, images)
    return images


def _read(path: Path, count: int) -> Tensor | None:
    """Return the images in a file, or None if it is missing, unreadable or damaged."""
    content = bytearray(_DIGEST + count * SIDE * SIDE)
    try:
        with path.open("rb") as file:
            complete = file.readinto(content) == len(content) and not file.read(1)
    except OSError:
        return None
    if not complete or hashlib.sha256(memoryview(content)[_DIGEST:]).digest() != content[:_DIGEST]:
        return None
    return torch.frombuffer(content, dtype=torch.uint8, offset=_DIGEST).view(count, 1, SIDE, SIDE)


def _write(path: Path, images: Tensor) -> None:
    """Keep images in a file behind their digest, all or nothing; a folder that cannot be written is no error."""
    content = images.numpy().data.cast("B")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError), open(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
            file.close()  # before the move, as Windows asks
            os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
