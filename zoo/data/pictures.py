"""One picture file as pixels: its orientation, transparency, bit depth and colour settled."""

from __future__ import annotations

__all__ = ["SUFFIXES", "Header", "How", "UnreadablePicture", "decode", "decode_all", "inspect", "inspect_all"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from zoo.errors import one_line

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"))
"""What picture files end in, in lower case."""

_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_GREY = ("1", "L", "LA", "La", *_DEEP)
_TURNED = (5, 6, 7, 8)
"""The EXIF orientations that swap width and height."""


class UnreadablePicture(Exception):
    """A file that is no picture, or a damaged one; the message says why."""


@dataclass(frozen=True)
class How:
    """How pictures are made alike: one channel or three, cut to the central square, brought to a size; see `decode`."""

    grey: bool
    crop: bool
    size: int | None


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a picture before its pixels are read: its size as shown, and whether it is grey."""

    width: int
    height: int
    grey: bool


def inspect(path: Path) -> Header:
    """Read a picture's header.

    Raises:
        UnreadablePicture: If there is none.
    """
    try:
        with Image.open(path) as image:
            if image.mode == "F":
                raise UnreadablePicture("floating-point pixels have no agreed range")
            width, height = image.size[::-1] if _orientation(image) in _TURNED else image.size
            return Header(width, height, image.mode in _GREY)
    except UnreadablePicture:
        raise
    except Exception as error:  # Pillow's readers throw all kinds at damaged files
        raise UnreadablePicture(one_line(error)) from error


def inspect_all(paths: Sequence[Path]) -> list[Header | UnreadablePicture]:
    """Read the headers of several pictures; what cannot be read is returned as its error, to be told in order."""
    return [_try_to_inspect(path) for path in paths]


def _try_to_inspect(path: Path) -> Header | UnreadablePicture:
    try:
        return inspect(path)
    except UnreadablePicture as reason:
        return reason


def _orientation(image: Image.Image) -> int:
    # Asked for EXIF that its header lacks, a PNG decodes all of its pixels in search of it.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    return int(image.getexif().get(ExifTags.Base.Orientation, 1))


def decode(path: Path, *, grey: bool, crop: bool, size: int | None) -> NDArray[np.uint8]:
    """Return a picture's pixels `(C, H, W)`, `uint8`.

    EXIF orientation is applied, transparency laid on white, 16 bits scaled to 8; an animation's first picture counts.

    Arguments:
        path: The file.
        grey: One channel instead of RGB.
        crop: Cut to the central square.
        size: Resize to `size` × `size` after that (Lanczos, anti-aliased), or None.

    Raises:
        UnreadablePicture: If the file is damaged.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            image = _flatten(_central_square(image) if crop else image, grey)
            if size is not None and image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.LANCZOS)
            pixels = np.asarray(image)
    except Exception as error:  # as above
        raise UnreadablePicture(one_line(error)) from error
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def decode_all(paths: Sequence[Path], how: How) -> list[NDArray[np.uint8] | UnreadablePicture]:
    """Return the pixels of several pictures, or the error of each that cannot be read."""
    return [_try_to_decode(path, how) for path in paths]


def _try_to_decode(path: Path, how: How) -> NDArray[np.uint8] | UnreadablePicture:
    try:
        return decode(path, grey=how.grey, crop=how.crop, size=how.size)
    except UnreadablePicture as reason:
        return reason


def _central_square(image: Image.Image) -> Image.Image:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _flatten(image: Image.Image, grey: bool) -> Image.Image:
    if image.mode in _DEEP:
        # Pillow would cut 16 bits off at 255 instead of scaling them.
        image = Image.fromarray(np.rint(np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    elif image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("L" if grey else "RGB")
