"""Ten digits in three styles each, as paths that a person can read and edit, and the pen that draws them."""

from __future__ import annotations

__all__ = ["PATHS", "STYLES", "draw", "segments"]

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

STYLES = 3
"""The number of styles of every digit."""

PATHS: tuple[tuple[str, str, str], ...] = (
    (  # 0: oval; slashed; open at the top, one end inside the other
        "E 31 50 31 50",
        "E 32 50 32 50 M 10 88 L 54 12",
        "M 44 0 C 14 -2 0 26 0 56 C 0 86 12 100 30 100 C 50 100 64 82 64 54 C 64 38 58 26 42 16",
    ),
    (  # 1: bare; with a flag; with a flag and a foot
        "M 0 0 L 0 100",
        "M 0 24 L 24 0 L 24 100",
        "M 4 22 L 24 0 L 24 100 M 2 100 L 46 100",
    ),
    (  # 2: flat base; looped; wavy base
        "M 2 24 C 4 -8 58 -8 58 26 C 58 52 22 74 2 100 L 62 100",
        "M 8 18 C 16 -8 58 -6 58 24 C 58 52 34 97 12 97 C -4 97 -4 74 12 75 C 32 76 42 106 68 92",
        "M 8 24 C 6 -8 58 -8 52 26 C 46 56 8 78 0 94 C 18 74 40 114 62 86",
    ),
    (  # 3: round; flat top; with a knot in the middle
        "M 4 14 C 16 -6 56 -6 56 22 C 56 42 38 48 22 48 C 42 48 62 54 62 75 C 62 106 14 106 2 84",
        "M 4 0 L 56 0 L 24 40 C 50 36 62 52 62 69 C 62 106 16 108 2 86",
        "M 8 14 C 20 -8 58 -4 56 22 C 54 46 12 66 12 51 C 12 36 64 38 62 74 C 60 110 10 106 0 80",
    ),
    (  # 4: open; closed; open and round
        "M 10 0 L 0 58 L 64 58 M 50 12 L 50 100",
        "M 46 100 L 46 0 L 0 68 L 64 68",
        "M 8 4 C -6 46 4 56 24 56 C 42 56 52 46 58 30 M 62 0 L 50 100",
    ),
    (  # 5: straight hat; flowing, without corners; square
        "M 58 0 L 14 0 L 8 46 C 30 28 62 40 60 70 C 58 106 14 108 0 86",
        "M 62 0 C 44 6 30 4 20 6 C 10 26 8 38 18 42 C 40 46 62 56 58 78 C 54 104 16 106 0 88",
        "M 58 0 L 6 0 L 6 46 L 36 46 C 70 46 70 100 36 100 L 2 100",
    ),
    (  # 6: one sweep; straight stem on a ring; hooked at the top, curled up inside
        "M 50 0 C 16 12 0 42 0 70 C 0 110 60 110 60 72 C 60 42 14 42 2 72",
        "M 48 0 L 6 56 E 29 71 29 29",
        "M 54 10 C 34 -14 0 16 0 62 C 0 112 62 110 60 76 C 58 50 20 48 14 78",
    ),
    (  # 7: plain; barred; with a serif and a bent stem
        "M 0 0 L 60 0 L 20 100",
        "M 0 0 L 60 0 L 22 100 M 14 52 L 60 52",
        "M 0 20 L 0 2 L 62 2 C 44 30 24 62 26 100",
    ),
    (  # 8: two rings; one stroke with loose ends at the top; one stroke that crosses itself
        "E 30 23 23 23 E 30 73 30 27",
        "M 54 20 C 48 -8 4 -6 6 22 C 8 46 58 50 58 78 C 58 107 0 107 0 80 C 0 54 44 48 62 6",
        "M 8 22 C 4 -8 58 -8 54 22 C 52 38 4 62 2 80 C 0 107 64 107 60 80 C 58 62 10 38 8 22",
    ),
    (  # 9: ring on a straight stem; with a curled tail; one stroke with a pointed head
        "E 28 28 28 28 M 56 14 L 52 100",
        "M 54 22 C 48 -8 0 -8 0 30 C 0 64 50 60 54 22 C 62 66 56 108 6 96",
        "M 54 8 C 22 -14 -6 20 2 42 C 10 62 46 50 56 6 L 40 100",
    ),
)
"""Paths by class and style, 100 units tall with y downwards, in the letters of SVG and one more.

`M x y` lifts the pen to a point, `L x y` draws a line, `C x y x y x y` a cubic Bézier curve, and `E x y rx ry` a whole
ellipse about a centre.
"""

_LENGTHS = {"M": 2, "L": 2, "C": 6, "E": 4}
_PIECES = 5  # a quarter of the largest ring then strays from its curve by less than a tenth of a pixel
_ARC = 0.5522847498307936  # the usual handle of a cubic curve that stands for a quarter of a circle


@cache
def segments(label: int, style: int) -> NDArray[np.float64]:
    """Return a digit as line segments `(S, 4)`: both ends `x y x y`, its box 2 tall about the origin, y downwards."""
    parts = np.array(_trace(PATHS[label][style]))
    x, y = parts[:, 0::2], parts[:, 1::2]
    middle = np.array([x.min() + x.max(), y.min() + y.max()]) / 2
    result: NDArray[np.float64] = (parts - np.tile(middle, 2)) * (2 / (y.max() - y.min()))
    result.flags.writeable = False
    return result


def _trace(path: str) -> list[tuple[float, float, float, float]]:
    words = path.split()
    traced: list[tuple[float, float, float, float]] = []
    at, pen = 0, (0.0, 0.0)
    while at < len(words):
        letter, end = words[at], at + 1 + _LENGTHS[words[at]]
        points = _points(letter, pen, [float(word) for word in words[at + 1 : end]])
        traced += [(*a, *b) for a, b in pairwise(points)]
        at, pen = end, points[-1]
    return traced


def _points(letter: str, pen: tuple[float, float], numbers: list[float]) -> list[tuple[float, float]]:
    if letter == "E":
        return _ellipse(*numbers)
    ends = list(zip(numbers[0::2], numbers[1::2], strict=True))
    if letter == "C":
        return [_bezier(pen, *ends, t=piece / _PIECES) for piece in range(_PIECES + 1)]
    return [pen, *ends] if letter == "L" else ends


def _bezier(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], d: tuple[float, float], *, t: float
) -> tuple[float, float]:
    s = 1 - t
    weights = (s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t)
    x, y = (weights[0] * a[i] + weights[1] * b[i] + weights[2] * c[i] + weights[3] * d[i] for i in (0, 1))
    return x, y


def _ellipse(x: float, y: float, rx: float, ry: float) -> list[tuple[float, float]]:
    corners = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (1.0, 0.0)]
    ring = [(x + rx, y)]
    for (ax, ay), (bx, by) in pairwise(corners):
        unit = ((ax, ay), (ax + _ARC * bx, ay + _ARC * by), (bx + _ARC * ax, by + _ARC * ay), (bx, by))
        start, first, second, end = ((x + rx * u, y + ry * v) for u, v in unit)
        ring += [_bezier(start, first, second, end, t=piece / _PIECES) for piece in range(1, _PIECES + 1)]
    return ring


def draw(placed: NDArray[np.float64], thickness: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
    """Draw segments with a round pen whose edge fades over one pixel.

    Arguments:
        placed: Segments `(N, S, 4)` in pixels from the middle, y downwards.
        thickness: The pen's width `(N,)` in pixels.
        side: The height and width of the images.

    Returns:
        Images `(N, side, side)`, 255 for ink.
    """
    distance = np.sqrt(_nearest(placed, side))
    ink = np.clip((thickness / 2 + 0.5).astype(np.float32)[:, None, None] - distance, 0, 1)
    result: NDArray[np.uint8] = np.rint(ink * np.float32(255)).astype(np.uint8)
    return result


def _nearest(placed: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    """Return the squared distance `(N, side, side)` from every pixel to the nearest of the segments `(N, S, 4)`."""
    nearest = np.full((len(placed), side, side), np.inf, np.float32)
    along, across, inside = (np.empty_like(nearest) for _ in range(3))
    for segment in placed.transpose(1, 0, 2):
        ax, ay, ux, uy, length = _frame(segment, side)
        np.add((ax * ux)[:, None, :], (ay * uy)[:, :, None], out=along)
        np.subtract((ay * ux)[:, :, None], (ax * uy)[:, None, :], out=across)
        np.minimum(np.maximum(along, 0, out=inside), length[:, :, None], out=inside)
        along -= inside
        along *= along
        across *= across
        along += across
        np.minimum(nearest, along, out=nearest)
    return nearest


def _frame(segment: NDArray[np.float64], side: int) -> tuple[NDArray[np.float32], ...]:
    """Return a segment's frame: columns and rows `(N, side)` from its start, its direction and length `(N, 1)`."""
    grid = np.arange(side) - (side - 1) / 2
    ax, ay, bx, by = (segment[:, i, None] for i in range(4))
    right, down = bx - ax, by - ay
    length = np.sqrt(right * right + down * down)
    parts = (grid - ax, grid - ay, right / length, down / length, length)
    return tuple(part.astype(np.float32) for part in parts)
